package aggregator

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// slowArchive answers from other goroutines, some time after it was asked, and at
// times not at all. It covers buckets as fakeArchive does.
type slowArchive struct {
	clock     func() float64
	retention float64
	failing   atomic.Bool
	answers   sync.WaitGroup
	asked     atomic.Int64

	mu    sync.Mutex
	r     *rand.Rand
	cells map[Key]int64 // datapoints
	parts map[Key]int64
	bad   []string
}

func (s *slowArchive) Covers(period, start int64) Cover {
	switch age := s.clock() - float64(start+period); {
	case age >= 3*s.retention:
		return NotCovered
	case age >= s.retention:
		return Merges
	}
	return Whole
}

func (s *slowArchive) Keep(c *Closed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := Key{c.Output, c.Period, c.Start}
	switch {
	case c.Part:
		s.parts[k] += c.Cell.Count
	case s.cells[k] >= c.Cell.Count:
		s.bad = append(s.bad, fmt.Sprintf("%v: %d datapoints replace %d", k, c.Cell.Count, s.cells[k]))
	default:
		s.cells[k] = c.Cell.Count
	}
}

func (s *slowArchive) Commit() {}

func (s *slowArchive) Recall(keys []Key, answer func([]Recalled, error)) {
	s.asked.Add(int64(len(keys)))
	s.mu.Lock()
	wait, fails := s.r.IntN(2000), s.r.IntN(4) == 0 || s.failing.Load()
	s.mu.Unlock()
	s.answers.Go(func() {
		for range wait {
			runtime.Gosched()
		}
		if fails {
			answer(nil, errors.New("the store is away"))
			return
		}
		s.mu.Lock()
		found := make([]Recalled, len(keys))
		for i, k := range keys {
			for range s.cells[k] {
				found[i].Cell.Add(1, float64(k.Start))
			}
			found[i].Lost = found[i].Cell.Count == 0 && s.Covers(k.Period, k.Start) != Whole
		}
		s.mu.Unlock()
		answer(found, nil)
	})
}

// lateCrowd is a crowd that comes late, to an archive.
type lateCrowd struct {
	crowd
	arch  *slowArchive
	emits sync.Mutex // guards last and bad of the crowd
}

func (c *lateCrowd) emit(rows []Row, again bool) {
	c.emits.Lock()
	defer c.emits.Unlock()
	c.crowd.emit(rows, again)
}

func (c *lateCrowd) add(seed uint64, rounds int) (n int) {
	r := rand.New(rand.NewPCG(seed, 3))
	var b plaintext.Batch
	for range rounds {
		l := c.a.Acquire()
		now := math.Floor(c.clock())
		b.Reset()
		for range 1 + r.IntN(plaintext.BatchSize) {
			late := r.IntN(4)
			if r.IntN(8) == 0 {
				late = r.IntN(60)
			}
			b.Add(fmt.Appendf(nil, "%d.x", r.IntN(5)), 1, now-float64(late))
		}
		n += b.N
		l.Add(&b)
		l.Release()
		runtime.Gosched()
	}
	return n
}

// read holds what a query would show against what had been emitted before.
func (c *lateCrowd) read(t *testing.T, row string) {
	c.emits.Lock()
	emitted := map[int64]float64{}
	for k, v := range c.last {
		if k.name == row {
			emitted[k.time] = v
		}
	}
	c.emits.Unlock()
	stored := map[[2]int64]int64{}
	c.arch.mu.Lock()
	for k, n := range c.arch.cells {
		if k.Output == row {
			stored[[2]int64{k.Period, k.Start}] = n
		}
	}
	c.arch.mu.Unlock()
	held, _ := c.a.Buckets(row, 0, math.MaxInt64)
	for _, b := range held {
		n := b.Cell.Count
		if b.Part {
			n += stored[[2]int64{b.Period, b.Start}]
		}
		if float64(n) < emitted[b.Start] {
			t.Errorf("%s shows %d at %d, of which %v had been emitted: %+v", row, n, b.Start, emitted[b.Start], b)
		}
	}
}

func TestLateConcurrently(t *testing.T) {
	rounds := 1500
	if testing.Short() || raceEnabled {
		rounds = 300
	}
	c := &lateCrowd{crowd: crowd{last: map[rowTime]float64{}}}
	c.now.Store(100_000)
	c.arch = &slowArchive{clock: c.clock, retention: 30, r: rand.New(rand.NewPCG(1, 1)), cells: map[Key]int64{}, parts: map[Key]int64{}}
	cfg := plainConfig()
	cfg.Lanes, cfg.OutputIdle, cfg.MaxSeries = 3, 0.3, 10
	cfg.Rules = parseRules(t, c.rules(0))
	cfg.Now, cfg.Emit, cfg.Logger, cfg.Archive = c.clock, c.emit, slog.New(slog.DiscardHandler), c.arch
	var err error
	if c.a, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	var adders, others sync.WaitGroup
	var total atomic.Int64
	for seed := range uint64(3) {
		adders.Go(func() { total.Add(int64(c.add(seed, rounds))) })
	}
	stop := make(chan struct{})
	during := func(f func(i int)) {
		others.Go(func() {
			for i := 0; !closed(stop); i++ {
				f(i)
			}
		})
	}
	during(func(i int) {
		c.a.Tick()
		c.now.Add(1)
		c.arch.failing.Store(i%2000 > 1700)
	})
	during(func(i int) {
		for at := c.now.Load(); c.now.Load() < at+70 && !closed(stop); {
			runtime.Gosched()
		}
		c.a.SetRules(parseRules(t, c.rules(i)))
	})
	during(func(i int) {
		for _, row := range []string{"all", "each.3", "fought", "brief.1"} {
			c.read(t, row)
		}
		s := c.a.Stats()
		if err := unbalanced(s); err != nil || s.Added > s.Contributions {
			t.Error(s, err)
		}
	})
	adders.Wait()
	close(stop)
	others.Wait()
	c.arch.failing.Store(false)
	for range 200 {
		c.now.Add(60)
		c.a.Tick()
		c.arch.answers.Wait()
	}
	c.check(t, uint64(total.Load()))
}

// check holds what is kept and what was emitted against what was added.
func (c *lateCrowd) check(t *testing.T, total uint64) {
	s := c.a.Stats()
	if err := unbalanced(s); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]string{c.bad, c.arch.bad} {
		if len(bad) > 0 {
			t.Errorf("%d values overwrite fuller ones, first %s", len(bad), bad[0])
		}
	}
	if s.Accepted != total || s.Buckets != 0 {
		t.Errorf("%d datapoints: %+v", total, s)
	}
	kept := int64(0)
	for k, n := range c.arch.cells {
		kept += n
		if got := c.last[rowTime{k.Output, k.Start}]; got != float64(n) {
			t.Errorf("%v: %d datapoints are kept, %v emitted", k, n, got)
		}
	}
	parts := int64(0)
	for _, n := range c.arch.parts {
		parts += n
	}
	if kept+parts != int64(s.Added) {
		t.Errorf("%d contributions were added, but %d kept whole and %d in parts", s.Added, kept, parts)
	}
	t.Logf("%d datapoints, %d reloads, dropped %v, %d in parts, amended %d, asked for %d, merged %d",
		total, s.Version, s.Dropped, parts, s.Amended, c.arch.asked.Load(), s.Merged)
}
