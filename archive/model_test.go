package archive

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

// testModel does anything that may happen, in virtual time, and compares all that can
// be read and is stored with a model that keeps every cell.
func testModel(t *testing.T, s store.Store) {
	seed := uint64(time.Now().UnixNano())
	if testing.Short() {
		seed = 1
	}
	runModel(t, s, seed, 250)
}

type sim struct {
	*world
	r      *rand.Rand
	series map[string]int64 // period
	next   map[string]int64 // first bucket that is not closed
}

func runModel(t *testing.T, s store.Store, seed uint64, rounds int) {
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	m := &sim{r: r, series: make(map[string]int64), next: make(map[string]int64)}
	m.world = newWorld(t, s, func(cfg *Config) {
		cfg.MaxJournal = 4 << 20
		switch r.IntN(4) {
		case 0:
			cfg.Retention = 1200
			cfg.Windows = []Window{{"a", 600, 10, 600}, {"b", hour, 60, hour}, {"c", day, 900, day}}
		case 1:
			cfg.Retention = 2 * hour
			cfg.Windows = []Window{{"a", 600, 30, 2 * hour}, {"b", hour, 3600, 3 * day}}
		case 2:
			cfg.Retention = hour
			cfg.Windows = []Window{{"a", 600, 10, 3 * hour}, {"b", hour, 20, 1800}, {"c", day, 300, 2 * day}}
		}
		t.Logf("retention %d s, windows %v", cfg.Retention, cfg.Windows)
	})
	m.now++
	for i, p := range []int64{10, 10, 60, 5, 15, 7, 300, 900} {
		name := fmt.Sprint([]string{"m", "p"}[i%2], i)
		m.series[name], m.next[name] = p, ceil(epoch+1, p)
	}
	for range rounds {
		m.step()
		m.checkBooks()
	}
	m.store.set(func(f *fake) { f.down, f.refuse, f.after = false, nil, nil })
	m.now += 60
	for range 4 {
		m.cycle()
	}
	m.check()
	m.checkStored()
	if st := m.a.Stats(); st.DroppedTotal() != st.Dropped[TooOld]+st.Dropped[Deleted] || st.Pending != 0 || st.Stale != 0 || st.Damaged != 0 {
		t.Errorf("%+v", st)
	}
}

func (m *sim) step() {
	r := m.r
	switch x := r.IntN(100); {
	case x < 50:
		m.now += r.Float64() * 40
		m.closeBuckets()
		m.a.cycle(m.t.Context())
	case x < 65:
		for range 1 + r.IntN(4) {
			m.amend()
		}
	case x < 75:
		m.sendLate()
	case x < 80:
		m.store.set(func(f *fake) { f.down = !f.down })
	case x < 82:
		n := 0
		m.store.set(func(f *fake) {
			f.after = func(store.Write) error {
				if n++; n%4 == 0 {
					return errDown
				}
				return nil
			}
		})
	case x < 85:
		m.store.set(func(f *fake) { f.down, f.after = false, nil })
	case x < 88:
		m.crash()
	case x < 90:
		m.restart()
	case x < 91:
		m.now += float64(r.IntN(2 * day))
		m.closeBuckets()
	case x < 92:
		for range 8 { // in such steps that old cells are expired
			m.now += 1000
			m.closeBuckets()
			m.a.cycle(m.t.Context())
		}
	case x < 93:
		m.now -= r.Float64() * 600
		m.a.cycle(m.t.Context())
	case x < 95:
		m.changePeriod()
	case x < 97:
		m.dropSome()
	default:
		m.compare()
	}
}

// closeBuckets keeps the buckets whose end is over, the latest ones only after a leap.
func (m *sim) closeBuckets() {
	for _, name := range m.names() {
		p := m.series[name]
		last := floor(int64(m.now)-5, p)
		m.next[name] = max(m.next[name], last-30*p, ceil(int64(m.now)-m.cfg.Retention+700, p))
		for ; m.next[name] < last; m.next[name] += p {
			if m.r.IntN(5) > 0 {
				c, v := m.random(m.next[name])
				m.keepCell(name, p, m.next[name], c, v)
			}
		}
	}
	m.a.Commit()
}

