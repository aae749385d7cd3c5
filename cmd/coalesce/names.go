package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/metrics"
	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/rules"
)

// readText reads a file of rules or names.
func readText(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRuleFile+1))
	if err == nil && len(text) > maxRuleFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxRuleFile)
	}
	return text, err
}

// isPipe says whether a file can be read only once: to open it again might wait for
// ever, and what has been read does not come again.
func isPipe(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&fs.ModeNamedPipe != 0
}

var errPipe = errors.New("it is a pipe, which is read at the start only")

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
		if err = errors.Join(err, e); e != nil {
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

// nameFiles keeps the naming policy in force equal to its files, as ruleFile
// does with the rules.
type nameFiles struct {
	cfg   config.Names
	log   *slog.Logger
	apply func(*naming.Policy)

	policy  atomic.Pointer[naming.Policy] // in force
	row     []byte                        // of rowName
	scratch naming.Scratch                // of rowName

	mu     sync.Mutex // guards all below
	tried  [sha256.Size]byte
	failed string
	status metrics.ReloadStatus
}

// start loads the files for the first time.
func (n *nameFiles) start() (*naming.Policy, error) {
	p, sum, diags, err := readNames(n.cfg)
	if err != nil {
		return nil, fmt.Errorf("names: %w", err)
	}
	reportDiagnostics(n.log, diags)
	if hasErrors(diags) {
		return nil, errors.New("the files of [names] have errors: correct them, `coalesce check` shows them again")
	}
	n.policy.Store(p)
	n.tried = sum
	n.status = metrics.ReloadStatus{OK: true, LastSuccess: time.Now()}
	return p, nil
}

// reload takes the files over if a content has changed since it was last looked
// at. force reports bad files again.
func (n *nameFiles) reload(force bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := slices.IndexFunc(n.paths(), isPipe); i >= 0 {
		if force {
			n.failed = errPipe.Error()
			n.fail(fmt.Errorf("%s: %w", n.paths()[i], errPipe))
		}
		return
	}
	p, sum, diags, err := readNames(n.cfg)
	if err != nil {
		if force || n.failed != err.Error() {
			n.fail(err)
		}
		n.failed = err.Error()
		return
	}
	if bytes.Equal(sum[:], n.tried[:]) && !force && n.failed == "" {
		return
	}
	changed := sum != n.tried || !n.status.OK
	n.failed, n.tried = "", sum
	reportDiagnostics(n.log, diags)
	if hasErrors(diags) {
		n.fail(fmt.Errorf("%d errors", countErrors(diags)))
		return
	}
	if changed {
		n.policy.Store(p)
		n.apply(p)
		n.status.Reloads++
		n.log.Info("names reloaded", "rewrite_rules", n.cfg.RewriteRules, "deny_list", n.cfg.DenyList, "allow_list", n.cfg.AllowList)
	}
	n.status.OK, n.status.LastSuccess = true, time.Now()
}

func (n *nameFiles) fail(err error) {
	n.status.OK = false
	n.status.Failures++
	n.log.Error("files of [names] not reloaded, the old ones stay in force", "err", err)
}

// Status returns how the last reload went.
func (n *nameFiles) Status() metrics.ReloadStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status
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

// paths returns the files to watch.
func (n *nameFiles) paths() (paths []string) {
	for _, p := range []string{n.cfg.RewriteRules, n.cfg.DenyList, n.cfg.AllowList} {
		if p != "" {
			paths = append(paths, p)
		}
	}
	return paths
}
