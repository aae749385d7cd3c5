package storetest

import (
	"math"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
)

// Reopen tests that a store outlives Close. place returns what opens one and the
// same store again and again; it is empty at first.
func Reopen(t *testing.T, place func(t testing.TB) (open func(t testing.TB) store.Store)) {
	open := place(t)
	m := newModel()
	for round := range int64(4) {
		s := open(t)
		m.compare(t, s, 60, 900)
		// As many starts as are needed for what a store does behind the scenes.
		for i := round * 30; i < (round+1)*30; i++ {
			m.write(t, s, batch(300+int(round), 60, 60*i))
		}
		w := one("n", 900, -900*round, 9000)
		w.Meta = map[string]string{"round": string(rune('0' + round))}
		m.write(t, s, w)
		if round == 2 {
			m.expire(t, s, map[int64]int64{60: 0, 900: 0}, math.MinInt64)
		}
		m.compare(t, s, 60, 900)
		if err := s.Close(); err != nil {
			t.Fatal("Close:", err)
		}
	}
	s := open(t)
	defer s.Close()
	m.compare(t, s, 60, 900)
	if stats, err := s.Stats(t.Context()); err != nil || stats.Series != int64(len(m.series)) {
		t.Errorf("Stats are %+v, %v; expected %d series", stats, err, len(m.series))
	}
}
