package main

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/rules"
)

// What a reload does to the rules in force, step by step on one file.
func TestRuleFile(t *testing.T) {
	path := write(t, t.TempDir(), "r.conf", "a (60) = sum b\nc (60) = sum d\n")
	var log bytes.Buffer
	var applied []*rules.Rule
	clock := time.Unix(1500000000, 0)
	r := newRuleFile(path, "aggregates.", slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return clock },
		func(list []*rules.Rule) { applied = append([]*rules.Rule{}, list...) })
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	manyErrors := strings.Repeat("rubbish\n", 30)
	for _, step := range []struct {
		name, text string // no text removes the file
		force      bool
		applied    int    // rules put in force, -1 for none
		log        string // holds this; "" for nothing at all
		lines      int    // logged
		ok         bool
	}{
		{"nothing changed", "a (60) = sum b\nc (60) = sum d\n", false, -1, "", 0, true},
		{"nothing changed, but asked for", "a (60) = sum b\nc (60) = sum d\n", true, -1, "added=0 removed=0 unchanged=2", 1, true},
		{"a comment at the end", "a (60) = sum b\nc (60) = sum d\n#\n", false, -1, "added=0 removed=0 unchanged=2", 1, true},
		{"the same rules on other lines", "#\na (60) = sum b\nc (60) = sum d\n", false, 2, "unchanged=2", 1, true},
		{"another order", "#\nc (60) = sum d\na (60) = sum b\n", false, 2, "unchanged=2", 1, true},
		{"one comes, one goes", "c (60) = sum d\ne (60) = sum f\n", false, 2, "added=1 removed=1 unchanged=1", 1, true},
		{"many errors", manyErrors, false, -1, "30 errors in ", 22, false},
		{"the same errors", manyErrors, false, -1, "", 0, false},
		{"the same errors, but asked for", manyErrors, true, -1, "30 errors in ", 22, false},
		{"no file", "", false, -1, "no such file", 1, false},
		{"still no file", "", false, -1, "", 0, false},
		{"still no file, but asked for", "", true, -1, "no such file", 1, false},
		{"as it was", "c (60) = sum d\ne (60) = sum f\n", false, -1, "added=0 removed=0 unchanged=2", 1, true},
		{"no rules", "# none\n", false, 0, "no rules", 2, true},
	} {
		log.Reset()
		applied = nil
		clock = clock.Add(time.Second)
		if step.text == "" {
			os.Remove(path)
		} else {
			replace(t, path, step.text)
		}
		r.reload(step.force)
		got := -1
		if applied != nil {
			got = len(applied)
		}
		if got != step.applied {
			t.Errorf("%s: %d rules put in force, want %d", step.name, got, step.applied)
		}
		if n := strings.Count(log.String(), "\n"); n != step.lines || !strings.Contains(log.String(), step.log) {
			t.Errorf("%s: %d lines logged, want %d with %q:\n%s", step.name, n, step.lines, step.log, log.String())
		}
		if s := r.Status(); s.OK != step.ok {
			t.Errorf("%s: status %+v, want OK %v", step.name, s, step.ok)
		}
	}
	if s := r.Status(); s.Reloads != 4 || s.Failures != 4 || !s.LastSuccess.Equal(clock) {
		t.Errorf("in the end %+v, want 4 reloads, 4 failures, the last success now", s)
	}
}
