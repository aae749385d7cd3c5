package storetest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/coalesce-metrics/coalesce/store"
)

// tester is a testing.TB or a *rapid.T.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
	Context() context.Context
}

// key says which cell of a series.
type key struct{ step, start int64 }

// model is a store as maps.
type model struct {
	series map[string]store.Series
	cells  map[string]map[key]string
	meta   map[string]string
}

func newModel() *model {
	return &model{map[string]store.Series{}, map[string]map[key]string{}, map[string]string{}}
}

// name returns the name of a series of batch.
func name(i int) string { return fmt.Sprintf("servers.web%04d.cpu;dc=%c", i, 'a'+i%3) }

// batch returns a cell for each of n series.
func batch(n int, step, start int64) store.Write {
	w := store.Write{}
	for i := range n {
		w.Series = append(w.Series, one(name(i), step, start).Series[0])
	}
	return w
}

// one returns cells of one series.
func one(name string, step int64, starts ...int64) store.Write {
	sc := store.SeriesCells{Series: store.Series{Name: name, Period: step}}
	for _, start := range starts {
		sc.Cells = append(sc.Cells, store.Cell{Step: step, Start: start, Data: fmt.Appendf(nil, "%.40s %d %d", name, step, start)})
		sc.Series.Seen = max(sc.Series.Seen, start)
	}
	return store.Write{Series: []store.SeriesCells{sc}}
}

// write writes to the store and to the model.
func (m *model) write(t tester, s store.Store, w store.Write) {
	t.Helper()
	if err := s.Write(t.Context(), w); err != nil {
		t.Fatalf("Write: %v", err)
	}
	maps.Copy(m.meta, w.Meta)
	for _, sc := range w.Series {
		n := sc.Series.Name
		if old, ok := m.series[n]; ok {
			sc.Series.Period, sc.Series.Periods = store.Renewed(old.Period, old.Periods, &sc)
			sc.Series.Seen = max(sc.Series.Seen, old.Seen)
		} else {
			m.cells[n] = map[key]string{}
		}
		m.series[n] = sc.Series
		for _, c := range sc.Cells {
			m.cells[n][key{c.Step, c.Start}] = string(c.Data)
		}
	}
}

// expire expires the store, sees that it dropped what it must, and drops the same
// from the model.
func (m *model) expire(t tester, s store.Store, cutoffs map[int64]int64, idle int64) []string {
	t.Helper()
	dropped, err := s.Expire(t.Context(), cutoffs, idle)
	if err != nil {
		t.Fatalf("Expire: %v", err)
	}
	for _, n := range dropped {
		sr, ok := m.series[n]
		if !ok || sr.Seen >= idle {
			t.Fatalf("Expire(idle %d) dropped %q, seen %d (known: %v)", idle, n, sr.Seen, ok)
		}
		delete(m.series, n)
		delete(m.cells, n)
	}
	for n, sr := range m.series {
		if idle > math.MinInt64+store.SeenLag && sr.Seen < idle-store.SeenLag {
			t.Fatalf("Expire(idle %d) left %q, seen %d", idle, n, sr.Seen)
		}
		for k := range m.cells[n] {
			cutoff, ok := cutoffs[k.step]
			if !ok || store.SliceEnd(k.step, store.SliceStart(k.step, k.start)) <= cutoff {
				delete(m.cells[n], k)
			}
		}
	}
	return dropped
}

// compare compares all that the store holds of the steps with the model.
func (m *model) compare(t tester, s store.Store, steps ...int64) {
	t.Helper()
	for _, step := range steps {
		m.compareRange(t, s, step, math.MinInt64, math.MaxInt64)
	}
	meta, err := s.Meta(t.Context())
	if err != nil || !maps.Equal(meta, m.meta) {
		t.Fatalf("Meta is %.1000q, %v; expected %.1000q", meta, err, m.meta)
	}
	left := maps.Clone(m.series)
	err = s.Load(t.Context(), func(sr store.Series) error {
		if _, ok := left[sr.Name]; !ok {
			return fmt.Errorf("series %q is unknown or was there before", sr.Name)
		}
		delete(left, sr.Name)
		return m.same(&sr)
	})
	if err != nil || len(left) > 0 {
		t.Fatalf("Load: %v; %d are missing: %.1000v", err, len(left), left)
	}
}

// same compares a series with what was written.
func (m *model) same(got *store.Series) error {
	want := m.series[got.Name]
	if !slices.Equal(got.Methods, want.Methods) || got.Period != want.Period || !slices.Equal(got.Periods, want.Periods) || got.Input != want.Input ||
		got.Seen > want.Seen || got.Seen <= want.Seen-store.SeenLag {
		return fmt.Errorf("series %+v, expected %+v", *got, want)
	}
	return nil
}

