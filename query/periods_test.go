package query

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
	"github.com/coalesce-metrics/coalesce/store/sqlite"
)

// changing is a series whose period changes, kept as a daemon does.
type changing struct {
	t     *testing.T
	now   float64
	names *catalog.Catalog
	arch  *archive.Archive
	count map[int64]int64 // of datapoints by the start of their bucket
}

func newChanging(t *testing.T, s store.Store) *changing {
	c := &changing{t: t, now: 100_000, names: catalog.New(10), count: map[int64]int64{}}
	var err error
	c.arch, err = archive.Open(archive.Config{
		Store: s, Retention: 20_000, Cycle: time.Second, MaxPending: 1 << 20, First: true, Now: func() float64 { return c.now },
		Windows: []archive.Window{
			{Name: "a", Span: 600, Step: 10, Retention: 600}, {Name: "b", Span: 3600, Step: 60, Retention: 20_000},
			{Name: "c", Span: 86400, Step: 900, Retention: 80_000},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// keep keeps buckets of a period, each with as many datapoints as it has seconds.
func (c *changing) keep(period, from, until int64) {
	for start := from; start < until; start += period {
		var x cell.Cell
		for i := range period {
			x.Add(1, float64(start+i))
		}
		c.now = max(c.now, float64(start+period))
		c.arch.Keep(&archive.Record{
			Series: store.Series{Name: "a", Methods: []cell.Method{cell.Sum}, Period: period, Seen: start}, Start: start, Cell: &x,
		})
		c.names.AddCell("a", catalog.Entry{Series: "a", Method: cell.Sum, Period: period}, start, start+period)
		c.count[start] += period
	}
}

// again has a catalog that knows only what the archive has.
func (c *changing) again() {
	c.names = catalog.New(10)
	err := c.arch.Load(context.Background(), func(s store.Series) error {
		c.names.AddEarlier(s.Name, catalog.Entry{Series: s.Name, Method: s.Methods[0], Period: s.Period}, s.Periods, 0, s.Seen)
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *changing) engine() *Engine {
	cfg := config(nil)
	cfg.Catalog, cfg.Archive, cfg.Now, cfg.MaxPoints = c.names, c.arch, func() float64 { return c.now }, 100_000
	cfg.Held = func(string, int64, int64) ([]aggregator.Bucket, bool) { return nil, false }
	return engine(c.t, cfg)
}

// check reads the count over a range, until now.
func (c *changing) check(when string, from, limit, step int64) {
	c.t.Helper()
	got, err := c.engine().Fetch(context.Background(), request(from, int64(c.now), int(limit), "a:obvs"))
	if err != nil || len(got) != 1 {
		c.t.Fatal(when, got, err)
	}
	var want, sum int64
	for start, n := range c.count {
		if start >= got[0].Start {
			want += n
		}
	}
	for _, v := range got[0].Values {
		if !math.IsNaN(v) {
			sum += int64(v)
		}
	}
	if sum != want || step != 0 && got[0].Step != step {
		c.t.Errorf("%s, from %d, at most %d points: %d in steps of %d; want %d in steps of %d", when, from, limit, sum, got[0].Step, want, step)
	}
}

// All that is kept of a series is found, whatever its periods were, and each datapoint
// once; what begins after a change is as if there had been none.
func TestChangedPeriods(t *testing.T) {
	type part struct{ period, from, until int64 }
	for name, c := range map[string]struct {
		parts                []part
		present              int64 // of the entry in the end
		spanning, after, old int64 // steps: of all, of what is after the last change, of all since before the retention
	}{
		"longer":             {[]part{{10, 99_000, 99_900}, {30, 99_900, 100_800}}, 30, 30, 30, 900},
		"shorter":            {[]part{{30, 99_000, 99_900}, {10, 99_900, 100_800}}, 10, 30, 10, 900},
		"to a window's":      {[]part{{10, 99_000, 99_900}, {60, 99_900, 100_800}}, 60, 60, 60, 900},
		"from a window's":    {[]part{{60, 99_000, 99_900}, {10, 99_900, 100_800}}, 10, 60, 10, 900},
		"neither fits":       {[]part{{20, 99_000, 99_900}, {30, 99_900, 100_800}}, 30, 60, 30, 900},
		"into no window":     {[]part{{10, 99_000, 99_890}, {7, 99_890, 100_800}}, 7, 7, 7, 7},
		"out of no window":   {[]part{{7, 98_994, 99_904}, {10, 99_910, 100_800}}, 10, 10, 10, 0},
		"there and back":     {[]part{{10, 99_000, 99_300}, {30, 99_300, 99_900}, {10, 99_900, 100_800}}, 10, 30, 10, 900},
		"late for a former":  {[]part{{10, 99_000, 99_600}, {30, 99_900, 100_800}, {10, 99_600, 99_610}}, 30, 30, 30, 900},
		"late, and back":     {[]part{{30, 99_000, 99_600}, {10, 99_900, 100_800}, {30, 99_630, 99_660}}, 10, 30, 10, 900},
		"three of them":      {[]part{{5, 99_000, 99_300}, {10, 99_300, 99_900}, {20, 99_900, 100_800}}, 20, 20, 20, 900},
		"a part of a window": {[]part{{5, 99_000, 99_900}, {10, 99_900, 100_800}}, 10, 10, 10, 900},
	} {
		for kind, open := range map[string]func(t *testing.T) store.Store{
			"memory": func(*testing.T) store.Store { return memory.New(memory.Options{}) },
			"sqlite": func(t *testing.T) store.Store {
				s, err := sqlite.Open(filepath.Join(t.TempDir(), "store"), sqlite.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return s
			},
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				s := open(t)
				defer s.Close()
				x := newChanging(t, s)
				check := func(when string) {
					t.Helper()
					first, change := c.parts[0].from, int64(99_910)
					x.check(when, first-100, 0, c.spanning)
					x.check(when, first+400, 0, 0)
					x.check(when, change, 0, c.after)
					x.check(when, first-100, 5, 0)
					x.check(when, first-100, 1, 0)
					x.check(when, int64(x.now)-30_000, 0, c.old)
					if e, _ := x.names.Get("a"); e.Period != c.present {
						t.Errorf("%s: the period is %d, want %d", when, e.Period, c.present)
					}
				}
				for _, p := range c.parts {
					x.keep(p.period, p.from, p.until)
				}
				check("pending")
				x.again()
				check("loaded while pending")
				if err := x.arch.Close(context.Background()); err != nil {
					t.Fatal(err)
				}
				check("stored")
				x.again()
				check("loaded")
			})
		}
	}
}

// A range before a change is answered as it was then.
func TestBeforeAChangedPeriod(t *testing.T) {
	x := newChanging(t, memory.New(memory.Options{}))
	x.keep(10, 99_000, 99_890)
	x.keep(7, 99_890, 100_800)
	got, err := x.engine().Fetch(context.Background(), request(98_990, 99_880, 0, "a"))
	if err != nil || len(got) != 1 || got[0].Step != 10 || len(got[0].Values) != 89 || slices.ContainsFunc(got[0].Values, math.IsNaN) {
		t.Errorf("%v, %v; want 89 points of 10 s", got, err)
	}
	// The streams of a window are what fits into it; those of any step are all.
	for _, c := range []struct{ step, want int64 }{{60, 890}, {0, 1800}} {
		streams, _, err := x.engine().Streams(context.Background(), "a", c.step, 98_940, 100_800)
		n := int64(0)
		for _, s := range streams {
			for _, b := range s.Cells {
				n += b.Cell.Count
			}
		}
		if err != nil || n != c.want {
			t.Errorf("step %d: %d datapoints, %v; want %d", c.step, n, err, c.want)
		}
	}
}

func TestCommonStep(t *testing.T) {
	for _, c := range []struct {
		steps []int64
		want  int64
	}{
		{[]int64{10}, 10}, {[]int64{10, 30}, 30}, {[]int64{30, 10}, 30}, {[]int64{20, 30}, 60}, {[]int64{25, 60}, 300},
		{[]int64{10, 7}, 7}, {[]int64{7, 10}, 10}, {[]int64{900, 7}, 7}, {[]int64{2, 3, 5}, 30}, {[]int64{1, 86_399, 86_400}, 86_400},
	} {
		if got := common(c.steps); got != c.want {
			t.Errorf("%v: %d, want %d", c.steps, got, c.want)
		}
	}
}
