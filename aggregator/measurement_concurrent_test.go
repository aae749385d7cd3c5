package aggregator

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/rules"
)

// counted is what has been sent in, each value 1.
type counted struct{ lines, values, raw atomic.Int64 }

// measureCrowd adds measurements, some of several values.
func measureCrowd(c *crowd, sent *counted, seed uint64, rounds int) {
	r := rand.New(rand.NewPCG(seed, 4))
	sum, err := c.a.Stream(Stream{Period: 2, Method: cell.Sum, Emit: true, Grace: 1})
	if err != nil {
		panic(err)
	}
	raw, err := c.a.Stream(rawStream)
	if err != nil {
		panic(err)
	}
	var ms []Measurement
	for range rounds {
		ms = ms[:0]
		now := math.Floor(c.clock())
		for range 1 + r.IntN(100) {
			at := now - float64(r.IntN(4)*r.IntN(3))
			n := 1 + r.Int64N(3)
			m := Measurement{Name: fmt.Appendf(nil, "m;k=%d", r.IntN(20)), Time: at, Stream: sum}
			if r.IntN(3) == 0 {
				m.Name, m.Stream = fmt.Appendf(nil, "raw;k=%d", r.IntN(5)), raw
				sent.raw.Add(n)
			}
			m.Cell = cell.Cell{Count: n, Sum: float64(n), Min: 1, Max: 1, Last: 1, LastTime: at}
			sent.values.Add(n)
			ms = append(ms, m)
		}
		c.a.AddMeasurements(ms)
	}
}

func addCrowd(c *crowd, sent *counted, seed uint64, rounds int) {
	r := rand.New(rand.NewPCG(seed, 5))
	var b plaintext.Batch
	for range rounds {
		l := c.a.Acquire()
		now := math.Floor(c.clock())
		b.Reset()
		for range 1 + r.IntN(plaintext.BatchSize) {
			b.Add(fmt.Appendf(nil, "m;k=%d", r.IntN(20)), 1, now-float64(r.IntN(4)*r.IntN(3)))
		}
		sent.lines.Add(int64(b.N))
		l.Add(&b)
		l.Release()
	}
}

// TestMeasureConcurrently adds lines and measurements while rules and views come
// and go and rows are read.
func TestMeasureConcurrently(t *testing.T) {
	rounds := 1000
	if testing.Short() || raceEnabled {
		rounds = 250
	}
	c := &crowd{last: map[rowTime]float64{}}
	c.now.Store(100_000)
	cfg := plainConfig()
	cfg.Lanes, cfg.OutputIdle, cfg.MaxSeries = 3, 0.3, 10
	set := func(i int) *rules.Set {
		views := []rules.View{{ID: "stays", Measure: "m", Columns: []string{"k"}, Distribution: true, Bounds: []float64{1, 2}}}
		for k := range i % 3 {
			views = append(views, rules.View{ID: fmt.Sprint(i, k), Measure: "m", Columns: []string{"k"}, MaxRows: 1 + i%30})
		}
		return viewSet(t, fmt.Sprintf("all (1) = sum m;k=* grace=1s keep=1000\noften.%d (1) = sum m;k=<k>\n", i%2), views...)
	}
	cfg.Rules = set(0)
	cfg.Now, cfg.Emit, cfg.Logger = c.clock, c.emit, slog.New(slog.DiscardHandler)
	var err error
	if c.a, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	var sent counted
	var adders, others sync.WaitGroup
	for seed := range uint64(2) {
		adders.Go(func() { measureCrowd(c, &sent, seed, rounds) })
		adders.Go(func() { addCrowd(c, &sent, seed, rounds) })
	}
	stop := make(chan struct{})
	during := func(f func(i int)) {
		others.Go(func() {
			for i := 0; !closed(stop); i++ {
				f(i)
			}
		})
	}
	during(func(int) { c.a.Tick(); c.now.Add(1) })
	during(func(i int) { c.a.SetRules(set(i)) })
	during(func(i int) { c.a.ForgetSeries([]string{fmt.Sprintf("raw;k=%d", i%5)}) })
	for range 2 {
		before := map[string]int64{}
		during(func(i int) {
			for _, r := range c.a.ViewRows("stays") {
				if n := r.Counts[0] + r.Counts[1] + r.Counts[2]; n != r.Cell.Count || r.Cell.Total() != float64(n) || n < before[r.Tags[0]] {
					t.Errorf("row %+v, was %d", r, before[r.Tags[0]])
				} else {
					before[r.Tags[0]] = n
				}
			}
			if err := unbalanced(c.a.Stats()); err != nil {
				t.Error(err)
			}
			c.a.ViewRows(fmt.Sprint(i, 0))
			c.a.Buckets("raw;k=1", 0, math.MaxInt64)
		})
	}
	adders.Wait()
	close(stop)
	others.Wait()
	c.a.SetRules(set(0))
	for range 100 {
		c.now.Add(200)
		c.a.Tick()
	}
	c.checkMeasured(t, &sent)
}

// checkMeasured holds what was counted and emitted against what was sent.
func (c *crowd) checkMeasured(t *testing.T, sent *counted) {
	s := c.a.Stats()
	if err := unbalanced(s); err != nil {
		t.Error(err)
	}
	lines, values, raw := sent.lines.Load(), sent.values.Load(), sent.raw.Load()
	total := lines + values
	if s.Accepted != uint64(total) || s.Matched != s.Accepted {
		t.Errorf("%d datapoints: %+v", total, s)
	}
	var view int64
	for _, r := range c.a.ViewRows("stays") {
		view += r.Cell.Count
	}
	if view != total-raw {
		t.Errorf("the view counts %d of %d", view, total-raw)
	}
	if s.Outputs != 20 || s.Buckets != 20 || c.a.leaving != nil || c.a.viewRows != 20 {
		t.Errorf("in the end %d outputs and %d buckets are held, of %d rows", s.Outputs, s.Buckets, c.a.viewRows)
	}
	if len(c.bad) > 0 {
		t.Errorf("%d values overwrite fuller ones, first %s", len(c.bad), c.bad[0])
	}
	all := 0.0
	for k, v := range c.last {
		if k.name == "all" {
			all += v
		}
	}
	for _, r := range c.a.RuleStats() {
		if r.Output == "all" && (r.Matched != uint64(total-raw) || all != float64(r.Matched-r.Dropped)) {
			t.Errorf("emitted %v of %d, matched %d, dropped %d", all, total-raw, r.Matched, r.Dropped)
		}
	}
	// No slot of what has left is in a lane.
	used := map[uint32]bool{}
	for _, o := range c.a.views["stays"].all() {
		used[o.feeds[0].num] = true
	}
	for i, l := range c.a.lanes {
		n := len(l.others)
		for num, s := range l.slots {
			if s.span != 0 && !used[uint32(num)] {
				n++
			}
		}
		if n > 0 {
			t.Errorf("lane %d holds %d parts of what has left", i, n)
		}
	}
	free := slices.Clone(c.a.freeFeeds)
	slices.SortFunc(free, func(x, y handle) int { return int(x.num()) - int(y.num()) })
	if n := len(slices.CompactFunc(free, func(x, y handle) bool { return x.num() == y.num() })); n != len(c.a.freeFeeds) || n+20 != int(c.a.nextFeed) {
		t.Errorf("of %d numbers %d are free, %d different", c.a.nextFeed, len(c.a.freeFeeds), n)
	}
	t.Logf("%d datapoints, %d reloads, replaced %d, dropped %v", total, s.Version, s.Replaced, s.Dropped)
}
