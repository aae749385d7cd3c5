package archive

import (
	"context"

	"github.com/coalesce-metrics/coalesce/store"
)

// Key is a bucket of a series at its own period.
type Key struct {
	Name          string
	Period, Start int64
}

// Recall returns the buckets that Keep was given, one for each key. A Count of 0 says
// that there is none; but where Lost is set, it may have been lost meanwhile: what
// Covers said before does not hold. With an error nothing is known of those that have
// no Count.
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
