package aggregator

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
)

// What is forgotten is neither read nor emitted, and the next datapoint begins anew.
func TestForgetSeries(t *testing.T) {
	var known, left []string
	c := start(t, 1000, "out.<x> (10) = sum in.<x>\nmany.<method> (10) = sum,max in.*\n", func(cfg *Config) {
		cfg.Announce = func(o Output) { known = append(known, o.Name) }
		cfg.Departed = func(o Output) { left = append(left, o.Name) }
	})
	c.add("in.a", 1, 1001)
	c.add("in.b", 2, 1001)
	held := []*Lane{c.a.Acquire(), c.a.Acquire()}
	for _, l := range held {
		addTo(l, "in.a", 4, 1002)
		addTo(l, "in.a", 4, 1011) // an early one
	}
	for _, l := range held {
		l.Release()
	}
	known = nil
	c.a.ForgetSeries([]string{"out.a", "never", "many.sum", "out.a"}) // a row is no output
	if b, ok := c.a.Buckets("out.a", 0, math.MaxInt64); ok || len(b) > 0 {
		t.Errorf("known %v, held %v", ok, b)
	}
	if len(known) != 0 || len(left) != 1 || left[0] != "out.a" {
		t.Errorf("announced %q, departed %q", known, left)
	}
	c.drops(Deleted, 5)
	c.add("in.a", 8, 1003)
	if len(known) != 1 || known[0] != "out.a" {
		t.Errorf("announced %q", known)
	}
	c.through(1030)
	c.want(Row{"out.a", 8, 1000}, Row{"out.b", 2, 1000}, Row{"many.sum", 19, 1000}, Row{"many.max", 8, 1000},
		Row{"many.sum", 8, 1010}, Row{"many.max", 4, 1010})

	c.add("in.a", 16, 1031)
	c.a.ForgetSeries([]string{"many.\x00"})
	c.through(1060)
	c.want(Row{"out.a", 16, 1030})
	if c.a.Stats().Outputs != 2 {
		t.Errorf("%+v", c.a.Stats())
	}
	c.drops(Deleted, 6)
	c.through(1060 + 3700) // those that left do not leave again
	c.drops(Deleted, 6)
	if s := c.a.Stats(); s.Buckets != 0 || s.Outputs != 0 {
		t.Errorf("%+v", s)
	}
}

// A row that was emitted stays so: without an archive its bucket is not begun again, with
// one it is, as nothing is found of it.
func TestForgetWhatWasEmitted(t *testing.T) {
	for _, archived := range []bool{false, true} {
		c, f := archiving(t, 1000, "out (10) = sum in\n", nil)
		if !archived {
			c.a.cfg.Archive = nil
		}
		c.add("in", 1, 1001)
		c.add("in", 2, 1011)
		c.through(1016) // emits the first
		c.want(Row{"out", 1, 1000})
		c.add("in", 4, 1002) // waits for its amendment
		c.a.ForgetSeries([]string{"out"})
		clear(f.cells)
		c.drops(Deleted, 2)
		c.add("in", 8, 1003)
		c.add("in", 16, 1013)
		c.through(1040)
		if archived {
			c.want(Row{"out", 8, 1000}, Row{"out", 16, 1010})
			c.drops(Deleted, 2)
			if got := f.cells[Key{"out", 10, 1000}].Cell; got.Count != 1 || got.Total() != 8 {
				t.Errorf("kept %+v", got)
			}
		} else {
			c.want(Row{"out", 16, 1010})
			c.drops(Deleted, 2, TooOld, 1)
		}
	}
}

