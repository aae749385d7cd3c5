package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/coalesce-metrics/coalesce/metrics"
	"github.com/coalesce-metrics/coalesce/rules"
)

// reloader keeps what was made of files equal to them. Files that cannot be read,
// or have errors, change nothing.
type reloader[T any] struct {
	name  string   // of what is made
	files string   // as they are called in messages
	paths []string // to watch
	read  func() (made T, sum [sha256.Size]byte, diags []rules.Diagnostic, err error)
	// take puts in force what is there now, and tells whether it replaces
	// something. changed says that the files are not what was put in force last.
	take func(made T, changed bool) (replaces bool)
	log  *slog.Logger
	now  func() time.Time

	mu     sync.Mutex        // held while files are read and taken over; guards all below
	tried  [sha256.Size]byte // the contents last looked at
	failed string            // what could not be read, said once
	status metrics.ReloadStatus
}

// start reads the files for the first time, and takes nothing.
func (r *reloader[T]) start() (T, error) {
	made, sum, diags, err := r.read()
	if err != nil {
		return made, err
	}
	reportDiagnostics(r.log, diags)
	if hasErrors(diags) {
		return made, fmt.Errorf("%s has errors: correct them, `coalesce check` shows them again", r.files)
	}
	r.tried = sum
	r.status = metrics.ReloadStatus{OK: true, LastSuccess: r.now()}
	return made, nil
}

// reload takes the files over if a content has changed since it was last looked
// at. force reports bad files again.
func (r *reloader[T]) reload(force bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.paths, isPipe); i >= 0 {
		if force {
			r.failed = errPipe.Error()
			r.fail("cannot be read", fmt.Errorf("%s: %w", r.paths[i], errPipe))
		}
		return
	}
	made, sum, diags, err := r.read()
	if err != nil {
		// A file that is just being replaced may be missing for a moment.
		if force || r.failed != err.Error() {
			r.fail("cannot be read", err)
		}
		r.failed = err.Error()
		return
	}
	if sum == r.tried && !force && r.failed == "" {
		return
	}
	changed := sum != r.tried || !r.status.OK
	r.failed, r.tried = "", sum
	reportDiagnostics(r.log, diags)
	if n := countErrors(diags); n > 0 {
		r.fail("has errors", fmt.Errorf("%s in %s", count(n, "error"), r.files))
		return
	}
	if r.take(made, changed) {
		r.status.Reloads++
	}
	r.status.OK, r.status.LastSuccess = true, r.now()
}

func (r *reloader[T]) fail(what string, err error) {
	r.status.OK = false
	r.status.Failures++
	r.log.Error(r.name+" not reloaded, the old ones stay in force: the file "+what, "file", r.files, "err", err)
}

// Status returns how the last reload went.
func (r *reloader[T]) Status() metrics.ReloadStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// maxRuleFile bounds a file of rules or names, in bytes.
const maxRuleFile = 64 << 20

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

func hasErrors(diags []rules.Diagnostic) bool { return countErrors(diags) > 0 }

func countErrors(diags []rules.Diagnostic) (n int) {
	for _, d := range diags {
		if !d.Warning {
			n++
		}
	}
	return n
}

// maxReported is how many diagnostics of one reading are logged.
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
