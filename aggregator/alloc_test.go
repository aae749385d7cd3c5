//go:build !race

// The race detector allocates, so that this cannot be tested with it.

package aggregator

import (
	"fmt"
	"testing"

	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/rules"
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

func TestAddingKnownMeasurementsAllocatesNothing(t *testing.T) {
	view := rules.View{ID: "v", Measure: "in", Columns: []string{"n"}, Distribution: true, Bounds: []float64{1, 10, 100}}
	for name, x := range map[string]struct {
		stream  Stream
		rules   string
		views   []rules.View
		forward bool
	}{
		"the series alone":    {sumStream, "", nil, false},
		"replacing":           {rawStream, "", nil, false},
		"forwarding":          {rawStream, "", nil, true},
		"rules and views":     {sumStream, "all (60) = sum in;n=*\neach.<n> (10) = max in;n=<n>\n", []rules.View{view}, true},
		"forwarding and more": {rawStream, "all (60) = sum in;n=*\n", []rules.View{view}, true},
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t, 1600000000, "", func(cfg *Config) { cfg.ForwardAll = x.forward })
			k.a.SetRules(viewSet(t, x.rules, x.views...))
			lines := 0
			k.a.cfg.Forward = func(b []byte, n int) { lines += n }
			id := k.stream(x.stream)
			var ms []Measurement
			for i := range 200 {
				at := float64(1600000000 - i%7)
				c := plain(float64(i), at)
				if i%3 == 0 {
					c = complexCell(3, float64(3*i), float64(i-1), float64(i+1), 1, at)
				}
				ms = append(ms, Measurement{Name: fmt.Appendf(nil, "in;n=%d", i), Time: at, Cell: c, Stream: id})
			}
			add := func() { k.a.AddMeasurements(ms) }
			add()
			before := k.a.Stats()
			if n := testing.AllocsPerRun(50, add); n != 0 {
				t.Errorf("%v allocations for 200 measurements", n)
			}
			after := k.a.Stats()
			if after.Accepted-before.Accepted != 51*(200+2*67) || (x.forward && !x.stream.Emit) != (lines == 52*200) || after.Learned != 200 {
				t.Errorf("%d datapoints, %d lines passed on, %d names learned", after.Accepted-before.Accepted, lines, after.Learned)
			}
		})
	}
}

// Reading a view takes nothing from those who add to it.
func TestAddingToViewsAllocatesNothing(t *testing.T) {
	k := start(t, 1600000000, "", nil)
	k.a.SetRules(viewSet(t, "", rules.View{ID: "v", Measure: "in", Columns: []string{"n"}, Distribution: true, Bounds: []float64{1, 10}}))
	var b plaintext.Batch
	for i := range plaintext.BatchSize {
		b.Add(fmt.Appendf(nil, "in;n=%d", i), float64(i), 1600000000)
	}
	add := func() {
		l := k.a.Acquire()
		l.Add(&b)
		l.Release()
	}
	for range 2 {
		add()
		if n := testing.AllocsPerRun(50, add); n != 0 {
			t.Errorf("%v allocations for %d datapoints", n, b.N)
		}
		if rows := k.a.ViewRows("v"); len(rows) != b.N {
			t.Errorf("%d rows", len(rows))
		}
	}
}
