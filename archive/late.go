package archive

import (
	"context"
	"slices"

	"github.com/coalesce-metrics/coalesce/store"
)

// lateBatch bounds the deltas that are merged at a time.
const lateBatch = 2000

// late is a delta on its way into a cell.
type late struct {
	it   item
	step int64 // of the cell
	place
	data []byte
}

// mergeLate merges the deltas that are pending into the cells that they belong to,
// which become pending in their place.
func (a *Archive) mergeLate(ctx context.Context) error {
	for {
		deltas, names := a.takeLate()
		if len(deltas) == 0 {
			return nil
		}
		bySteps := make(map[int64][]late)
		for _, d := range deltas {
			bySteps[d.step] = append(bySteps[d.step], d)
		}
		for step, ds := range bySteps {
			if err := a.mergeStep(ctx, step, ds, names); err != nil {
				a.mu.Lock()
				for _, d := range deltas { // those merged are stale
					a.pending.late = append(a.pending.late, d.it)
				}
				a.mu.Unlock()
				return err
			}
		}
		a.commit()
	}
}

// takeLate takes deltas out of the list of those to be merged, and finds the tier
// that they belong to: the finest whose cells are all still there.
func (a *Archive) takeLate() (deltas []late, names []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := &a.pending
	v := a.view.Load()
	index := make(map[*entry]int)
	var wait, old []item
	n := 0
	for ; n < len(p.late) && len(deltas) < lateBatch; n++ {
		it := p.late[n]
		i := it.e.delta(it.seq)
		if i < 0 {
			continue
		}
		d := &it.e.deltas[i]
		if a.journal != nil && d.seg == nil && !a.journal.failing {
			wait = append(wait, it) // so that it is not taken for new after a crash
			continue
		}
		step, ok := a.target(v, d.period, d.start)
		if !ok {
			old = append(old, it)
			continue
		}
		k, known := index[it.e]
		if !known {
			k = len(names)
			index[it.e] = k
			names = append(names, it.e.series.Name)
		}
		deltas = append(deltas, late{it, step, place{k, floor(d.start, step)}, d.data})
	}
	p.late = append(wait, p.late[n:]...)
	for _, it := range old {
		a.drop(it, TooOld)
	}
	return deltas, names
}

// target returns the finest step of which no cells have been expired at that time,
// nor of a coarser one, such that those can be made again of it.
func (a *Archive) target(v *view, period, start int64) (step int64, ok bool) {
	tiers := a.chain.tiers(period)
	for i := len(tiers) - 1; i >= 0; i-- {
		if s := tiers[i].Step; floor(start, a.chain.unit(s)) >= v.goneBefore(s) {
			step, ok = s, true
		} else {
			break
		}
	}
	return step, ok
}

// mergeStep merges deltas into cells of one step.
func (a *Archive) mergeStep(ctx context.Context, step int64, deltas []late, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	groups := make(map[place][]late)
	var places []place
	for _, d := range deltas {
		if _, ok := groups[d.place]; !ok {
			places = append(places, d.place)
		}
		groups[d.place] = append(groups[d.place], d)
	}
	stored := make(map[place][]byte)
	name := func(n int) string { return names[n] }
	err := a.fetch(ctx, name, places, step, step, func(p place, c store.Cell) { stored[p] = c.Data })
	if err != nil {
		return err
	}
	var m merger
	defer func() { a.unreadable(m.bad, m.why) }()
	for _, p := range places {
		a.mergeCell(&m, step, p.start, stored[p], groups[p])
	}
	return nil
}

// mergeCell makes pending the cell of step and start with the deltas, of one series,
// merged into it.
func (a *Archive) mergeCell(m *merger, step, start int64, stored []byte, deltas []late) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := &a.pending
	deltas = slices.DeleteFunc(deltas, func(d late) bool { return d.it.e.delta(d.it.seq) < 0 }) // dropped meanwhile
	if len(deltas) == 0 {
		return
	}
	e := deltas[0].it.e
	if i, found := e.find(step, start); found {
		stored = e.cells[i].data
	}
	if stored != nil {
		m.add(stored)
	}
	var from []consumed
	for _, d := range deltas {
		i := e.delta(d.it.seq)
		from = append(from, consumed{e.deltas[i].id, e.deltas[i].seg})
		m.add(d.data)
		p.removeDelta(e, i)
	}
	a.stats.Replaced += int64(len(from)) - 1
	if p.put(e, pcell{step: step, start: start, data: m.take(), consumed: from}) {
		a.stats.Replaced++
	}
}
