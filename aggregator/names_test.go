package aggregator

import (
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/plaintext"
)

// Filters and rewriting come before the rules, decide what is forwarded and under
// which name, and every datapoint is counted once. A new policy holds from a
// name's next datapoint on.
func TestNames(t *testing.T) {
	a := benchAggregator(t, 1, "all.<x> (60) = sum new.*.<x>\n", true)
	var sent strings.Builder
	a.cfg.Forward = func(lines []byte, _ int) { sent.Write(lines) }
	feed := func(text string) string {
		t.Helper()
		sent.Reset()
		b := plaintext.Batch{Buf: append(make([]byte, 0, len(text)+plaintext.Pad), text...)}
		l := a.Acquire()
		if n := plaintext.NewScanner(100).Scan(&b, 0, len(text)); n != len(text) {
			t.Fatalf("scanned %d of %d bytes", n, len(text))
		}
		l.Add(&b)
		l.Release()
		return sent.String()
	}
	const lines = "old.a.x 1 1763811000\nsecret.a 2 1763811000\nnew.b.x 4 1763811000\nother 8 1763811000\n"
	if got := feed(lines); got != lines {
		t.Errorf("without a policy %q is forwarded", got)
	}
	p := new(naming.Policy)
	p.Rewrites, _ = naming.ParseRewrites("rewrite.conf", []byte("[pre]\n^old = new\n[post]\n^new = out\n"))
	p.Deny, _ = naming.ParseList("deny.conf", []byte("^secret\n"), naming.Regexps)
	a.SetNames(p)
	want := "out.a.x 1 1763811000\nout.b.x 4 1763811000\nother 8 1763811000\n"
	for range 2 { // as new names and as known ones
		if got := feed(lines); got != want {
			t.Errorf("forwarded %q, want %q", got, want)
		}
	}
	// new.b.x three times, old.a.x twice.
	b, _ := a.Buckets("all.x", 1763810940, 1763811060)
	if len(b) != 1 || b[0].Value() != 3*4+2*1 {
		t.Errorf("the aggregate is %+v, want 14", b)
	}
	s := a.Stats()
	if s.Accepted != 12 || s.Matched != 5 || s.Unmatched != 5 || s.Filtered != 2 || s.FilteredBy[naming.Denied] != 2 || s.Forwarded != 10 {
		t.Errorf("counted %+v", s)
	}
}

// An instance makes the outputs that it owns, and forwards what belongs to the
// first output's owner or, without one, to the name's.
func TestOwns(t *testing.T) {
	a := benchAggregator(t, 1, "mine.<x> (60) = sum in.<x>.*\nyours.<x> (60) = sum in.<x>.*\nyours2.<x> (60) = sum only.<x>\n", true)
	a.cfg.Owns = func(output []byte) bool { return strings.Contains(string(output), "mine") }
	var sent strings.Builder
	a.cfg.Forward = func(lines []byte, _ int) { sent.Write(lines) }
	text := "in.k.y 1 1763811000\nonly.k 1 1763811000\nmine.raw 1 1763811000\nother.raw 1 1763811000\n"
	b := plaintext.Batch{Buf: append(make([]byte, 0, len(text)+plaintext.Pad), text...)}
	l := a.Acquire()
	plaintext.NewScanner(100).Scan(&b, 0, len(text))
	l.Add(&b)
	l.Release()
	if want := "in.k.y 1 1763811000\nmine.raw 1 1763811000\n"; sent.String() != want {
		t.Errorf("forwarded %q, want %q", sent.String(), want)
	}
	for output, want := range map[string]bool{"mine.k": true, "yours.k": false, "yours2.k": false} {
		if _, made := a.Buckets(output, 0, 1<<40); made != want {
			t.Errorf("%s is made: %v, want %v", output, made, want)
		}
	}
}
