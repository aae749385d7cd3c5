package catalog

import (
	"slices"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/periods"
)

// The present period is the one that was announced last, or that the latest cells have,
// whatever comes late or is loaded afterwards.
func TestPeriods(t *testing.T) {
	of := func(period int64) Entry { return Entry{"a", cell.Sum, period, false} }
	history := func(all ...int64) (h periods.History) {
		for s := range slices.Chunk(all, 3) {
			h = append(h, periods.Span{Period: s[0], From: s[1], Until: s[2]})
		}
		return h
	}
	const always, never = periods.Always, periods.Never
	longer := history(10, always, 120, 30, 120, never)
	for name, c := range map[string]struct {
		do   func(c *Catalog)
		want int64
		had  periods.History
	}{
		"one":     {func(c *Catalog) { c.AddRange("a", of(10), 0, 0); c.AddCell("a", of(10), 100, 130) }, 10, nil},
		"loaded":  {func(c *Catalog) { c.AddEarlier("a", of(10), nil, 0, 130); c.AddRange("a", of(10), 0, 0) }, 10, nil},
		"changed": {func(c *Catalog) { c.AddCell("a", of(10), 100, 0); c.AddCell("a", of(30), 120, 0) }, 30, longer},
		"late": {func(c *Catalog) {
			c.AddCell("a", of(10), 90, 0)
			c.AddCell("a", of(30), 120, 0)
			c.AddCell("a", of(10), 110, 0)
		}, 30, longer},
		"announced": {func(c *Catalog) {
			c.AddRange("a", of(10), 0, 0)
			c.AddRange("a", of(30), 0, 0)
			c.AddCell("a", of(10), 110, 0)
		}, 30, history(10, always, never, 30, never, never)},
		"loaded late":    {func(c *Catalog) { c.AddRange("a", of(30), 0, 0); c.AddEarlier("a", of(10), nil, 0, 130) }, 30, history(10, always, never, 30, always, never)},
		"known of store": {func(c *Catalog) { c.AddEarlier("a", of(30), longer, 0, 130); c.AddCell("a", of(10), 60, 0) }, 30, longer},
	} {
		t.Run(name, func(t *testing.T) {
			x := New(10)
			c.do(x)
			if e, _ := x.Get("a"); e.Period != c.want || !slices.Equal(x.Periods("a"), c.had) || x.Periods("b") != nil {
				t.Errorf("%d with %v, want %d with %v", e.Period, x.Periods("a"), c.want, c.had)
			}
			x.Remove("a")
			x.AddCell("b", of(10), 0, 0) // in the same place
			if x.Periods("a") != nil || x.Periods("b") != nil || len(x.had) != 0 {
				t.Errorf("what was removed is remembered: %v", x.had)
			}
		})
	}
}
