package aggregator

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// logged has the lines that begin with a level and a message.
type logged struct{ bytes.Buffer }

func (l *logged) into(cfg *Config) { cfg.Logger = slog.New(slog.NewTextHandler(l, nil)) }

func (l *logged) take(message string) (lines []string) {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, message) {
			lines = append(lines, line)
		}
	}
	l.Reset()
	return lines
}

// However many outputs a change of rules or of senders concerns, it is a line now and then.
func TestChangesOfHandsAreLoggedTogether(t *testing.T) {
	var log logged
	k := start(t, 1000, "out.<n> (10) = sum in.<n>\n", log.into)
	change := func(text string) {
		t.Helper()
		k.reload(text)
		for n := range 100 {
			k.add(fmt.Sprint("in.", n), 1, k.now)
		}
		k.tick(k.now + 1)
	}
	want := func(lines ...string) {
		t.Helper()
		got := log.take("change hands")
		if len(got) != len(lines) {
			t.Fatalf("at %v: %q", k.now, got)
		}
		for i, text := range lines {
			if !strings.Contains(got[i], text) {
				t.Errorf("at %v: %q, want %q in it", k.now, got[i], text)
			}
		}
	}
	change("out.<n> (10) = sum in.<n>\n")
	want()
	change("out.<n> (20) = sum in.<n>\n")
	want("outputs=100 one=out.99 from=1020 period=20 before=10")
	change("out.<n> (30) = sum in.<n>\n")
	change("out.<n> (10) = sum in.<n>\n")
	want() // so soon
	k.through(1059)
	want()
	k.through(1062)
	want("outputs=200 one=out.")
	k.through(1200)
	want()
}

// What was told by a clock that was ahead does not keep from telling it again.
func TestLogAfterClockWasSetBack(t *testing.T) {
	var log logged
	k := start(t, 1e9, "out.<n> (10) = sum in.<n>\n", func(cfg *Config) {
		cfg.MaxOutputs = 1
		log.into(cfg)
	})
	full := func(n int) {
		t.Helper()
		k.add("in.1", 1, k.now)
		k.add("in.2", 1, k.now)
		k.tick(k.now + 1)
		if got := log.take("a limit is reached"); len(got) != n {
			t.Errorf("at %v: %d warnings, want %d", k.now, len(got), n)
		}
	}
	full(1)
	full(0)
	k.tick(1e6)
	full(0)
	k.now = 1e6 + 61
	full(1)
}