// With an archive a forgotten series begins anew with another period too. Without one what
// was emitted is refused.
func TestForgetThenAnotherPeriod(t *testing.T) {
	ten, sum := Stream{Period: 10, Method: cell.Avg, Emit: true, Grace: 2}, sumStream
	measure := func(c *clock, s Stream, value, at float64) {
		x := plain(value, at)
		c.a.AddMeasurements([]Measurement{{[]byte("m"), float64(floor(int64(at), s.Period)), x, c.stream(s)}})
	}
	for name, x := range map[string]struct {
		noArchive, restart, twice, idle, idleFirst bool
		next                                       Stream
	}{
		"longer":                  {next: sum},
		"longer after a restart":  {next: sum, restart: true},
		"single datapoints":       {next: rawStream},
		"of two that took turns":  {next: Stream{Period: 20, Method: cell.Max, Emit: true, Grace: 2}, twice: true},
		"of one that had left":    {next: sum, idle: true},
		"of two, one had left":    {next: Stream{Period: 30, Method: cell.Max, Emit: true, Grace: 2}, twice: true, idleFirst: true},
		"longer, without archive": {next: sum, noArchive: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, f := measuring(t, func(cfg *Config) { cfg.OutputIdle = 100 })
			if x.noArchive {
				c.a.cfg.Archive = nil
			}
			for range 20 {
				measure(c, ten, 1, c.now)
				c.through(c.now + 10)
			}
			if x.idleFirst {
				c.through(c.now + 200)
			}
			for i := 0; i < 20 && x.twice; i++ {
				measure(c, sum, 1, c.now)
				c.through(c.now + 10)
			}
			if x.idle {
				c.through(c.now + 200)
			}
			first, now := 1000.0, c.now
			c.a.ForgetSeries([]string{"m"})
			clear(f.cells)
			c.rows = nil
			if x.restart {
				c.restart("")
			}
			before := c.a.Stats()
			n := uint64(0)
			for at := first; at <= now; at += 10 {
				measure(c, x.next, 1, at)
				n++
			}
			c.through(now + 100)
			s := c.a.Stats()
			c.balance(s)
			added, old := s.Added-before.Added, s.Dropped[TooOld]-before.Dropped[TooOld]
			if x.noArchive {
				if added != 3 || old != n-3 { // no row was emitted for 960 and 1200
					t.Errorf("added %d, too old %d of %d", added, old, n)
				}
				return
			}
			kept := int64(0)
			for k, got := range f.cells {
				if k.Period == x.next.Period {
					kept += got.Cell.Count
				}
			}
			if added != n || old != 0 || kept != int64(n) {
				t.Errorf("added %d, too old %d, kept %d of %d", added, old, kept, n)
			}
			if x.next.Emit && len(c.rows) < int(now-first)/int(x.next.Period)/2 {
				t.Errorf("emitted %v", c.rows)
			}
		})
	}
}

// An answer of the archive that comes after its bucket was forgotten changes nothing.
func TestForgetWhatIsAskedFor(t *testing.T) {
	c, f := archiving(t, 1000, "out (10) = sum in\n", nil)
	c.add("in", 1, 1001)
	c.through(1100)
	c.want(Row{"out", 1, 1000})
	f.slow = true
	c.add("in", 2, 1002)
	c.through(1120)
	if len(f.answers) != 1 {
		t.Fatalf("%d questions", len(f.answers))
	}
	c.a.ForgetSeries([]string{"out"})
	f.deliver() // with what was there before
	clear(f.cells)
	f.slow = false
	c.add("in", 4, 1003)
	c.through(1140)
	c.want(Row{"out", 4, 1000})
	c.drops(Deleted, 1)
}

// What a restart has carried over is counted once.
func TestForgetAfterRestart(t *testing.T) {
	const text = "out (10) = sum in\n"
	c := start(t, 1000, text, nil)
	for i := range 3 {
		c.add("in", 1, 1001+float64(i))
	}
	c.restart(text)
	c.add("in", 1, 1005)
	c.a.ForgetSeries([]string{"out"})
	s := c.a.Stats()
	if s.Contributions != 4 || s.Added != 0 || s.Dropped[Deleted] != 4 {
		t.Errorf("%+v", s)
	}
	c.balance(s)
	c.restart(text)
	c.through(1100)
	c.want()
}

