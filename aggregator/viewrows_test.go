package aggregator

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/coalesce-metrics/coalesce/rules"
)

// viewSet returns the rules of a text, and behind them those of views.
func viewSet(t testing.TB, text string, views ...rules.View) *rules.Set {
	t.Helper()
	all := slices.Clone(parseRules(t, text).Rules())
	for _, v := range views {
		if v.MaxRows == 0 {
			v.MaxRows = 10_000
		}
		r, err := rules.NewView(v)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return rules.NewSet(all)
}

func (c *clock) one(id string) ViewRow {
	c.t.Helper()
	rows := c.a.ViewRows(id)
	if len(rows) != 1 {
		c.t.Fatalf("view %q has the rows %+v", id, rows)
	}
	return rows[0]
}

func TestViewDistribution(t *testing.T) {
	for name, x := range map[string]struct {
		bounds, values []float64
		counts         []int64
		lo, hi         float64
	}{
		"of the bounds": {[]float64{0.01, 0.1, 1, 10, 1000, 10000}, []float64{0.005, 0.01, 0.5, 1, 9.99, 10, 20000}, []int64{1, 1, 1, 2, 1, 0, 1}, 0.005, 20000},
		"negative":      {[]float64{1}, []float64{-5, -1}, []int64{2, 0}, -5, -1},
		"of no bounds":  {nil, []float64{1, 2}, nil, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, 1000, "", nil)
			c.a.SetRules(viewSet(t, "", rules.View{ID: "v", Measure: "m", Distribution: true, Bounds: x.bounds}))
			if rows := c.a.ViewRows("v"); rows == nil || len(rows) > 0 {
				t.Errorf("at first there are %+v", rows)
			}
			for _, v := range x.values {
				c.add("m", v, 1000)
			}
			r := c.one("v")
			if !slices.Equal(r.Counts, x.counts) || r.Cell.Count != int64(len(x.values)) || r.Cell.Min != x.lo || r.Cell.Max != x.hi || r.Began != 1000 {
				t.Errorf("row %+v, want %+v", r, x)
			}
			c.through(5000)
			c.want()
			c.add("m", 2, 17) // no time is too old
			if r := c.one("v"); r.Cell.Count != int64(len(x.values))+1 {
				t.Errorf("row %+v", r)
			}
			c.drops()
		})
	}
}

func TestViewsShareAMeasure(t *testing.T) {
	c := start(t, 1000, "", nil)
	c.a.SetRules(viewSet(t, "all (60) = sum rpc\n",
		rules.View{ID: "by method", Measure: "rpc", Columns: []string{"method"}}, rules.View{ID: "all", Measure: "rpc"}))
	id := c.stream(rawStream)
	for i := range 30 {
		c.add(fmt.Sprintf("rpc;host=%d;method=%d", i, i%3), 1, 1000)
		c.measure(id, fmt.Sprintf("rpc;host=%d;method=%d", i, i%3), complexCell(2, 2, 1, 1, 0, 1000))
		c.add("rpc;host=x", 1, 1000)
		c.add("rpc.other", 1, 1000)
	}
	rows := c.a.ViewRows("by method")
	var sum int64
	for i, r := range rows {
		if want := []string{"", "0", "1", "2"}[i]; len(r.Tags) != 1 || r.Tags[0] != want || r.Overflow {
			t.Errorf("row %d is %+v", i, r)
		}
		sum += r.Cell.Count
	}
	if r := c.one("all"); len(rows) != 4 || r.Cell.Count != sum || sum != 120 {
		t.Errorf("by method %+v, all %+v", rows, r)
	}
	c.balance(c.a.Stats())
}

func TestViewRowsAreBounded(t *testing.T) {
	c := start(t, 1000, "", func(cfg *Config) { cfg.MaxOutputs = 8 })
	c.a.SetRules(viewSet(t, "", rules.View{ID: "few", Measure: "m", Columns: []string{"k"}, MaxRows: 3},
		rules.View{ID: "many", Measure: "n", Columns: []string{"k"}}))
	for range 2 {
		for i := range 10 {
			c.add(fmt.Sprintf("m;k=%d", i), 1, 1000)
			c.add(fmt.Sprintf("n;k=%d", i), 1, 1000)
		}
	}
	rows := c.a.ViewRows("few")
	if last := rows[len(rows)-1]; len(rows) != 4 || !last.Overflow || last.Tags != nil || last.Cell.Count != 14 {
		t.Errorf("rows %+v", rows)
	}
	if n := len(c.a.ViewRows("many")); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
	c.drops(OutputsFull, 12)
	if s := c.a.Stats(); s.Outputs != 8 || s.Buckets != 8 {
		t.Errorf("%+v", s)
	}
	c.through(3e4)
	c.a.SetRules(viewSet(t, ""))
	c.tick(3e4)
	if s := c.a.Stats(); s.Outputs != 0 || s.Buckets != 0 || len(c.a.freeFeeds) != 8 || c.a.leaving != nil {
		t.Errorf("%+v", s)
	}
	if rows := c.a.ViewRows("few"); rows != nil {
		t.Errorf("rows %+v", rows)
	}
}

