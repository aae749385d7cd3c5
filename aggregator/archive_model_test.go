package aggregator

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
)

// archiveModel knows how many datapoints each bucket must have.
type archiveModel struct {
	*clock
	f      *fakeArchive
	r      *rand.Rand
	seed   uint64
	want   map[Key]int64 // accepted and not lost in a crash
	unkept map[Key]int64 // of them, those since the last crash
}

const archiveModelRules = "out.<x> (10) = count in.<x>\n"

// TestArchiveModel adds at random, some of it late, with crashes, restarts, a clock
// that is set back, and an archive that is slow or away. It compares what is read
// meanwhile, and what the archive has and what was emitted in the end, with what was
// accepted.
func TestArchiveModel(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() || raceEnabled {
		seeds = 60
	}
	for seed := range seeds {
		m := archiveModel{r: rand.New(rand.NewPCG(seed, 1)), seed: seed, want: map[Key]int64{}, unkept: map[Key]int64{}}
		m.clock, m.f = archiving(t, 10_000, archiveModelRules, func(cfg *Config) {
			cfg.Keep, cfg.WriteBack = m.r.IntN(3), pick(m.r, 0, 0, 3.0)
			cfg.MaxBuckets = pick(m.r, 4, 1000, 1000)
			cfg.OutputIdle = pick(m.r, 1, 3600.0)
		})
		m.f.retention = 300
		for range 300 {
			m.step()
		}
		m.f.fails, m.f.slow = false, false
		m.f.deliver()
		m.through(m.now + 100)
		m.check()
		if t.Failed() {
			return
		}
	}
}

func (m *archiveModel) step() {
	switch n := m.r.IntN(100); {
	case n < 58:
		m.addOne()
	case n < 86:
		m.through(m.now + float64(m.r.IntN(40)))
	case n < 88:
		m.tick(m.now - float64(m.r.IntN(3)))
	case n < 90:
		m.f.fails = !m.f.fails
	case n < 92:
		m.f.slow = !m.f.slow
	case n < 94:
		m.f.deliver()
	case n < 96:
		m.read()
	case n < 97:
		m.forget()
	case n < 98:
		if m.a.cfg.OutputIdle > 1 { // what left is known but roughly after a restart
			m.restart(archiveModelRules)
		}
	default:
		m.crash()
	}
}

func (m *archiveModel) addOne() {
	at := int64(m.now) - int64(m.r.ExpFloat64()*float64(m.r.IntN(100)))
	name := string(rune('a' + m.r.IntN(3)))
	before := m.a.Stats()
	m.add("in."+name, 1, float64(at))
	if m.a.Stats().Added > before.Added {
		k := Key{"out." + name, 10, floor(at, 10)}
		m.want[k]++
		m.unkept[k]++
	}
}

// forget deletes a series here and in the archive. What was emitted of it before is
// compared at once.
func (m *archiveModel) forget() {
	name := "out." + string(rune('a'+m.r.IntN(3)))
	m.a.ForgetSeries([]string{name})
	if b, known := m.a.Buckets(name, math.MinInt64, math.MaxInt64); known || len(b) > 0 {
		m.t.Errorf("seed %d: %s is known, and has %v", m.seed, name, b)
	}
	of := func(k Key) bool { return k.Output == name }
	maps.DeleteFunc(m.f.cells, func(k Key, _ Recalled) bool { return of(k) })
	maps.DeleteFunc(m.f.parts, func(k Key, _ cell.Cell) bool { return of(k) })
	maps.DeleteFunc(m.want, func(k Key, _ int64) bool { return of(k) })
	maps.DeleteFunc(m.unkept, func(k Key, _ int64) bool { return of(k) })
	m.checkRows()
	m.rows = slices.DeleteFunc(m.rows, func(r Row) bool { return r.Name == name })
}

// crash loses what the archive has not got.
func (m *archiveModel) crash() {
	for k := range m.unkept {
		m.want[k] = m.f.cells[k].Cell.Count + m.f.parts[k].Count
	}
	clear(m.unkept)
	cfg := m.a.cfg
	cfg.NotBefore = m.now
	m.run(cfg)
}

// read compares what is held, with what the archive has of it, with what was accepted.
func (m *archiveModel) read() {
	for _, row := range []string{"out.a", "out.b", "out.c"} {
		held, _ := m.a.Buckets(row, math.MinInt64, math.MaxInt64)
		for _, b := range held {
			k := Key{row, 10, b.Start}
			n := b.Cell.Count
			if b.Part {
				n += m.f.cells[k].Cell.Count
			}
			if n != m.want[k] {
				m.t.Errorf("seed %d: at %v, %v is read as %d of %d, part %v", m.seed, m.now, k, n, m.want[k], b.Part)
			}
		}
	}
}

// checkRows returns what was emitted of each bucket last, which is never less than before.
func (m *archiveModel) checkRows() map[Key]int64 {
	emitted := map[Key]int64{}
	for _, row := range m.rows {
		k := Key{row.Name, 10, row.Time}
		if int64(row.Value) < emitted[k] {
			m.t.Errorf("seed %d: %v: %v is emitted after %d", m.seed, k, row.Value, emitted[k])
		}
		emitted[k] = int64(row.Value)
	}
	return emitted
}

func (m *archiveModel) check() {
	emitted := m.checkRows()
	for k, n := range m.want {
		whole, part := m.f.cells[k].Cell.Count, m.f.parts[k].Count
		if whole+part != n {
			m.t.Errorf("seed %d: %v: kept %d whole and %d in parts of %d accepted", m.seed, k, whole, part, n)
		}
		// Of what was emitted early a crash loses what is known.
		if early := m.a.cfg.WriteBack > 0 && emitted[k] > n; part == 0 && emitted[k] != n && !early {
			m.t.Errorf("seed %d: %v: emitted %d of %d", m.seed, k, emitted[k], n)
		}
	}
	m.balance(m.a.Stats())
}