func (m *sim) random(start int64) (c cell.Cell, v *cell.Values) {
	n := 1 + m.r.IntN(6)
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = float64(m.r.IntN(1000))
	}
	return cellOf(start, xs)
}

func (m *sim) names() []string { return slices.Sorted(maps.Keys(m.series)) }

func (m *sim) name() string {
	names := m.names()
	return names[m.r.IntN(len(names))]
}

// past returns a bucket of the period that has been closed.
func (m *sim) past(name string, p int64) int64 {
	back := m.r.Int64N([]int64{100, 1000, hour, day, 3 * day, 8 * day}[m.r.IntN(6)])
	return min(floor(int64(m.now)-back, p), m.next[name]-p)
}

// amend does as the aggregator does with a straggler that it holds no bucket for.
func (m *sim) amend() {
	name := m.name()
	p := m.series[name]
	start := m.past(name, p)
	if m.a.Covers(p, start) != Whole || m.other(name, p, start) {
		return
	}
	got, err := m.a.Recall(m.t.Context(), []Key{{name, p, start}})
	if err != nil {
		if !m.store.broken() {
			m.t.Fatal(err)
		}
		return
	}
	b := got[0]
	if b.Lost {
		m.t.Fatalf("%s %d is lost", name, start)
	}
	want := m.model.series(name).cells[modelKey{p, start}]
	if !want.equal(whole{b.Cell, b.Values}) {
		m.t.Fatalf("recalled %s %d of %d s: %+v, want %+v", name, start, p, b.Cell, want.Cell)
	}
	c, v := m.random(start)
	want = whole{b.Cell, b.Values}
	want.merge(c, v)
	m.keepCell(name, p, start, want.Cell, want.Values)
	m.a.Commit()
}

// other tells whether the series has had another period at that time: such buckets
// are not opened again.
func (m *sim) other(name string, p, start int64) bool {
	for k := range m.model.series(name).cells {
		if k.step != p && k.start < start+p && start < k.start+k.step {
			return true
		}
	}
	for _, d := range m.model.series(name).deltas {
		if d.step != p && d.start < start+p && start < d.start+d.step {
			return true
		}
	}
	return false
}

func (m *sim) sendLate() {
	name := m.name()
	p := m.series[name]
	start := m.past(name, p)
	if m.a.Covers(p, start) != Coarse || m.other(name, p, start) {
		return
	}
	c, v := m.random(start)
	m.a.Keep(&Record{Series: seriesOf(name, p), Start: start, Cell: &c, Values: v, CoarseOnly: true})
	m.model.merge(name, p, start, c, v)
	if m.r.IntN(2) == 0 {
		m.a.Commit()
	} else {
		defer m.a.Commit() // with what else is kept
		m.closeBuckets()
	}
}

func (m *sim) changePeriod() {
	name := m.name()
	p := []int64{5, 10, 15, 20, 60, 300}[m.r.IntN(6)]
	m.next[name] = ceil(m.next[name], p)
	m.series[name] = p
}

// dropSome drops series, or nothing while the store is down.
func (m *sim) dropSome() {
	some := []string{m.name(), m.name(), "unknown"}[:1+m.r.IntN(3)]
	if err := m.a.Drop(m.t.Context(), some); err != nil {
		if !m.store.broken() {
			m.t.Fatal(err)
		}
		return
	}
	for _, name := range some {
		delete(m.model, name)
	}
	if !m.store.broken() {
		m.checkGone(some...)
	}
	if m.r.IntN(2) == 0 {
		m.crash()
	}
}

// compare reads some series; while the store is down only that nothing is wrong.
func (m *sim) compare() {
	if !m.store.broken() {
		m.a.cycle(m.t.Context()) // what is late is to be read when it is merged
		m.check()
		return
	}
	for _, name := range m.names() {
		got, err := m.a.Cells(m.t.Context(), []string{name}, 60, 0, int64(m.now))
		var part *PartialError
		if err != nil && !errors.As(err, &part) {
			m.t.Fatal(err)
		}
		want := m.expect(name, 60)
		for b, x := range fold(m.t, got[0], 60) {
			if x.Cell.Count > want[b].Cell.Count {
				m.t.Fatalf("%s: bucket %d has %d datapoints, want at most %d", name, b, x.Cell.Count, want[b].Cell.Count)
			}
		}
	}
}
