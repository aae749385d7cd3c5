//go:build !race

// The race detector allocates, so that this cannot be tested with it.

package aggregator

import (
	"fmt"
	"testing"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

func TestAddingKnownNamesAllocatesNothing(t *testing.T) {
	const one, fan = "out.<n> (60) = sum in.<n>\n", "out.<n> (60) = sum in.<n>\nall (60) = max *.*\nthird (10) = avg in.*\n"
	for _, c := range []struct {
		name, rules string
		forward     bool
	}{
		{"one output", one, false},
		{"several outputs", fan, false},
		{"no output", "", false},
		{"one output and forwarding", one, true},
		{"several outputs and forwarding", fan, true},
		{"forwarding alone", "", true},
		{"a row changing hands", "all (60) = sum in.*\nall (10) = max in.*\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines, odd := 0, 0
			k := start(t, 1600000000, c.rules, func(cfg *Config) { cfg.ForwardAll = c.forward })
			k.a.cfg.Forward = func(b []byte, n int) { lines += n }
			var text []byte
			for i := range 200 {
				at := fmt.Sprint(1600000000 - i%7) // several buckets of the short period
				if i%10 == 9 {
					at += ".5"
					odd++
				}
				text = fmt.Appendf(text, "in.%d %d %s\n", i, i, at)
			}
			b := plaintext.Batch{Buf: append(text, make([]byte, plaintext.Pad)...)[:len(text)]}
			s := plaintext.NewScanner(100)
			add := func() {
				l := k.a.Acquire()
				for i := 0; i < len(text); {
					i = s.Scan(&b, i, len(text))
					l.Add(&b)
				}
				l.Release()
			}
			add()
			before := k.a.Stats()
			if n := testing.AllocsPerRun(50, add); n != 0 {
				t.Errorf("%v allocations for 200 datapoints", n)
			}
			after := k.a.Stats()
			if after.Accepted-before.Accepted != 51*200 || c.forward != (lines == 52*200) || after.Learned != 200 {
				t.Errorf("%d datapoints, %d lines passed on, %d names learned", after.Accepted-before.Accepted, lines, after.Learned)
			}
		})
	}
}
