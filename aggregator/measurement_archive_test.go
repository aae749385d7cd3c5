package aggregator

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
)

// measuring starts an aggregator with an archive, for measurements.
func measuring(t testing.TB, change func(*Config)) (*clock, *fakeArchive) {
	c, f := archiving(t, 1000, "", change)
	f.replaces = true
	return c, f
}

func TestMeasuredSeriesAreArchived(t *testing.T) {
	var announced []Output
	c, f := measuring(t, func(cfg *Config) {
		cfg.Announce = func(o Output) { announced = append(announced, o) }
	})
	c.measure(c.stream(rawStream), "r;k=1", plain(1, 1000))
	c.measure(c.stream(sumStream), "s", complexCell(2, 4, 1, 3, 1, 1000))
	c.through(1100)
	c.want(Row{"s", 4, 960})
	want := map[string]Closed{
		"r;k=1": {Output: "r;k=1", Methods: []cell.Method{cell.Avg}, Input: true, Period: 1, Start: 1000},
		"s":     {Output: "s", Methods: []cell.Method{cell.Sum}, Period: 60, Start: 960},
	}
	for _, got := range f.closed {
		x := want[got.Output]
		if !slices.Equal(got.Methods, x.Methods) || got.Input != x.Input || got.Period != x.Period || got.Start != x.Start {
			t.Errorf("kept %+v, want %+v", got, x)
		}
	}
	for _, o := range announced {
		if x := want[o.Name]; o.Input != x.Input || o.Period != x.Period || !slices.Equal(o.Methods, x.Methods) {
			t.Errorf("announced %+v, want %+v", o, x)
		}
	}
	if len(f.closed) != 2 || len(announced) != 2 {
		t.Errorf("kept %+v, announced %+v", f.closed, announced)
	}
}

// What is late replaces what the archive has, or not, by its time.
func TestLateMeasurementsReplaceWhatWasArchived(t *testing.T) {
	key := Key{"m", 1, 1000}
	for name, x := range map[string]struct {
		late float64
		want float64
		keep int
	}{
		"later":   {1000.75, 9, 2},
		"equal":   {1000.5, 9, 2},
		"earlier": {1000.25, 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c, f := measuring(t, nil)
			id := c.stream(rawStream)
			c.measure(id, "m", complexCell(2, 6, 1, 5, 2, 1000.5))
			c.through(1100)
			if len(f.closed) != 1 || c.a.Stats().Buckets != 0 {
				t.Fatalf("kept %+v", f.closed)
			}
			f.slow = true
			c.measure(id, "m", plain(9, x.late))
			read := func() (values []float64) {
				held, _ := c.a.Buckets("m", 0, math.MaxInt64)
				for _, b := range held {
					values = append(values, b.Value())
				}
				return values
			}
			c.through(1102)
			if got := read(); got != nil {
				t.Errorf("before it is known which is later, %v is read", got)
			}
			f.deliver()
			if got := read(); !slices.Equal(got, []float64{x.want}) {
				t.Errorf("then %v is read, want %v", got, x.want)
			}
			c.through(1103)
			if got := f.cells[key].Cell; got.Mean() != x.want || len(f.closed) != x.keep {
				t.Errorf("the archive has %+v, kept %d times, want %v, %d", got, len(f.closed), x.want, x.keep)
			}
			s := c.a.Stats()
			if s.Added-s.Replaced != uint64(f.cells[key].Cell.Count) {
				t.Errorf("added %d, replaced %d, but the archive has %d", s.Added, s.Replaced, f.cells[key].Cell.Count)
			}
			c.balance(s)
		})
	}
}

// A bucket that has changed since it was kept is kept again, also by a later run
// and though it has as many datapoints as before.
func TestChangedBucketsAreKeptAgain(t *testing.T) {
	for _, restart := range []bool{false, true} {
		c, f := measuring(t, nil)
		c.measure(c.stream(rawStream), "m", plain(1, 1000))
		c.through(1002)
		c.measure(c.stream(rawStream), "m", plain(2, 1000))
		if b := c.bucket("m", 1000); b.Kept || b.Value() != 2 {
			t.Errorf("read %+v", b)
		}
		if restart {
			c.restart("")
		}
		if b := c.bucket("m", 1000); b.Kept || b.Value() != 2 {
			t.Errorf("restart %v: read %+v", restart, b)
		}
		c.through(1004)
		if got := f.cells[Key{"m", 1, 1000}].Cell; got.Last != 2 || len(f.closed) != 2 {
			t.Errorf("restart %v: the archive has %+v, kept %d times", restart, got, len(f.closed))
		}
		if b := c.bucket("m", 1000); !b.Kept {
			t.Errorf("restart %v: read %+v", restart, b)
		}
	}
}

// measuredModel knows which measurement must stand for each second.
type measuredModel struct {
	*clock
	f     *fakeArchive
	r     *rand.Rand
	next  float64
	want  map[Key]stands
	known map[Key]bool // since the last crash
	added uint64       // by all runs
	gone  uint64       // replaced
}