// Series of measurements are forgotten as others are, whichever stream keeps them. What has
// given way to a later one is not counted a second time.
func TestForgetMeasurements(t *testing.T) {
	c, f := archiving(t, 1000, "all (10) = count m;k=*\n", nil)
	raw, sum := c.stream(rawStream), c.stream(sumStream)
	c.measure(raw, "m;k=a", complexCell(5, 5, 1, 1, 0, 1000))
	c.measure(sum, "m;k=b", plain(2, 1000))
	c.through(1002) // the first is kept
	if f.cells[Key{"m;k=a", 1, 1000}].Cell.Count != 5 {
		t.Fatalf("kept %v", f.cells)
	}
	c.measure(raw, "m;k=a", plain(3, 1000.5)) // takes its place
	c.measure(raw, "m;k=a", plain(4, 1002))
	c.measure(raw, "m;k=a", plain(5, 1002))
	c.measure(sum, "m;k=a", plain(6, 1002)) // by another stream, which begins later: the same bucket
	c.restart("all (10) = count m;k=*\n")
	raw, sum = c.stream(rawStream), c.stream(sumStream)
	c.measure(sum, "m;k=b", plain(7, 1003))
	c.a.ForgetSeries([]string{"m;k=a", "m;k=b"})
	clear(f.cells)
	for _, name := range []string{"m;k=a", "m;k=b"} {
		if b, ok := c.a.Buckets(name, 0, math.MaxInt64); ok || len(b) > 0 {
			t.Errorf("%s has %v", name, b)
		}
	}
	s := c.a.Stats() // of m;k=b one was there before; the rule has its one yet
	if s.Dropped[Deleted] != 4 || s.Added != 1 || s.Contributions != 5 {
		t.Errorf("%+v", s)
	}
	c.balance(s)
	c.measure(raw, "m;k=a", plain(8, 1000))
	c.measure(sum, "m;k=b", plain(9, 1000))
	if x := c.bucket("m;k=b", 960).Cell; x.Count != 1 || x.Total() != 9 {
		t.Errorf("held %+v", x)
	}
	c.through(1100)
	c.want(Row{"all", 13, 1000}, Row{"m;k=b", 9, 960})
	if x := f.cells[Key{"m;k=a", 1, 1000}].Cell; x.Count != 1 || x.Total() != 8 {
		t.Errorf("kept %+v", x)
	}
	c.balance(c.a.Stats())
}

// Forgetting beside lanes, Tick and readers loses no count.
func TestForgetConcurrently(t *testing.T) {
	var now sync.Mutex
	at := 1000.0
	cfg := plainConfig()
	cfg.Rules = parseRules(t, "out.<x> (1) = count in.<x> grace=0s keep=1\n")
	cfg.OutputIdle = 2
	emitted := uint64(0) // by Tick, counting each bucket when it is closed
	c := &clock{t: t, now: at}
	c.run(cfg)
	c.a.cfg.Now = func() float64 { now.Lock(); defer now.Unlock(); return at }
	c.a.cfg.Emit = func(rows []Row, again bool) {
		for _, r := range rows {
			if !again {
				emitted += uint64(r.Value)
			}
		}
	}
	names := []string{"a", "b", "c", "d"}
	var adding, rest sync.WaitGroup
	quit := make(chan struct{})
	loop := func(f func(r *rand.Rand)) {
		rest.Go(func() {
			for r := rand.New(rand.NewPCG(1, 2)); ; {
				select {
				case <-quit:
					return
				default:
					f(r)
				}
			}
		})
	}
	var count atomic.Uint64
	for n := range 2 {
		adding.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 3))
			// Until something was forgotten, however seldom that has its turn.
			for i := 0; i < 20_000 || i < 10_000_000 && c.a.stat.deleted.Load() == 0; i++ {
				c.add("in."+names[r.IntN(4)], 1, c.a.cfg.Now())
				count.Add(1)
			}
		})
	}
	last := 0.0
	loop(func(r *rand.Rand) {
		if now := c.a.cfg.Now(); now > last+0.3 {
			last = now
			c.a.ForgetSeries([]string{"out." + names[r.IntN(4)], "out." + names[r.IntN(4)]})
		}
	})
	loop(func(r *rand.Rand) { c.a.Buckets("out."+names[r.IntN(4)], 0, math.MaxInt64); c.balance(c.a.Stats()) })
	loop(func(r *rand.Rand) {
		now.Lock()
		at += 0.01
		now.Unlock()
		c.a.Tick()
	})
	adding.Wait()
	close(quit)
	rest.Wait()
	for range 3 { // closed, forgotten, left
		at += 100
		c.a.Tick()
	}
	s := c.a.Stats()
	c.balance(s)
	if s.Accepted != count.Load() || s.Dropped[Deleted] == 0 || s.Buckets != 0 || s.Outputs != 0 {
		t.Errorf("%+v", s)
	}
	if s.Added < emitted {
		t.Errorf("%d were emitted of %d added", emitted, s.Added)
	}
	if late := s.Late; s.Added > emitted+late {
		t.Errorf("%d were emitted, and %d came late, of %d added", emitted, late, s.Added)
	}
}

