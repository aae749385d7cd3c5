package archive

import (
	"context"
	"slices"

	"github.com/coalesce-metrics/coalesce/store"
)

// Key is a bucket of a series at its own period.
type Key struct {
	Name          string
	Period, Start int64
}

// Recall returns the buckets that Keep was given, one for each key. A Count of 0 says
// that there is none; but where Lost is set, it may have been lost meanwhile: what
// Covers said before does not hold, and where Other is set, another bucket was emitted
// in its place. With an error nothing is known of those that have no Count.
func (a *Archive) Recall(ctx context.Context, keys []Key) ([]Bucket, error) {
	out := make([]Bucket, len(keys))
	err := a.learn(ctx)
	periods := a.recallPending(keys, out)
	var bad int64
	var why error
	for period, places := range periods {
		if err != nil {
			break
		}
		if len(places) == 0 {
			continue
		}
		// Places of one name may be many: fetch tells them by index, so equal names
		// share one.
		first := make(map[string]int)
		at := make(map[place][]int, len(places))
		var wanted []place
		for _, k := range places {
			i, ok := first[keys[k].Name]
			if !ok {
				i = k
				first[keys[k].Name] = k
			}
			p := place{i, keys[k].Start}
			if at[p] == nil {
				wanted = append(wanted, p)
			}
			at[p] = append(at[p], k)
		}
		name := func(i int) string { return keys[i].Name }
		err = a.fetch(ctx, name, wanted, period, period, func(p place, c store.Cell) {
			b, err := decode(c)
			if err != nil {
				bad++
				why = err
				return
			}
			for n, k := range at[p] {
				out[k] = b
				if n > 0 {
					out[k].Values = b.Values.Clone()
				}
			}
		})
	}
	if err == nil {
		err = a.recallOthers(ctx, keys, out)
	}
	a.unreadable(bad, why)
	v, now := a.view.Load(), a.cfg.Now()
	for i, k := range keys {
		out[i].Start, out[i].Step = k.Start, k.Period
		out[i].Lost = out[i].Cell.Count == 0 && a.covers(v, k.Period, k.Start, now) != Whole
	}
	return out, err
}

// recallPending answers the keys that memory has, and returns the others by period.
func (a *Archive) recallPending(keys []Key, out []Bucket) map[int64][]int {
	const some = 256 // keys, between which Keep gets its turn
	found := make([][]byte, len(keys))
	for n := 0; n < len(keys); n += some {
		a.mu.Lock()
		for i := n; i < min(n+some, len(keys)); i++ {
			if e := a.pending.entries[keys[i].Name]; e != nil {
				if k, ok := e.find(keys[i].Period, keys[i].Start); ok {
					found[i] = e.cells[k].data
				}
			}
		}
		a.mu.Unlock()
	}
	periods := make(map[int64][]int)
	for i, data := range found {
		if data == nil {
			if keys[i].Period > 0 {
				periods[keys[i].Period] = append(periods[keys[i].Period], i)
			}
			continue
		}
		out[i], _ = decode(store.Cell{Data: data})
	}
	return periods
}

// recallOthers finds the keys at whose start an earlier run has emitted a bucket of
// another period. Of this run the caller knows by itself.
func (a *Archive) recallOthers(ctx context.Context, keys []Key, out []Bucket) error {
	type change struct{ from, to int64 } // of the period
	changes := make(map[change][]int)
	for i, k := range keys {
		if k.Start >= a.opened || k.Period <= 0 {
			continue
		}
		for _, p := range a.view.Load().native {
			if p != k.Period && k.Start%p == 0 {
				changes[change{p, k.Period}] = append(changes[change{p, k.Period}], i)
			}
		}
	}
	for c, is := range changes {
		before, err := a.countCells(ctx, keys, is, c.from, c.from)
		if err != nil {
			return err
		}
		is = slices.DeleteFunc(is, func(i int) bool { return before[i] == 0 })
		// A longer one may be what a window has made of the present ones.
		made := make(map[int]int64)
		if c.from%c.to == 0 {
			if made, err = a.countCells(ctx, keys, is, c.to, c.from); err != nil {
				return err
			}
		}
		for _, i := range is {
			out[i].Other = out[i].Other || before[i] > made[i]
		}
	}
	return nil
}

// countCells returns how many datapoints the cells of a step have that begin within width
// of the start, a multiple of it, of some keys, by index.
func (a *Archive) countCells(ctx context.Context, keys []Key, is []int, step, width int64) (map[int]int64, error) {
	counts := make(map[int]map[int64]int64, len(is)) // by start
	count := func(i int, c store.Cell) {
		if b, err := decode(c); err == nil {
			if counts[i] == nil {
				counts[i] = make(map[int64]int64)
			}
			if _, pending := counts[i][c.Start]; !pending { // which replaces what is stored
				counts[i][c.Start] = b.Cell.Count
			}
		}
	}
	places := make([]place, 0, len(is))
	a.mu.Lock()
	for _, i := range is {
		k := keys[i]
		places = append(places, place{i, k.Start})
		if e := a.pending.entries[k.Name]; e != nil {
			for _, c := range e.cells {
				if c.step == step && k.Start <= c.start && c.start < k.Start+width {
					count(i, store.Cell{Start: c.start, Data: c.data})
				}
			}
		}
	}
	a.mu.Unlock()
	name := func(i int) string { return keys[i].Name }
	err := a.fetch(ctx, name, places, step, width, func(p place, c store.Cell) { count(p.i, c) })
	sums := make(map[int]int64, len(counts))
	for i, byStart := range counts {
		for _, n := range byStart {
			sums[i] += n
		}
	}
	return sums, err
}
