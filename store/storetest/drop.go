package storetest

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

// drop drops series from the store and from the model.
func (m *model) drop(t tester, s store.Store, names ...string) {
	t.Helper()
	if err := s.Drop(t.Context(), names); err != nil {
		t.Fatalf("Drop: %v", err)
	}
	for _, n := range names {
		delete(m.series, n)
		delete(m.cells, n)
	}
}

// sweep sweeps up to so many times, and tells whether more is left.
func sweep(t tester, s store.Store, times int) (more bool) {
	t.Helper()
	for more = true; more && times > 0; times-- {
		var err error
		if more, err = s.Sweep(t.Context()); err != nil {
			t.Fatalf("Sweep: %v", err)
		}
	}
	return more
}

// manySweeps are more than any test needs.
const manySweeps = 10000

func testDrop(t *testing.T, s store.Store) {
	m := newModel()
	steps := []int64{1, 60, 900}
	if sweep(t, s, manySweeps) {
		t.Error("there is always more to sweep")
	}
	m.drop(t, s)
	m.drop(t, s, "never", "", "never")
	write := func() {
		for i, n := range []string{"a", "a.b", "many\x00", "t;k=v", "stays", "stays;k=v"} {
			for _, step := range steps {
				w := one(n, step, -step, 0, step, 400*step, 4000*step)
				w.Series[0].Series.Methods = []cell.Method{cell.Sum, cell.Max}[:1+i%2]
				w.Meta = map[string]string{"k": n}
				m.write(t, s, w)
			}
		}
	}
	write()
	m.drop(t, s, "a", "many\x00", "never", "a", "t;k=v")
	m.compare(t, s, steps...)
	if stats, err := s.Stats(t.Context()); err != nil || stats.Series != 3 {
		t.Errorf("Stats are %+v, %v; expected 3 series", stats, err)
	}
	// What is written again begins anew, whether its old cells have been swept or not.
	again := one("a", 60, 60)
	again.Series[0].Series.Input = true
	m.write(t, s, again)
	m.write(t, s, one("t;k=v", 900, 900))
	m.compare(t, s, steps...)
	for range 3 {
		sweep(t, s, 1)
		m.compare(t, s, steps...)
		m.drop(t, s, "a", "many\x00")
		m.compare(t, s, steps...)
		m.write(t, s, one("a", 60, 120))
	}
	sweep(t, s, manySweeps)
	m.compare(t, s, steps...)
	write()
	m.drop(t, s, "a", "a.b", "many\x00", "t;k=v", "stays", "stays;k=v")
	m.compare(t, s, steps...)
	if sweep(t, s, manySweeps) {
		t.Error("there is always more to sweep")
	}
	m.compare(t, s, steps...)
	if dropped := m.expire(t, s, nil, math.MaxInt64); len(dropped) > 0 {
		t.Errorf("Expire dropped %q again", dropped)
	}
}

// testDropMany drops series among many, with cells wherever a store has them, and goes on
// writing while it sweeps.
func testDropMany(t *testing.T, s store.Store) {
	const n = 700
	m := newModel()
	var some []string
	for i := range n {
		if i%3 > 0 {
			some = append(some, name(i))
		}
	}
	for i := range int64(70) {
		m.write(t, s, batch(n, 60, 60*i))
	}
	m.write(t, s, batch(n, 900, 0))
	m.drop(t, s, some...)
	m.compare(t, s, 60, 900)
	for i := int64(70); i < 140; i++ {
		m.write(t, s, batch(n/2, 60, 60*i)) // many of them come back
		sweep(t, s, 1)
		if i%23 == 0 {
			m.compare(t, s, 60, 900)
		}
		if i == 100 {
			m.drop(t, s, some[:100]...)
		}
	}
	sweep(t, s, manySweeps)
	m.compare(t, s, 60, 900)
	m.write(t, s, batch(n, 60, 60*70))
	m.expire(t, s, map[int64]int64{60: 3 * store.SliceLength(60)}, math.MinInt64)
	m.compare(t, s, 60, 900)
}