func TestViewsRefuse(t *testing.T) {
	c := start(t, 1000, "", nil)
	c.a.SetRules(viewSet(t, "", rules.View{ID: "int", Measure: "i", Integral: true}, rules.View{ID: "any", Measure: "x"}))
	id := c.stream(rawStream)
	c.add("i", 1.5, 1000)
	if rows := c.a.ViewRows("int"); len(rows) > 0 {
		t.Errorf("rows %+v", rows)
	}
	c.add("i", 2, 1000)
	c.add("i", 2.5, 1000)
	c.measure(id, "i", complexCell(2, 5, 2.5, 2.5, 0, 1000)) // the mean where it is not known
	c.measure(id, "i", complexCell(2, 5.5, 2, 3, 0, 1000))
	c.measure(id, "i", complexCell(2, 5, 2.25, 3, 0, 1000))
	c.add("x", math.Inf(1), 1000)
	c.add("x", 1.5, 1000)
	c.add("x", math.Inf(-1), 1000)
	c.add("x", 1.5, 2000)
	if r := c.one("int"); r.Cell.Count != 3 || r.Cell.Total() != 7 {
		t.Errorf("row %+v", r)
	}
	if r := c.one("any"); r.Cell.Count != 1 {
		t.Errorf("row %+v", r)
	}
	c.drops(NotIntegral, 6, NotFinite, 2, TooNew, 1)
}

// A measurement of several values is in the bucket of its mean.
func TestViewOfComplexMeasurements(t *testing.T) {
	c := start(t, 1000, "", nil)
	c.a.SetRules(viewSet(t, "", rules.View{ID: "v", Measure: "m", Distribution: true, Bounds: []float64{1, 10}}))
	id := c.stream(rawStream)
	c.measure(id, "m", plain(0.5, 1000))
	if r := c.one("v"); r.Approximate {
		t.Errorf("row %+v", r)
	}
	c.measure(id, "m", complexCell(3, 15, 1, 12, 2, 1000))
	r := c.one("v")
	if !slices.Equal(r.Counts, []int64{1, 3, 0}) || !r.Approximate || r.Cell.Max != 12 || r.Cell.Count != 4 {
		t.Errorf("row %+v", r)
	}
	// The whole is not lost in the second that replaces.
	c.measure(id, "m", plain(20, 1000))
	if r := c.one("v"); !slices.Equal(r.Counts, []int64{1, 3, 1}) {
		t.Errorf("row %+v", r)
	}
}

// A view that is registered anew begins anew, and the others go on.
func TestViewRowsComeAndGo(t *testing.T) {
	c := start(t, 1000, "", nil)
	view := func(id string) rules.View {
		return rules.View{ID: id, Measure: "m", Columns: []string{"k"}, Distribution: true, Bounds: []float64{1}}
	}
	for i := range 20 {
		c.a.SetRules(viewSet(t, "out (60) = sum m;k=*\n", view("stays"), view(fmt.Sprint(i))))
		for k := range 5 {
			c.add(fmt.Sprintf("m;k=%d", k), 1, 1000)
			c.measure(c.stream(rawStream), fmt.Sprintf("m;k=%d", k), plain(1, 1000))
		}
		for _, r := range c.a.ViewRows(fmt.Sprint(i)) {
			if r.Cell.Count != 2 || r.Counts[1] != 2 {
				t.Errorf("round %d: %+v", i, r)
			}
		}
		if i%3 == 0 {
			c.tick(1000)
		}
	}
	if rows := c.a.ViewRows("stays"); len(rows) != 5 || rows[0].Cell.Count != 40 {
		t.Errorf("rows %+v", rows)
	}
	c.tick(1000)
	if s := c.a.Stats(); s.Outputs != 1+5+5+5 { // a rule's, the series, and two views
		t.Errorf("%d outputs", s.Outputs)
	}
	c.drops()
}
