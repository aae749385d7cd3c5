package archive

import (
	"math"
	"slices"

	"github.com/coalesce-metrics/coalesce/cell"
)

// whole is a cell with its values.
type whole struct {
	Cell   cell.Cell
	Values *cell.Values
}

func (x *whole) merge(c cell.Cell, v *cell.Values) {
	x.Cell.Merge(&c)
	if x.Values == nil {
		x.Values = v.Clone()
	} else {
		x.Values.Merge(v)
	}
}

func (x whole) equal(y whole) bool {
	a, b := x.Cell, y.Cell
	near := func(p, q float64) bool { return math.Abs(p-q) <= 1e-9*(math.Abs(p)+math.Abs(q))+1e-6 }
	if a.Count != b.Count || a.Min != b.Min || a.Max != b.Max || a.Last != b.Last || a.LastTime != b.LastTime ||
		!near(a.Total(), b.Total()) || !near(a.M2, b.M2) || x.Values.Len() != y.Values.Len() {
		return false
	}
	for _, q := range []float64{0.1, 0.5, 0.999} {
		if p, r := x.Values.Clone(), y.Values.Clone(); p != nil && p.Quantile(q, a.Min, a.Max) != r.Quantile(q, a.Min, a.Max) {
			return false
		}
	}
	return true
}

// model is every cell that was kept, by name. It merges from scratch.
type model map[string]*modelSeries

type modelSeries struct {
	cells  map[modelKey]whole
	deltas []modelDelta
}

type modelKey struct{ step, start int64 }

type modelDelta struct {
	modelKey
	whole
}

func (m model) series(name string) *modelSeries {
	if m[name] == nil {
		m[name] = &modelSeries{cells: make(map[modelKey]whole)}
	}
	return m[name]
}

func (m model) put(name string, period, start int64, c cell.Cell, v *cell.Values) {
	m.series(name).cells[modelKey{period, start}] = whole{c, v.Clone()}
}

func (m model) merge(name string, period, start int64, c cell.Cell, v *cell.Values) {
	s := m.series(name)
	s.deltas = append(s.deltas, modelDelta{modelKey{period, start}, whole{c, v.Clone()}})
}

// expect returns the buckets of a step.
func (w *world) expect(name string, step int64) map[int64]whole {
	window := slices.ContainsFunc(w.cfg.Windows, func(w Window) bool { return w.Step == step })
	out := make(map[int64]whole)
	s := w.model[name]
	if s == nil {
		return out
	}
	add := func(k modelKey, c whole) {
		if step == k.step || window && step%k.step == 0 {
			x := out[floor(k.start, step)]
			x.merge(c.Cell, c.Values)
			out[floor(k.start, step)] = x
		}
	}
	keys := make([]modelKey, 0, len(s.cells))
	for k := range s.cells {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y modelKey) int { return int(x.start - y.start) })
	for _, k := range keys {
		add(k, s.cells[k])
	}
	for _, d := range s.deltas {
		add(d.modelKey, d.whole)
	}
	return out
}
