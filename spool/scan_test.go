package spool

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestScan(t *testing.T) {
	dir, c := t.TempDir(), &clock{now: 1000}
	s := mustOpen(t, dir, small(c))
	for i := range 20 { // several segments
		mustAppend(t, s, numbered(200*i, 200*(i+1)), uint8(i%2))
	}
	b, ok, err := s.Peek(1000)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	got := s.Ack(len(b.Lines) / 2)
	scan := func(s *Spool) string {
		var all strings.Builder
		if err := s.Scan(func(lines []byte) { all.Write(lines) }); err != nil {
			t.Fatal(err)
		}
		return all.String()
	}
	want := numbered(got, 4000)
	for range 2 {
		if scan(s) != want {
			t.Error("Scan does not give what is held")
		}
	}
	before := s.Stats()
	mustClose(t, s)
	s = mustOpen(t, dir, small(c))
	if scan(s) != want || s.Stats().Held != before.Held {
		t.Error("Scan does not give what is held after a restart")
	}
	paths, _ := segments(t, dir)
	data, err := os.ReadFile(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(paths[1], data, 0o600); err != nil {
		t.Fatal(err)
	}
	part := scan(s)
	if n := strings.Count(part, "\n"); n >= 4000-got || n < 3000 || !strings.HasSuffix(part, numbered(3900, 4000)) {
		t.Errorf("Scan gives %d lines of a damaged spool", n)
	}
	if rest := drain(t, s, 1<<20); rest != part {
		t.Error("Peek gives other lines than Scan")
	}
	mustClose(t, s)
	if err := s.Scan(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Scan after Close = %v", err)
	}
}
