package aggregator

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that stands still until it is set, with an aggregator and
// what came out of it since it was last looked at.
type clock struct {
	t       testing.TB
	a       *Aggregator
	now     float64
	rows    []Row
	lines   string
	nLines  int
	emitted int // calls of Emit
}

// ruleSet parses rules, one on each line.
func parseRules(t testing.TB, text string) *rules.Set {
	t.Helper()
	parsed, diags := rules.Parse("test.conf", []byte(text), rules.Options{})
	for _, d := range diags {
		if !d.Warning {
			t.Fatal(d)
		}
	}
	return rules.NewSet(parsed)
}

// plainConfig has the defaults of the program and limits that no small test meets.
func plainConfig() Config {
	return Config{
		Grace: 5, AmendDelay: -1, Keep: 5, Future: 600, OutputIdle: 3600,
		MaxSeries: 100_000, MaxOutputs: 10_000, MaxBuckets: 100_000, Lanes: 2,
	}
}

// start begins at a time with some rules. change may be nil.
func start(t testing.TB, at float64, ruleText string, change func(*Config)) *clock {
	t.Helper()
	cfg := plainConfig()
	cfg.Rules = parseRules(t, ruleText)
	if change != nil {
		change(&cfg)
	}
	c := &clock{t: t, now: at}
	c.run(cfg)
	return c
}

// run makes the aggregator.
func (c *clock) run(cfg Config) {
	c.t.Helper()
	cfg.Now = func() float64 { return c.now }
	cfg.Emit = func(rows []Row, _ bool) {
		c.rows = append(c.rows, rows...)
		c.emitted++
	}
	cfg.Forward = func(lines []byte, n int) {
		c.lines += string(lines)
		c.nLines += n
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a, err := New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.a = a
}

// restart carries a checkpoint into a new aggregator.
func (c *clock) restart(ruleText string) {
	c.t.Helper()
	c.restartWith(parseRules(c.t, ruleText))
}

func (c *clock) restartWith(set *rules.Set) {
	c.t.Helper()
	data := c.a.Checkpoint()
	cfg := c.a.cfg
	cfg.Rules = set
	c.run(cfg)
	if err := c.a.Restore(data); err != nil {
		c.t.Fatal(err)
	}
}

// add takes in one datapoint.
func (c *clock) add(name string, value, time float64) {
	l := c.a.Acquire()
	defer l.Release()
	addTo(l, name, value, time)
}

func addTo(l *Lane, name string, value, time float64) {
	l.Add(batchOf(name, value, time))
}

// batchOf returns a batch of one datapoint.
func batchOf(name string, value, time float64) *plaintext.Batch {
	var b plaintext.Batch
	b.Add([]byte(name), value, time)
	return &b
}

// tick sets the clock and ticks.
func (c *clock) tick(at float64) {
	c.now = at
	c.a.Tick()
}

// through ticks every quarter of a second up to a time.
func (c *clock) through(until float64) {
	for c.now+0.25 <= until {
		c.tick(c.now + 0.25)
	}
	c.tick(until)
}

// want compares the rows since the last look, in any order.
func (c *clock) want(rows ...Row) {
	c.t.Helper()
	order := func(x, y Row) int {
		if x.Name != y.Name {
			return slices.Compare([]byte(x.Name), []byte(y.Name))
		}
		return int(x.Time - y.Time)
	}
	got := c.rows
	c.rows = nil
	slices.SortStableFunc(got, order)
	slices.SortStableFunc(rows, order)
	if !slices.EqualFunc(got, rows, func(x, y Row) bool {
		return x.Name == y.Name && x.Time == y.Time && same(x.Value, y.Value)
	}) {
		c.t.Errorf("at %v: rows %v, want %v", c.now, got, rows)
	}
}

// drops compares the counts of drops since the start, given as reason, count.
func (c *clock) drops(pairs ...any) {
	c.t.Helper()
	var want [NumDrops]uint64
	for i := 0; i < len(pairs); i += 2 {
		want[pairs[i].(Drop)] = uint64(pairs[i+1].(int))
	}
	s := c.a.Stats()
	if s.Dropped != want {
		c.t.Errorf("at %v: dropped %v, want %v", c.now, s.Dropped, want)
	}
	c.balance(s)
}

// balance checks the equations that always hold.
func (c *clock) balance(s Stats) {
	c.t.Helper()
	if err := unbalanced(s); err != nil {
		c.t.Error(err)
	}
}

func unbalanced(s Stats) error {
	if s.Accepted != s.Matched+s.Unmatched+s.Filtered {
		return fmt.Errorf("accepted %d, but matched %d, unmatched %d, filtered %d", s.Accepted, s.Matched, s.Unmatched, s.Filtered)
	}
	sum := s.Added
	for _, n := range s.Dropped {
		sum += n
	}
	if s.Contributions != sum {
		return fmt.Errorf("%d contributions, but added %d, dropped %v", s.Contributions, s.Added, s.Dropped)
	}
	return nil
}

// same says whether two values are equal but for rounding.
func same(x, y float64) bool {
	if x == y || math.IsNaN(x) && math.IsNaN(y) {
		return true
	}
	return math.Abs(x-y) <= 1e-9*max(math.Abs(x), math.Abs(y), 1)
}

// evaluate computes a method the plain way from all values in their order.
// Times are only used by last; of equal latest times any value is right, so that
// all of them are returned.
func evaluate(method string, values, times []float64) []float64 {
	n := float64(len(values))
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	sorted := slices.Sorted(slices.Values(values))
	one := func(v float64) []float64 { return []float64{v} }
	switch method {
	case "sum":
		return one(sum)
	case "avg":
		return one(sum / n)
	case "min":
		return one(sorted[0])
	case "max":
		return one(sorted[len(sorted)-1])
	case "count":
		return one(n)
	case "range":
		return one(sorted[len(sorted)-1] - sorted[0])
	case "stddev", "variance":
		dev := 0.0
		for _, v := range values {
			dev += (v - sum/n) * (v - sum/n)
		}
		if method == "stddev" {
			return one(math.Sqrt(dev / n))
		}
		return one(dev / n)
	case "last":
		latest := slices.Max(times)
		var last []float64
		for i, v := range values {
			if times[i] == latest {
				last = append(last, v)
			}
		}
		return last
	}
	q, ok := map[string]float64{"median": .5, "p50": .5, "p75": .75, "p95": .95, "p99": .99, "p99.9": .999}[method]
	if !ok {
		panic("BUG: unknown method " + method)
	}
	rank := q * (n - 1)
	lo, hi := math.Floor(rank), math.Ceil(rank)
	if lo == hi {
		return one(sorted[int(lo)])
	}
	return one(sorted[int(lo)]*(hi-rank) + sorted[int(hi)]*(rank-lo))
}
