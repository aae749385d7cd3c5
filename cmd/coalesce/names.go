package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/rules"
)

// readNames makes the policy that the configuration and its files say. It is
// nil where names stay as they are received. sum tells contents apart.
func readNames(c config.Names) (p *naming.Policy, sum [sha256.Size]byte, diags []rules.Diagnostic, err error) {
	p = &naming.Policy{Normalise: c.NormaliseTags}
	syntax := naming.Regexps
	if c.ListSyntax == "glob" {
		syntax = naming.Globs
	}
	hash := sha256.New()
	read := func(path string, parse func(text []byte) []rules.Diagnostic) {
		if path == "" {
			return
		}
		text, e := readText(path)
		if e != nil {
			err = errors.Join(err, fmt.Errorf("names: %w", e))
			return
		}
		fmt.Fprintf(hash, "%d\n%s", len(text), text)
		diags = append(diags, parse(text)...)
	}
	read(c.RewriteRules, func(text []byte) (d []rules.Diagnostic) {
		p.Rewrites, d = naming.ParseRewrites(c.RewriteRules, text)
		return d
	})
	read(c.DenyList, func(text []byte) (d []rules.Diagnostic) {
		p.Deny, d = naming.ParseList(c.DenyList, text, syntax)
		return d
	})
	read(c.AllowList, func(text []byte) (d []rules.Diagnostic) {
		p.Allow, d = naming.ParseList(c.AllowList, text, syntax)
		return d
	})
	if c.RewriteRules == "" && c.DenyList == "" && c.AllowList == "" && !c.NormaliseTags {
		p = nil
	}
	return p, [sha256.Size]byte(hash.Sum(nil)), diags, err
}

// nameFiles keeps the naming policy in force equal to its files.
type nameFiles struct {
	reloader[*naming.Policy]
	cfg   config.Names
	apply func(*naming.Policy)

	policy  atomic.Pointer[naming.Policy] // in force
	row     []byte                        // of rowName
	scratch naming.Scratch                // of rowName
}

// newNameFiles returns files that have not been read.
func newNameFiles(cfg config.Names, log *slog.Logger) *nameFiles {
	n := &nameFiles{cfg: cfg}
	n.name, n.files, n.log, n.now, n.take = "names", "a file of [names]", log, time.Now, n.replace
	for _, p := range []string{cfg.RewriteRules, cfg.DenyList, cfg.AllowList} {
		if p != "" {
			n.paths = append(n.paths, p)
		}
	}
	n.read = func() (*naming.Policy, [sha256.Size]byte, []rules.Diagnostic, error) { return readNames(cfg) }
	return n
}

// start reads the files for the first time.
func (n *nameFiles) start() (*naming.Policy, error) {
	p, err := n.reloader.start()
	n.policy.Store(p)
	return p, err
}

// replace puts another policy in force.
func (n *nameFiles) replace(p *naming.Policy, changed bool) (replaces bool) {
	if changed {
		n.policy.Store(p)
		n.apply(p)
		n.log.Info("names reloaded", "rewrite_rules", n.cfg.RewriteRules, "deny_list", n.cfg.DenyList, "allow_list", n.cfg.AllowList)
	}
	return changed
}

// rowName returns the name under which an aggregate leaves. Only the goroutine
// that emits calls it.
func (n *nameFiles) rowName(name string) []byte {
	n.row = append(n.row[:0], name...)
	if !n.cfg.RewriteAggregates {
		return n.row
	}
	if d := n.policy.Load().Post(n.row, &n.scratch); d.Dropped == naming.Kept {
		return d.Name
	}
	return n.row // [post] makes it impossible as a name
}
