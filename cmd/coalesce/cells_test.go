package main

import (
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store/memory"
)

// A name is known as long as something is held or kept of it, whatever has become of
// its rule.
func TestNamesComeAndGo(t *testing.T) {
	c := &cells{names: catalog.New(100), forgets: newForgetting(), methods: map[string][]cell.Method{}}
	want := func(when string, rows ...string) {
		t.Helper()
		for _, row := range rows {
			if _, ok := c.names.Get(row); !ok {
				t.Errorf("%s: %s is not known", when, row)
			}
		}
		if c.names.Len() != len(rows) {
			t.Errorf("%s: %d names are known, want %q", when, c.names.Len(), rows)
		}
	}
	one := aggregator.Output{Name: "one", Methods: []cell.Method{cell.Sum}, Period: 10}
	many := aggregator.Output{Name: "many.\x00", Methods: []cell.Method{cell.Sum, cell.Max}, Period: 10}
	c.announce(one)
	c.announce(many)
	want("announced", "one", "many.sum", "many.max")
	c.departed(one)
	c.departed(many)
	want("departed, nothing kept")

	c.announce(many)
	kept := func(o aggregator.Output, start int64) { // as Keep does
		c.each(o.Name, o.Methods, o.Period, false, true, func(row string, e catalog.Entry) { c.names.AddCell(row, e, start, start) })
	}
	kept(many, 1000)
	other := aggregator.Output{Name: many.Name, Methods: []cell.Method{cell.Sum, cell.Avg}, Period: 10}
	c.announce(other)
	kept(other, 2000)
	c.departed(many)
	c.departed(other)
	want("departed, but kept", "many.sum", "many.max", "many.avg")
	c.forgotten(many.Name)
	want("forgotten")
	if len(c.methods) != 0 {
		t.Errorf("methods are still known: %v", c.methods)
	}
}

// A name of which the archive keeps nothing, as all that came is older than everything,
// is known for no longer than its output.
func TestNamesOfWhatIsNotKept(t *testing.T) {
	a, err := archive.Open(archive.Config{
		Store: memory.New(memory.Options{}), Retention: 3600, Cycle: time.Second, MaxPending: 1 << 20, First: true,
		Now: func() float64 { return 1e9 },
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &cells{names: catalog.New(100), arch: a, forgets: newForgetting(), methods: map[string][]cell.Method{}}
	keep := func(o aggregator.Output, start int64) {
		var x cell.Cell
		x.Add(1, float64(start))
		c.announce(o)
		c.Keep(&aggregator.Closed{Output: o.Name, Methods: o.Methods, Period: o.Period, Start: start, Cell: &x})
		c.departed(o)
	}
	for _, o := range []aggregator.Output{
		{Name: "one", Methods: []cell.Method{cell.Sum}, Period: 10},
		{Name: "many.\x00", Methods: []cell.Method{cell.Sum, cell.Max}, Period: 10},
	} {
		keep(o, 1e9-7200)
		if n := c.names.Len(); n != 0 || len(c.methods) != 0 {
			t.Errorf("%q: %d names are known, and the methods of %d", o.Name, n, len(c.methods))
		}
		keep(o, 1e9-60)
		if n := c.names.Len(); n != len(o.Methods) {
			t.Errorf("%q is kept: %d names are known", o.Name, n)
		}
		c.forgotten(o.Name)
	}
}
