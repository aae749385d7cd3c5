package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
)

func testCancelled(t *testing.T, s store.Store) {
	const n = 4000
	m := newModel()
	m.write(t, s, batch(n, 60, 60))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Write(over, batch(n, 60, 120)); !errors.Is(err, context.Canceled) {
		t.Errorf("Write: %v, expected Canceled", err)
	}
	if _, err := s.Meta(over); !errors.Is(err, context.Canceled) {
		t.Errorf("Meta: %v, expected Canceled", err)
	}
	if _, err := s.Expire(over, nil, math.MaxInt64); !errors.Is(err, context.Canceled) {
		t.Errorf("Expire: %v, expected Canceled", err)
	}
	for what, call := range calls(s, func() error { return nil }) {
		if err := call(over); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, expected Canceled", what, err)
		}
		if what == "Read" {
			continue // of one cell
		}
		ctx, cancel := context.WithCancel(t.Context())
		yields := 0
		call := calls(s, func() error {
			if yields++; yields == 10 {
				cancel()
			}
			return nil
		})[what]
		if err := call(ctx); !errors.Is(err, context.Canceled) || yields > n*3/4 {
			t.Errorf("%s: %v after %d of %d yields, expected Canceled sooner", what, err, yields, n)
		}
		cancel()
	}
	m.compare(t, s, 60)
}

// testBeside reads while every batch writes all cells with a new version: a reader
// must never see two of them.
func testBeside(t *testing.T, s store.Store) {
	const n, versions = 300, 20
	var names []string
	for i := range n {
		names = append(names, name(i))
	}
	version := func(v int) store.Write {
		w := store.Write{Meta: map[string]string{"version": fmt.Sprint(v)}}
		for i := range n {
			sr := one(name(i), 60, 0, 60*int64(v%3+1)).Series[0]
			for k := range sr.Cells {
				sr.Cells[k].Data = []byte{byte(v)}
			}
			w.Series = append(w.Series, sr)
		}
		return w
	}
	if err := s.Write(t.Context(), version(0)); err != nil {
		t.Fatal(err)
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
				for v, times := range seen {
					if len(seen) != 1 || times != n || v < last {
						t.Errorf("versions %v after %d, expected one, %d times", seen, last, n)
						return
					}
					last = v
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
		return s.Read(t.Context(), names, 60, 0, 60, func(_ int, c store.Cell) error { see(c); return nil })
	})
	reader(func(see func(store.Cell)) error {
		return s.Scan(t.Context(), 60, 0, 60, func(_ *store.Series, c store.Cell) error { see(c); return nil })
	})
	wg.Go(func() {
		defer close(done)
		for v := 1; v <= versions; v++ {
			if err := s.Write(t.Context(), version(v)); err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Expire(t.Context(), map[int64]int64{60: -1 << 20}, math.MinInt64); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Wait()
}

func testClosed(t *testing.T, s store.Store) {
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error("Close:", err)
		}
	}
	for what, call := range calls(s, func() error { return nil }) {
		if err := call(t.Context()); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v, expected ErrClosed", what, err)
		}
	}
	if err := s.Write(t.Context(), one("n", 60, 0)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Write: %v, expected ErrClosed", err)
	}
	if _, err := s.Meta(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Meta: %v, expected ErrClosed", err)
	}
	if _, err := s.Stats(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Stats: %v, expected ErrClosed", err)
	}
	if _, err := s.Expire(t.Context(), nil, 0); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Expire: %v, expected ErrClosed", err)
	}
}

func testCloseWaits(t *testing.T, s store.Store) {
	if err := s.Write(t.Context(), batch(10, 60, 60)); err != nil {
		t.Fatal(err)
	}
	inside, leave := make(chan struct{}), make(chan struct{})
	scanned, closed := make(chan error, 1), make(chan error, 1)
	cells := 0
	go func() {
		scanned <- s.Scan(t.Context(), 60, 0, 100, func(*store.Series, store.Cell) error {
			if cells++; cells == 1 {
				close(inside)
				<-leave
			}
			return nil
		})
	}()
	select {
	case <-inside:
	case err := <-scanned:
		t.Fatalf("Scan gave no cell, %v", err)
	}
	go func() { closed <- s.Close() }()
	// Close has begun when nobody is let in any more.
	for {
		if _, err := s.Stats(t.Context()); errors.Is(err, store.ErrClosed) {
			break
		}
	}
	select {
	case err := <-closed:
		t.Errorf("Close returned (%v) while a Scan was under way", err)
		closed <- nil
	default:
	}
	close(leave)
	if err := <-scanned; err != nil || cells != 10 {
		t.Errorf("Scan gave %d cells, %v; expected 10", cells, err)
	}
	if err := <-closed; err != nil {
		t.Error("Close:", err)
	}
}