// Of what the archive has, or an earlier run has counted, only what had not been emitted
// is deleted, and each contribution is counted once by each run.
func TestForgetWhatWasCompleted(t *testing.T) {
	for name, x := range map[string]struct {
		stream   Stream
		late     float64 // when the measurement is from
		restart  bool
		deleted  uint64
		replaced uint64 // in all runs
	}{
		"later":                  {rawStream, 1000.75, false, 1, 5},
		"later after a restart":  {rawStream, 1000.75, true, 1, 5},
		"earlier":                {rawStream, 1000.25, false, 0, 1},
		"earlier after one":      {rawStream, 1000.25, true, 0, 1},
		"added up":               {sumStream, 1000.75, false, 1, 0},
		"added up after restart": {sumStream, 1000.75, true, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, f := measuring(t, nil)
			c.measure(c.stream(x.stream), "m", complexCell(5, 5, 1, 1, 0, 1000.5))
			c.through(1400)
			if len(f.cells) != 1 || c.a.Stats().Buckets != 0 {
				t.Fatalf("kept %v", f.cells)
			}
			f.slow = true
			c.measure(c.stream(x.stream), "m", plain(9, x.late))
			first := Stats{Contributions: 6}
			if x.restart {
				first = c.a.Stats()
				c.restart("")
			}
			c.through(1500)
			if len(f.answers) != 1 {
				t.Fatalf("%d questions", len(f.answers))
			}
			f.deliver() // and nothing is emitted yet
			c.a.ForgetSeries([]string{"m"})
			s := c.a.Stats()
			c.balance(s)
			want := Stats{Contributions: 6, Added: 6 - x.deleted}
			if x.restart {
				want = Stats{Contributions: x.deleted}
			}
			if s.Contributions != want.Contributions || s.Added != want.Added || s.Dropped[Deleted] != x.deleted || s.Replaced != x.replaced {
				t.Errorf("%+v, want %+v", s, want)
			}
			if first.Contributions != 6 || first.Replaced != 0 {
				t.Errorf("the first run counted %+v", first)
			}
		})
	}
}

// What was emitted before a restart is not deleted, though it had taken the place of others.
func TestForgetWhatWasReplaced(t *testing.T) {
	c := start(t, 1000, "", nil)
	c.measure(c.stream(rawStream), "m", complexCell(3, 3, 1, 1, 0, 1000))
	c.measure(c.stream(rawStream), "m", complexCell(2, 2, 1, 1, 0, 1000.5))
	c.measure(c.stream(rawStream), "m", plain(1, 1001))
	c.through(1001.75) // closes the first bucket
	c.restart("")
	c.measure(c.stream(rawStream), "m", plain(2, 1001.5))
	c.a.ForgetSeries([]string{"m"})
	s := c.a.Stats()
	c.balance(s)
	if s.Contributions != 1 || s.Added != 0 || s.Dropped[Deleted] != 1 || s.Replaced != 1 {
		t.Errorf("%+v", s)
	}
}

// What counts as too old, because the archive has lost what it was to replace, is not
// replaced as well.
func TestReplacingWhatIsTooOld(t *testing.T) {
	c, f := measuring(t, nil)
	id := c.stream(rawStream)
	c.measure(id, "m", complexCell(5, 5, 1, 1, 0, 1000))
	c.through(1400)
	f.lose(Key{"m", 1, 1000}, NotCovered)
	c.measure(id, "m", complexCell(3, 3, 1, 1, 0, 1000.25))
	c.through(1410)
	c.drops(TooOld, 3)
	c.measure(id, "m", plain(1, 1000.5))
	c.tick(c.now + 1)
	c.drops(TooOld, 4)
	if s := c.a.Stats(); s.Contributions != 9 || s.Added != 5 || s.Replaced != 0 {
		t.Errorf("%+v", s)
	}
	c.balance(c.a.Stats())
}