// compareRange compares the cells of a range, as Read and as Scan give them.
func (m *model) compareRange(t tester, s store.Store, step, from, until int64) {
	t.Helper()
	names := slices.Sorted(maps.Keys(m.series))
	read := map[string][]key{}
	check := func(name string, c store.Cell, got map[string][]key) error {
		k := key{c.Step, c.Start}
		if n := len(got[name]); n > 0 && got[name][n-1].start >= k.start || c.Step != step || c.Start < from || c.Start >= until {
			return fmt.Errorf("%q: cell %v after %v", name, k, got[name])
		}
		if want, ok := m.cells[name][k]; !ok || string(c.Data) != want {
			return fmt.Errorf("%q: cell %v is %.100q, expected %.100q (there: %v)", name, k, c.Data, want, ok)
		}
		got[name] = append(got[name], k)
		return nil
	}
	err := s.Read(t.Context(), names, step, from, until, func(i int, c store.Cell) error { return check(names[i], c, read) })
	if err != nil {
		t.Fatalf("Read(step %d, from %d, until %d): %v", step, from, until, err)
	}
	scanned := map[string][]key{}
	var last string
	err = s.Scan(t.Context(), step, from, until, func(sr *store.Series, c store.Cell) error {
		if sr.Name != last && scanned[sr.Name] != nil {
			return fmt.Errorf("cells of %q are in two places", sr.Name)
		}
		last = sr.Name
		if err := m.same(sr); err != nil {
			return err
		}
		return check(sr.Name, c, scanned)
	})
	if err != nil {
		t.Fatalf("Scan(step %d, from %d, until %d): %v", step, from, until, err)
	}
	for n := range m.series {
		want := 0
		for k := range m.cells[n] {
			if k.step == step && k.start >= from && k.start < until {
				want++
			}
		}
		if len(read[n]) != want || len(scanned[n]) != want {
			t.Fatalf("step %d from %d until %d: Read gave %d cells of %q, Scan %d, expected %d", step, from, until, len(read[n]), n, len(scanned[n]), want)
		}
	}
}

// testModel does at random what is done with a store, and compares it with the model.
func testModel(t *testing.T, open func(t testing.TB) store.Store) {
	steps := []int64{1, 60, 900}
	s := open(t)
	defer s.Close()
	rapid.Check(t, func(rt *rapid.T) {
		// Names come back after all have gone, as they do in a long life.
		if _, err := s.Expire(t.Context(), nil, math.MaxInt64); err != nil {
			rt.Fatalf("Expire: %v", err)
		}
		m := newModel()
		var err error
		if m.meta, err = s.Meta(t.Context()); err != nil {
			rt.Fatalf("Meta: %v", err)
		}
		start := func(step int64) int64 {
			return step * rapid.Int64Range(-4, 4).Draw(rt, "start") * rapid.SampledFrom([]int64{1, 60, 359, 360, 1440}).Draw(rt, "times")
		}
		version := byte(0)
		rt.Repeat(map[string]func(*rapid.T){
			"write": func(rt *rapid.T) {
				w := store.Write{Meta: map[string]string{"version": fmt.Sprint(version)}}
				for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 0, 8, rapid.ID).Draw(rt, "series") {
					sc := store.SeriesCells{Series: store.Series{Name: name(i), Period: rapid.Int64Range(1, 2).Draw(rt, "period"), Seen: start(900)}}
					cells := map[key]bool{}
					for range rapid.IntRange(0, 4).Draw(rt, "cells") {
						step := rapid.SampledFrom(steps).Draw(rt, "step")
						k := key{step, start(step)}
						if !cells[k] {
							cells[k] = true
							version++
							sc.Cells = append(sc.Cells, store.Cell{Step: k.step, Start: k.start, Data: []byte{version, byte(i)}})
						}
					}
					w.Series = append(w.Series, sc)
				}
				m.write(rt, s, w)
			},
			// As many series get a cell for the same start.
			"tick": func(rt *rapid.T) {
				step := rapid.SampledFrom(steps).Draw(rt, "step")
				version++
				w := batch(rapid.IntRange(1, 10).Draw(rt, "series"), step, start(step))
				for i := range w.Series {
					w.Series[i].Cells[0].Data = []byte{version, byte(i)}
				}
				m.write(rt, s, w)
			},
			"read": func(rt *rapid.T) {
				step := rapid.SampledFrom(steps).Draw(rt, "step")
				m.compareRange(rt, s, step, start(step), start(step)+rapid.Int64Range(0, 1).Draw(rt, "more"))
			},
			"expire": func(rt *rapid.T) {
				cutoffs := map[int64]int64{}
				for _, step := range steps {
					if rapid.IntRange(0, 9).Draw(rt, "keep") > 0 {
						cutoffs[step] = start(step)
					}
				}
				m.expire(rt, s, cutoffs, start(900))
			},
			"drop": func(rt *rapid.T) {
				var names []string
				for _, i := range rapid.SliceOfN(rapid.IntRange(0, 11), 0, 8).Draw(rt, "dropped") {
					names = append(names, name(i))
				}
				m.drop(rt, s, names...)
			},
			"sweep":   func(rt *rapid.T) { sweep(rt, s, rapid.IntRange(1, 3).Draw(rt, "times")) },
			"compare": func(rt *rapid.T) { m.compare(rt, s, steps...) },
		})
		m.compare(rt, s, steps...)
	})
}
