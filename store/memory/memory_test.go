package memory

import (
	"errors"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(testing.TB) store.Store { return New(Options{}) }

func TestStore(t *testing.T) { storetest.Run(t, open) }

func Benchmark(b *testing.B) {
	storetest.Bench(b, func(testing.TB) store.Store { return New(Options{MaxBytes: 8 << 30}) })
}

func cellAt(start int64, size int) store.Write {
	return store.Write{Series: []store.SeriesCells{{
		Series: store.Series{Name: "n"}, Cells: []store.Cell{{Step: 60, Start: start, Data: make([]byte, size)}},
	}}}
}

func TestFull(t *testing.T) {
	s := New(Options{MaxBytes: 100_000})
	defer s.Close()
	n := int64(0)
	for ; ; n++ {
		err := s.Write(t.Context(), cellAt(60*n, 1000))
		if errors.Is(err, store.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n < 80 || n > 100 {
		t.Errorf("full after %d cells of 1000 bytes, expected somewhat less than 100", n)
	}
	// What is there may be replaced, and there is room again after Expire.
	if err := s.Write(t.Context(), cellAt(0, 1000)); err != nil {
		t.Error(err)
	}
	if _, err := s.Expire(t.Context(), nil, 1); err != nil {
		t.Fatal(err)
	}
	if stats, err := s.Stats(t.Context()); err != nil || stats != (store.Stats{}) {
		t.Errorf("Stats are %+v, %v; expected nothing", stats, err)
	}
	if err := s.Write(t.Context(), cellAt(60*n, 1000)); err != nil {
		t.Error(err)
	}
}

// What was dropped makes room when it is swept.
func TestDropMakesRoom(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	var names []string
	for i := range 600 {
		names = append(names, fmt.Sprint("n", i))
		w := store.Write{Series: []store.SeriesCells{{Series: store.Series{Name: names[i], Period: 60}}}}
		for k := range int64(10) {
			w.Series[0].Cells = append(w.Series[0].Cells, store.Cell{Step: 60, Start: 60 * 1000 * k, Data: make([]byte, 100)})
		}
		if err := s.Write(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Drop(t.Context(), names); err != nil {
		t.Fatal(err)
	}
	sweeps := 1
	for {
		more, err := s.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		sweeps++
	}
	if stats, err := s.Stats(t.Context()); err != nil || stats.Series != 0 || stats.Bytes != 0 || sweeps < 2 {
		t.Errorf("after %d sweeps %+v, %v; expected nothing, after several", sweeps, stats, err)
	}
}
