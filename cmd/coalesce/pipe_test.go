package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/rules"
)

// pipeOf returns the path of a link to a pipe that holds text, as a shell's <(…) is one.
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
	return linkTo(t, filepath.Join(t.TempDir(), "link"), fmt.Sprintf("/dev/fd/%d", r.Fd()))
}

// linkTo has a path lead to a file.
func linkTo(t *testing.T, path, file string) string {
	t.Helper()
	os.Remove(path)
	if err := os.Symlink(file, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// What was read from a pipe stays in force, as nothing comes from it a second time.
func TestReloadFromPipe(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	applied := 0
	ruled, denied := pipeOf(t, "a (60) = sum b\n"), pipeOf(t, "^x\n")
	r := newRuleFile(ruled, "aggregates.", logger, time.Now, func(list []*rules.Rule) { applied += 10 + len(list) })
	n := newNameFiles(config.Names{DenyList: denied}, logger)
	n.apply = func(*naming.Policy) { applied += 100 }
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
	linkTo(t, ruled, write(t, t.TempDir(), "r.conf", "a (60) = sum b\n"))
	linkTo(t, denied, write(t, t.TempDir(), "deny", "^x\n"))
	r.reload(false)
	n.reload(false)
	if !r.Status().OK || !n.Status().OK {
		t.Errorf("with files: status %+v and %+v", r.Status(), n.Status())
	}
}
