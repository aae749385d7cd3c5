package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/rules"
)

// pipeOf returns the path of a pipe that holds text, as a shell's <(…) is one.
func pipeOf(t *testing.T, text string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if _, err := w.WriteString(text); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return fmt.Sprintf("/dev/fd/%d", r.Fd())
}

// What was read from a pipe stays in force, as nothing comes from it a second time.
func TestReloadFromPipe(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	applied := 0
	r := &ruleFile{
		path: pipeOf(t, "a (60) = sum b\n"), prefix: "aggregates.", log: logger, now: time.Now,
		apply: func(list []*rules.Rule) { applied += 10 + len(list) },
	}
	n := &nameFiles{cfg: config.Names{DenyList: pipeOf(t, "^x\n")}, log: logger, apply: func(*naming.Policy) { applied += 100 }}
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.start(); err != nil {
		t.Fatal(err)
	}
	r.reload(false)
	n.reload(false)
	if applied != 11 || log.Len() > 0 || !r.Status().OK || !n.Status().OK {
		t.Errorf("looked at again: %d applied, status %+v and %+v, log:\n%s", applied, r.Status(), n.Status(), log.String())
	}
	r.reload(true)
	n.reload(true)
	if got := strings.Count(log.String(), errPipe.Error()); applied != 11 || got != 2 || r.Status().OK || n.Status().OK {
		t.Errorf("asked to reload: %d applied, status %+v and %+v, log:\n%s", applied, r.Status(), n.Status(), log.String())
	}
	r.path = write(t, t.TempDir(), "r.conf", "a (60) = sum b\n")
	n.cfg.DenyList = write(t, t.TempDir(), "deny", "^x\n")
	r.reload(false)
	n.reload(false)
	if !r.Status().OK || !n.Status().OK {
		t.Errorf("with files: status %+v and %+v", r.Status(), n.Status())
	}
}
