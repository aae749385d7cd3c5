package main

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/coalesce-metrics/coalesce/rules"
)

// readRules reads and parses a rule file. Errors of the rules are among the
// diagnostics; err is that the file cannot be read. sum tells contents apart.
func readRules(path, prefix string) (parsed []*rules.Rule, sum [sha256.Size]byte, diags []rules.Diagnostic, err error) {
	text, err := readText(path)
	if err != nil {
		return nil, sum, nil, fmt.Errorf("rules: %w", err)
	}
	parsed, diags = rules.Parse(path, text, rules.Options{Prefix: prefix})
	return parsed, sha256.Sum256(text), append(diags, rules.Check(parsed)...), nil
}

// ruleFile keeps the rules of a file in force.
type ruleFile struct {
	reloader[[]*rules.Rule]
	path  string
	apply func([]*rules.Rule)
	rules []*rules.Rule // in force
}

// newRuleFile returns a file that has not been read.
func newRuleFile(path, prefix string, log *slog.Logger, now func() time.Time, apply func([]*rules.Rule)) *ruleFile {
	r := &ruleFile{path: path, apply: apply}
	r.name, r.files, r.paths, r.log, r.now, r.take = "rules", path, []string{path}, log, now, r.replace
	r.read = func() ([]*rules.Rule, [sha256.Size]byte, []rules.Diagnostic, error) { return readRules(path, prefix) }
	return r
}

// start puts the rules in force for the first time.
func (r *ruleFile) start() (err error) {
	if r.rules, err = r.reloader.start(); err != nil {
		return err
	}
	r.warnEmpty()
	r.apply(r.rules)
	return nil
}

// replace puts other rules in force, if they are.
func (r *ruleFile) replace(list []*rules.Rule, _ bool) (replaces bool) {
	d := rules.Diff(r.rules, list)
	if replaces = !slices.EqualFunc(r.rules, list, sameRule); replaces {
		r.apply(list)
	}
	r.rules = list
	r.log.Info("rules reloaded", "file", r.path, "added", len(d.Added), "removed", len(d.Removed), "unchanged", len(d.Unchanged))
	r.warnEmpty()
	for _, a := range d.Added {
		r.log.Debug("rule added", "rule", a.Text)
	}
	for _, a := range d.Removed {
		r.log.Debug("rule removed", "rule", a.Text)
	}
	return replaces
}

// warnEmpty tells of a file without rules, which is rarely meant.
func (r *ruleFile) warnEmpty() {
	if len(r.rules) == 0 {
		r.log.Warn("no rules", "file", r.path)
	}
}

// sameRule says whether two rules act alike and are counted under the same place.
func sameRule(a, b *rules.Rule) bool { return a.ID == b.ID && a.Line == b.Line }
