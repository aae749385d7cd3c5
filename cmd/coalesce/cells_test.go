package main

import (
	"testing"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/cell"
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
	c.add(many.Name, many.Methods, many.Period, false, 1000) // as Keep does
	other := aggregator.Output{Name: many.Name, Methods: []cell.Method{cell.Sum, cell.Avg}, Period: 10}
	c.announce(other)
	c.add(other.Name, other.Methods, other.Period, false, 2000)
	c.departed(many)
	c.departed(other)
	want("departed, but kept", "many.sum", "many.max", "many.avg")
	c.forgotten(many.Name)
	want("forgotten")
	if len(c.methods) != 0 {
		t.Errorf("methods are still known: %v", c.methods)
	}
}
