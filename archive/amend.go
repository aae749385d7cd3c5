package archive

import (
	"context"
	"slices"

	"github.com/coalesce-metrics/coalesce/store"
)

// remake adds to a batch the coarse cells that have been rolled already and that its
// cells change, made again of all finer ones. It returns how many they are.
func (a *Archive) remake(ctx context.Context, series []store.SeriesCells) (amended int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	v := a.view.Load()
	var m merger
	defer func() { a.unreadable(m.bad, m.why) }()
	for i := range a.chain.windows {
		step := a.chain.windows[i].Step
		sources := a.chain.sources(i, v.native)
		places := a.outdated(v, i, sources, series)
		if len(places) == 0 {
			continue
		}
		finer, err := a.gather(ctx, v, i, sources, places, series)
		if err != nil {
			return 0, err
		}
		for _, p := range places {
			for _, c := range pick(finer[p]) {
				m.add(c.Data)
			}
			if data := m.take(); data != nil {
				series[p.i].Cells = append(series[p.i].Cells, store.Cell{Step: step, Start: p.start, Data: data})
				amended++
			}
		}
	}
	return amended, nil
}

// gather returns what buckets of window i are made of, by the store and the batch.
// It sorts places.
func (a *Archive) gather(ctx context.Context, v *view, i int, sources []int64, places []place, series []store.SeriesCells) (map[place][]store.Cell, error) {
	step := a.chain.windows[i].Step
	finer := make(map[place][]store.Cell, len(places))
	add := func(p place, c store.Cell) { finer[p] = append(finer[p], c) }
	name := func(n int) string { return series[n].Series.Name }
	change := func(places []place, steps []int64) {
		for n := range series {
			for _, c := range series[n].Cells {
				p := place{n, floor(c.Start, step)}
				if _, found := slices.BinarySearchFunc(places, p, comparePlaces); found && slices.Contains(steps, c.Step) {
					finer[p] = overlay(finer[p], c)
				}
			}
		}
	}
	for _, src := range sources {
		if err := a.fetch(ctx, name, places, src, step, add); err != nil {
			return nil, err
		}
	}
	change(places, sources)
	if len(sources) == 1 {
		return finer, nil
	}
	var deep []place
	for _, p := range places {
		overlapping(finer[p], func(store.Cell) { deep = append(deep, p) })
	}
	if len(deep) == 0 {
		return finer, nil
	}
	deep = slices.Compact(deep)
	for _, p := range deep {
		delete(finer, p)
	}
	if err := a.fetchFiner(ctx, v, i, name, deep, add); err != nil {
		return nil, err
	}
	change(deep, a.chain.finer(i, v.native))
	return finer, nil
}

// outdated returns the buckets of window i that have been rolled and that the batch
// changes, in the order of cluster.
func (a *Archive) outdated(v *view, i int, sources []int64, series []store.SeriesCells) (places []place) {
	w := &a.chain.windows[i]
	var partial int64
	for n := range series {
		from := len(places)
		for _, c := range series[n].Cells {
			if c.Start >= v.marks[i] || !slices.Contains(sources, c.Step) {
				continue
			}
			start := floor(c.Start, w.Step)
			if k := len(places); k > from && places[k-1].start == start {
				continue
			}
			own := func(x store.Cell) bool { return x.Step == w.Step && x.Start == start }
			switch {
			case start < v.goneBefore(c.Step):
				partial++
			case slices.ContainsFunc(series[n].Cells, own): // it came in as it is
			default:
				places = append(places, place{n, start})
			}
		}
	}
	if partial > 0 {
		a.mu.Lock()
		a.stats.Stale += partial
		a.mu.Unlock()
	}
	slices.SortFunc(places, comparePlaces)
	return slices.Compact(places)
}