// testDropBeside reads while series are dropped and come back: a reader must see the
// cells of all of them or none, and none of an earlier time.
func testDropBeside(t *testing.T, s store.Store) {
	const n, rounds = 300, 15
	var names []string
	for i := range n {
		names = append(names, name(i))
	}
	round := func(r int) store.Write {
		w := store.Write{}
		for i := range n {
			sr := one(name(i), 60, 60, 60*int64(400+r)).Series[0]
			for k := range sr.Cells {
				sr.Cells[k].Data = []byte{byte(r)}
			}
			w.Series = append(w.Series, sr)
		}
		return w
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	reader := func(read func(see func(c store.Cell)) error) {
		wg.Go(func() {
			for last := byte(0); ; {
				seen := map[byte]int{}
				if err := read(func(c store.Cell) { seen[c.Data[0]]++ }); err != nil {
					t.Error(err)
					return
				}
				for r, times := range seen {
					if len(seen) != 1 || times != 2*n || r < last {
						t.Errorf("cells by round are %v after round %d, expected %d of one or none", seen, last, 2*n)
						return
					}
					last = r
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	reader(func(see func(store.Cell)) error {
		return s.Read(t.Context(), names, 60, 0, math.MaxInt64, func(_ int, c store.Cell) error { see(c); return nil })
	})
	reader(func(see func(store.Cell)) error {
		return s.Scan(t.Context(), 60, 0, math.MaxInt64, func(_ *store.Series, c store.Cell) error { see(c); return nil })
	})
	wg.Go(func() {
		defer close(done)
		for r := range rounds {
			err := s.Write(t.Context(), round(r))
			if err == nil {
				_, err = s.Sweep(t.Context()) // of the round before
			}
			if err == nil {
				err = s.Drop(t.Context(), names)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Wait()
}

// testDropCancelled sees that a Drop that is not carried out has dropped nothing.
func testDropCancelled(t *testing.T, s store.Store) {
	m := newModel()
	m.write(t, s, batch(300, 60, 60))
	var names []string
	for i := range 300 {
		names = append(names, name(i))
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Drop(over, names); !errors.Is(err, context.Canceled) {
		t.Errorf("Drop: %v, expected Canceled", err)
	}
	if _, err := s.Sweep(over); !errors.Is(err, context.Canceled) {
		t.Errorf("Sweep: %v, expected Canceled", err)
	}
	m.compare(t, s, 60)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(t.Context(), names); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Drop: %v, expected ErrClosed", err)
	}
	if _, err := s.Sweep(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Sweep: %v, expected ErrClosed", err)
	}
}

// ReopenDropped tests that what was dropped stays so over Close, and that what was not
// swept is swept later. place is as for Reopen; rows counts the rows of cells that the
// store has in it, whosever they are.
func ReopenDropped(t *testing.T, place func(t testing.TB) (open func(t testing.TB) store.Store), rows func(s store.Store) int) {
	open := place(t)
	m := newModel()
	var names []string
	for i := range 200 {
		names = append(names, name(i))
	}
	for round := range int64(3) {
		s := open(t)
		m.compare(t, s, 60)
		for i := 60 * round; i < 60*(round+1); i++ {
			m.write(t, s, batch(300, 60, 60*i))
		}
		m.drop(t, s, names...)
		if round == 1 {
			sweep(t, s, 2)
		}
		m.compare(t, s, 60)
		if err := s.Close(); err != nil {
			t.Fatal("Close:", err)
		}
	}
	s := open(t)
	defer s.Close()
	m.compare(t, s, 60)
	if sweep(t, s, manySweeps) {
		t.Error("there is always more to sweep")
	}
	m.compare(t, s, 60)
	if got, want := rows(s), 100*180; got != want {
		t.Errorf("%d rows of cells are left, expected %d", got, want)
	}
	m.write(t, s, one(names[0], 60, 60))
	m.compare(t, s, 60)
	if stats, err := s.Stats(t.Context()); err != nil || stats.Series != 101 {
		t.Errorf("Stats are %+v, %v; expected 101 series", stats, err)
	}
}
