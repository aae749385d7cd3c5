package storetest

import (
	"math/rand/v2"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
)

func testMany(t *testing.T, s store.Store) {
	m := newModel()
	m.write(t, s, batch(5000, 60, 60))
	m.write(t, s, batch(5003, 60, 120))
	m.write(t, s, batch(100, 60, 120))
	m.compare(t, s, 60)
	if stats, err := s.Stats(t.Context()); err != nil || stats.Series != 5003 {
		t.Errorf("Stats are %+v, %v; expected 5003 series", stats, err)
	}
}

// testStarts writes a start after the other, as a daemon does, and amends some.
func testStarts(t *testing.T, s store.Store) {
	m := newModel()
	r := rand.New(rand.NewPCG(1, 2))
	const n = 270
	for i := range int64(120) {
		m.write(t, s, batch(n, 60, 60*i))
		if i%3 == 0 {
			w := batch(n, 60, max(i-r.Int64N(100), 0)*60)
			w.Series = w.Series[r.IntN(n):]
			for k := range w.Series {
				w.Series[k].Cells[0].Data = []byte{'a', byte(i)}
			}
			m.write(t, s, w)
		}
		if i%60 == 59 {
			m.compare(t, s, 60)
			m.compareRange(t, s, 60, (i-30)*60, (i-29)*60)
			m.compareRange(t, s, 60, (i-70)*60, i*60)
		}
	}
	m.expire(t, s, map[int64]int64{60: 60 * 60}, 0)
	m.compare(t, s, 60)
	m.expire(t, s, nil, 0)
	m.compare(t, s, 60)
}

// testHistory writes many cells of each series at once.
func testHistory(t *testing.T, s store.Store) {
	m := newModel()
	var starts []int64
	for i := range int64(400) {
		starts = append(starts, 60*i)
	}
	w := store.Write{}
	for i := range 40 {
		sr := one(name(i), 60, starts...).Series[0]
		w.Series = append(w.Series, sr)
	}
	m.write(t, s, batch(300, 60, 600))
	m.write(t, s, w)
	m.write(t, s, batch(300, 60, 600))
	m.compare(t, s, 60)
}
