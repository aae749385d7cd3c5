package aggregator

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// crowd adds through several lanes while others tick, reload and look.
type crowd struct {
	a    *Aggregator
	now  atomic.Uint64 // tenths of seconds
	last map[rowTime]float64
	bad  []string

	forwarded atomic.Int64
}

func (c *crowd) clock() float64 { return float64(c.now.Load()) / 10 }

// emit keeps the last values. All datapoints have the value 1, so that a sum
// that becomes less has overwritten a fuller one.
func (c *crowd) emit(rows []Row, _ bool) {
	for _, r := range rows {
		k := rowTime{r.Name, r.Time}
		if c.last[k] > r.Value {
			c.bad = append(c.bad, fmt.Sprintf("%v after %v", r, c.last[k]))
		}
		c.last[k] = r.Value
	}
}

// rules returns the i-th version: three rules are in all of them, in an order
// that changes.
func (c *crowd) rules(i int) string {
	lines := []string{
		"all (1) = sum *.x grace=1s keep=1000",
		"each.<n> (2) = sum <n>.x keep=1",
		"brief.<n> (1) = sum <n>.x grace=0s keep=0",
		fmt.Sprintf("often.%d (1) = sum *.x", i%3),
		fmt.Sprintf("edited (1) = sum *.x(%d)?", i),
		[]string{"fought (1) = sum *.x", "fought (2) = sum *.x", "fought (3) = count *.x\nfought (2) = sum 1.x"}[i%3],
	}
	rand.New(rand.NewPCG(uint64(i), 1)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return strings.Join(lines, "\n") + "\n"
}

func (c *crowd) add(seed uint64, rounds int) (n int) {
	r := rand.New(rand.NewPCG(seed, 2))
	var b plaintext.Batch
	for range rounds {
		l := c.a.Acquire()
		now := math.Floor(c.clock())
		for range 1 + r.IntN(3) {
			b.Reset()
			for range 1 + r.IntN(plaintext.BatchSize) {
				b.Add(fmt.Appendf(nil, "%d.x", r.IntN(30)), 1, now-float64(r.IntN(4)*r.IntN(3)))
			}
			n += b.N
			l.Add(&b)
		}
		l.Release()
	}
	return n
}

func TestConcurrently(t *testing.T) {
	rounds := 1500
	if testing.Short() || raceEnabled {
		rounds = 300
	}
	c := &crowd{last: map[rowTime]float64{}}
	c.now.Store(100_000)
	cfg := plainConfig()
	cfg.Lanes, cfg.OutputIdle, cfg.MaxSeries, cfg.ForwardAll = 3, 0.3, 10, true
	cfg.Rules = parseRules(t, c.rules(0))
	cfg.Now, cfg.Emit, cfg.Logger = c.clock, c.emit, slog.New(slog.DiscardHandler)
	cfg.Forward = func(lines []byte, n int) { c.forwarded.Add(int64(n)) }
	var err error
	if c.a, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	var adders, others sync.WaitGroup
	var total atomic.Int64
	for seed := range uint64(4) {
		adders.Go(func() { total.Add(int64(c.add(seed, rounds))) })
	}
	stop := make(chan struct{})
	during := func(f func(i int)) {
		others.Go(func() {
			for i := 0; ; i++ {
				if closed(stop) {
					return
				}
				f(i)
			}
		})
	}
	during(func(i int) { c.a.Tick(); c.now.Add(1) })
	during(func(i int) {
		// In bursts, and now and then long enough for a change to come into force.
		if at := c.now.Load(); i%5 == 0 {
			for c.now.Load() < at+12 && !closed(stop) {
				runtime.Gosched()
			}
		}
		c.a.SetRules(parseRules(t, c.rules(i)))
	})
	during(func(i int) {
		for _, row := range []string{"all", "each.3", "fought", "brief.7"} {
			b, _ := c.a.Buckets(row, 0, math.MaxInt64)
			for _, x := range b {
				if x.Cell.Count == 0 || float64(x.Cell.Count) != x.Value() {
					t.Errorf("%s reads %+v", row, x)
				}
			}
		}
		if err := unbalanced(c.a.Stats()); err != nil {
			t.Error(err)
		}
		c.a.RuleStats()
	})
	adders.Wait()
	close(stop)
	others.Wait()
	for range 100 {
		c.now.Add(10)
		c.a.Tick()
	}
	c.check(t, uint64(total.Load()))
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// check holds the values emitted against what was added.
func (c *crowd) check(t *testing.T, total uint64) {
	s := c.a.Stats()
	if err := unbalanced(s); err != nil {
		t.Error(err)
	}
	if s.Accepted != total || s.Matched != total || uint64(c.forwarded.Load()) != total || s.Forwarded != total {
		t.Errorf("%d datapoints: %+v", total, s)
	}
	if len(c.bad) > 0 {
		t.Errorf("%d values overwrite fuller ones, first %s", len(c.bad), c.bad[0])
	}
	sums, all := map[string]float64{}, 0.0
	for k, v := range c.last {
		name, _, _ := strings.Cut(k.name, ".")
		sums[name] += v
		all += v
	}
	if all != float64(s.Added) {
		t.Errorf("%d contributions were added, but %v emitted: %v", s.Added, all, sums)
	}
	for _, r := range c.a.RuleStats() {
		name, _, _ := strings.Cut(r.Output, ".")
		switch name {
		case "all":
			if r.Dropped != 0 {
				t.Errorf("rule %q dropped %d", r.ID, r.Dropped)
			}
			fallthrough
		case "each", "brief":
			if r.Matched != total || sums[name] != float64(total-r.Dropped) {
				t.Errorf("rule %q matched %d of %d, dropped %d, emitted %v", r.ID, r.Matched, total, r.Dropped, sums[name])
			}
		}
	}
	t.Logf("%d datapoints, %d reloads, dropped %v, amended %d, evicted %d, %d numbers given back",
		total, s.Version, s.Dropped, s.Amended, s.Evicted, len(c.a.freeFeeds))
}
