package storetest

import (
	"math"
	"slices"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
)

func testExpireSlices(t *testing.T, s store.Store) {
	m := newModel()
	for _, step := range []int64{7, 60, 900} {
		length := store.SliceLength(step)
		var starts []int64
		for at := -2 * length; at < 4*length; at += length / 5 {
			starts = append(starts, store.Floor(at, step))
		}
		slices.Sort(starts)
		w := one("n", step, slices.Compact(starts)...)
		w.Series[0].Series.Seen = 4 * length
		m.write(t, s, w)
		for _, cutoff := range []int64{math.MinInt64, -3 * length, -length, -length + step, 0, length - 1, length, length + 1, 3*length - step, 5 * length} {
			m.expire(t, s, map[int64]int64{step: cutoff}, math.MinInt64)
			m.compare(t, s, step)
		}
		if stats, err := s.Stats(t.Context()); err != nil || stats.Slices != 0 {
			t.Errorf("Stats are %+v, %v; expected no slice", stats, err)
		}
	}
}

func testExpireSteps(t *testing.T, s store.Store) {
	m := newModel()
	for _, step := range []int64{10, 60, 300} {
		m.write(t, s, one("n", step, 0, 300, 3000000))
		m.write(t, s, batch(300, step, 300))
	}
	m.expire(t, s, map[int64]int64{60: 0, 10: 1 << 20, 5: 7}, math.MinInt64)
	m.compare(t, s, 10, 60, 300)
	m.write(t, s, one("n", 300, 600)) // a step comes back
	m.compare(t, s, 10, 60, 300)
}

func testExpireSeries(t *testing.T, s store.Store) {
	m := newModel()
	w := batch(20, 60, 60)
	for i := range w.Series {
		w.Series[i].Series.Seen = int64(i) * 10 * store.SeenLag
	}
	m.write(t, s, w)
	keep := map[int64]int64{60: 0}
	m.expire(t, s, keep, 0)
	m.compare(t, s, 60)
	dropped := m.expire(t, s, keep, 100*store.SeenLag+1)
	if len(dropped) < 10 || slices.Contains(dropped, name(11)) {
		t.Errorf("dropped %q, expected the first ten or eleven", dropped)
	}
	m.compare(t, s, 60)
	// A name that comes back begins anew.
	m.write(t, s, one(name(0), 60, 120))
	m.write(t, s, one(name(19), 60, 120))
	m.compare(t, s, 60)
	m.expire(t, s, keep, math.MaxInt64)
	m.compare(t, s, 60)
	if stats, err := s.Stats(t.Context()); err != nil || stats.Series != 0 {
		t.Errorf("Stats are %+v, %v; expected no series", stats, err)
	}
}