type stands struct {
	value, time float64
	count       int64
}

// TestReplacingModel measures at random, some of it late, with restarts, crashes
// and an archive that is slow or away.
func TestReplacingModel(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() || raceEnabled {
		seeds = 60
	}
	for seed := range seeds {
		m := measuredModel{r: rand.New(rand.NewPCG(seed, 7)), want: map[Key]stands{}, known: map[Key]bool{}}
		m.clock, m.f = measuring(t, func(cfg *Config) {
			cfg.Keep = m.r.IntN(3)
			cfg.WriteBack = pick(m.r, 0, 0, 0.25)
			cfg.OutputIdle = pick(m.r, 1, 3600.0)
			cfg.MaxBuckets = pick(m.r, 4, 1000)
		})
		crashes := seed%3 == 0
		for range 300 {
			m.step(crashes)
		}
		m.f.fails, m.f.slow = false, false
		m.f.deliver()
		m.through(m.now + 20)
		m.check(seed, crashes)
		if t.Failed() {
			return
		}
	}
}

func (m *measuredModel) step(crashes bool) {
	switch n := m.r.IntN(100); {
	case n < 60:
		m.measureOne()
	case n < 86:
		m.through(m.now + float64(m.r.IntN(12))/4)
	case n < 90:
		m.f.fails = !m.f.fails
	case n < 92:
		m.f.slow = !m.f.slow
	case n < 95:
		m.f.deliver()
	case n < 98:
		if m.a.cfg.OutputIdle > 1 { // what left is known but roughly after a restart
			m.account()
			m.restart("")
		}
	case crashes:
		m.crash()
	}
}

// account adds up what a run has counted, which takes its lanes' parts in.
func (m *measuredModel) account() {
	m.a.Checkpoint()
	s := m.a.Stats()
	m.added += s.Added
	m.gone += s.Replaced
}

func (m *measuredModel) measureOne() {
	at := math.Floor(m.now) - math.Floor(m.r.ExpFloat64()*float64(m.r.IntN(30)))
	last := at + float64(m.r.IntN(4))/4
	name := string(rune('a' + m.r.IntN(2)))
	m.next++
	x := complexCell(1+m.r.Int64N(3), 0, m.next, m.next, 0, last)
	x.Sum = m.next * float64(x.Count)
	x.Last = m.next
	before := m.a.Stats().Added
	m.a.AddMeasurements([]Measurement{{[]byte(name), at, x, m.stream(rawStream)}})
	k := Key{name, 1, int64(at)}
	if m.a.Stats().Added > before && (m.want[k].count == 0 || last >= m.want[k].time) {
		m.want[k] = stands{m.next, last, x.Count}
		m.known[k] = true
	}
}

// crash loses what the archive has not got.
func (m *measuredModel) crash() {
	for k := range m.known {
		c := m.f.cells[k].Cell
		if m.want[k] = (stands{c.Last, c.LastTime, c.Count}); c.Count == 0 {
			delete(m.want, k)
		}
	}
	clear(m.known)
	cfg := m.a.cfg
	cfg.NotBefore = m.now
	m.run(cfg)
}

func (m *measuredModel) check(seed uint64, crashes bool) {
	var counts int64
	for k, w := range m.want {
		c := m.f.cells[k].Cell
		if got := (stands{c.Last, c.LastTime, c.Count}); got != w {
			m.t.Errorf("seed %d: %v: the archive has %+v, want %+v", seed, k, got, w)
		}
		counts += c.Count
	}
	if len(m.f.cells) != len(m.want) || len(m.f.parts) > 0 {
		m.t.Errorf("seed %d: the archive has %d cells and %d parts, want %d", seed, len(m.f.cells), len(m.f.parts), len(m.want))
	}
	s := m.a.Stats()
	m.balance(s)
	if n := m.added + s.Added - m.gone - s.Replaced; !crashes && n != uint64(counts) {
		m.t.Errorf("seed %d: added less replaced is %d, kept are %d", seed, n, counts)
	}
}

// What comes later than cells of one second are held is added to longer ones once.
func TestMeasurementsOfLongAgoArePartsOfLongerCells(t *testing.T) {
	c, f := measuring(t, nil)
	f.retention = 100
	id := c.stream(rawStream)
	c.now = 2000
	c.measure(id, "m", plain(1, 1800))
	c.measure(id, "m", plain(2, 1800))
	c.measure(id, "m", plain(3, 1799.5)) // of another second
	c.through(2010)
	for start, want := range map[int64]float64{1800: 2, 1799: 3} {
		if got := f.parts[Key{"m", 1, start}]; got.Count != 1 || got.Last != want {
			t.Errorf("the part of %d is %+v, want %v", start, got, want)
		}
	}
	if s := c.a.Stats(); s.Added != 3 || s.Replaced != 1 {
		t.Errorf("counted %+v", s)
	}
}
