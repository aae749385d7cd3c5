package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/coalesce-metrics/coalesce/metrics"
	"github.com/coalesce-metrics/coalesce/rules"
)

// maxRuleFile bounds a rule file, in bytes.
const maxRuleFile = 64 << 20

// readRules reads and parses a rule file. Errors of the rules are among the
// diagnostics; err is that the file cannot be read.
func readRules(path, prefix string) (text []byte, parsed []*rules.Rule, diags []rules.Diagnostic, err error) {
	if text, err = readText(path); err != nil {
		return nil, nil, nil, fmt.Errorf("rules: %w", err)
	}
	parsed, diags = rules.Parse(path, text, rules.Options{Prefix: prefix})
	return text, parsed, append(diags, rules.Check(parsed)...), nil
}

func hasErrors(diags []rules.Diagnostic) bool {
	for _, d := range diags {
		if !d.Warning {
			return true
		}
	}
	return false
}

// ruleFile keeps the rules of a file in force. A bad file changes nothing.
type ruleFile struct {
	path, prefix string
	log          *slog.Logger
	apply        func([]*rules.Rule)
	now          func() time.Time

	mu     sync.Mutex
	tried  [sha256.Size]byte // the content last looked at
	rules  []*rules.Rule
	status metrics.ReloadStatus
	failed string // what could not be read, said once
}

// start loads the file for the first time.
func (r *ruleFile) start() error {
	text, parsed, diags, err := readRules(r.path, r.prefix)
	if err != nil {
		return err
	}
	reportDiagnostics(r.log, diags)
	if hasErrors(diags) {
		return fmt.Errorf("%s has errors: correct them, `coalesce check` shows them again", r.path)
	}
	r.tried, r.rules = sha256.Sum256(text), parsed
	r.status = metrics.ReloadStatus{OK: true, LastSuccess: r.now()}
	r.warnEmpty()
	r.apply(parsed)
	return nil
}

// reload takes the file over if its content has changed since it was last
// looked at. force reports a bad file again.
func (r *ruleFile) reload(force bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if isPipe(r.path) {
		if force {
			r.failed = errPipe.Error()
			r.fail("cannot be read", errPipe)
		}
		return
	}
	text, parsed, diags, err := readRules(r.path, r.prefix)
	if err != nil {
		// A file that is just being replaced may be missing for a moment.
		if force || r.failed != err.Error() {
			r.fail("cannot be read", err)
		}
		r.failed = err.Error()
		return
	}
	sum := sha256.Sum256(text)
	if same := bytes.Equal(sum[:], r.tried[:]); same && !force && r.failed == "" {
		return
	}
	r.failed, r.tried = "", sum
	reportDiagnostics(r.log, diags)
	if hasErrors(diags) {
		r.fail("has errors", fmt.Errorf("%d errors in %s", countErrors(diags), r.path))
		return
	}
	d := rules.Diff(r.rules, parsed)
	if !slices.EqualFunc(r.rules, parsed, sameRule) {
		r.apply(parsed)
		r.status.Reloads++
	}
	r.rules = parsed
	r.status.OK, r.status.LastSuccess = true, r.now()
	r.log.Info("rules reloaded", "file", r.path, "added", len(d.Added), "removed", len(d.Removed), "unchanged", len(d.Unchanged))
	r.warnEmpty()
	for _, a := range d.Added {
		r.log.Debug("rule added", "rule", a.Text)
	}
	for _, a := range d.Removed {
		r.log.Debug("rule removed", "rule", a.Text)
	}
}

// warnEmpty tells of a file without rules, which is rarely meant.
func (r *ruleFile) warnEmpty() {
	if len(r.rules) == 0 {
		r.log.Warn("no rules", "file", r.path)
	}
}

// sameRule says whether two rules act alike and are counted under the same place.
func sameRule(a, b *rules.Rule) bool { return a.ID == b.ID && a.Line == b.Line }

func (r *ruleFile) fail(what string, err error) {
	r.status.OK = false
	r.status.Failures++
	r.log.Error("rules not reloaded, the old ones stay in force: the file "+what, "file", r.path, "err", err)
}

func countErrors(diags []rules.Diagnostic) (n int) {
	for _, d := range diags {
		if !d.Warning {
			n++
		}
	}
	return n
}

// maxReported is how many diagnostics of one file are logged.
const maxReported = 20

func reportDiagnostics(log *slog.Logger, diags []rules.Diagnostic) {
	for i, d := range diags {
		if i == maxReported {
			log.Warn("more of the kind are not logged", "file", d.File, "more", len(diags)-i)
			return
		}
		if d.Warning {
			log.Warn(d.String())
		} else {
			log.Error(d.String())
		}
	}
}

// Status returns how the last reload went.
func (r *ruleFile) Status() metrics.ReloadStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}
