package archive

import (
	"context"
	"math"
	"slices"

	"github.com/coalesce-metrics/coalesce/store"
)

// Load yields every series of which something is held, once.
//
// When the store fails, those in memory have been yielded and the error is a
// [PartialError], as it is with Newest.
func (a *Archive) Load(ctx context.Context, yield func(store.Series) error) error {
	pending := a.pendingSeries()
	err := a.learn(ctx)
	var stopped error
	if err == nil {
		err = a.cfg.Store.Load(ctx, func(s store.Series) error {
			if p, ok := pending[s.Name]; ok { // as it will be stored
				delete(pending, s.Name)
				seen := max(s.Seen, p.Series.Seen)
				period, had := store.Renewed(s.Period, s.Periods, &p)
				s = p.Series
				s.Period, s.Periods, s.Seen = period, had, seen
			}
			stopped = yield(s)
			return stopped
		})
	}
	if stopped != nil {
		return stopped
	}
	for _, p := range pending {
		if err := yield(p.Series); err != nil {
			return err
		}
	}
	return partial(ctx, err)
}

// pendingSeries returns the series of what is pending, each with the cells at its own
// period, without their data.
func (a *Archive) pendingSeries() map[string]store.SeriesCells {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make(map[string]store.SeriesCells, len(a.pending.entries))
	for name, e := range a.pending.entries {
		sc := store.SeriesCells{Series: e.series}
		for i := range e.cells {
			if c := &e.cells[i]; c.step == e.series.Period {
				sc.Cells = append(sc.Cells, store.Cell{Step: c.step, Start: c.start})
				break // the earliest, as they ascend
			}
		}
		out[name] = sc
	}
	return out
}

// Newest yields the buckets that series have at their own period and that start at
// from(series) or later, in no order; of those that are not known to be in the store
// all, unless from is [Never]. It is for sending the last periods, and what was
// amended last, once more after a run that did not end in order. Neither from nor
// yield may call the archive.
func (a *Archive) Newest(ctx context.Context, from func(store.Series) int64, yield func(s store.Series, b Bucket) error) error {
	pending := a.newestPending(from)
	for name, p := range pending {
		for _, c := range p.cells {
			b, err := decode(c)
			if err != nil || b.Cell.Count == 0 {
				continue
			}
			if err := yield(p.series, b); err != nil {
				return err
			}
		}
		if len(p.cells) == 0 {
			delete(pending, name)
		}
	}
	err := a.learn(ctx)
	if err != nil {
		return partial(ctx, err)
	}
	// The earliest start by period, so that only the latest slices are read.
	earliest := make(map[int64]int64)
	err = a.cfg.Store.Load(ctx, func(s store.Series) error {
		t, ok := earliest[s.Period]
		if f := from(s); !ok || f < t {
			earliest[s.Period] = f
		}
		return nil
	})
	for period, t := range earliest {
		if err != nil {
			break
		}
		var stopped error
		stopped, err = a.newestStored(ctx, period, t, from, pending, yield)
		if stopped != nil {
			return stopped
		}
	}
	return partial(ctx, err)
}

// Never is what no bucket starts at or after.
const Never = math.MaxInt64

// newest are the pending cells of a series.
type newest struct {
	series store.Series
	cells  []store.Cell
}

func (a *Archive) newestPending(from func(store.Series) int64) map[string]newest {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make(map[string]newest)
	for name, e := range a.pending.entries {
		n := newest{series: e.series}
		t := from(e.series)
		for i := range e.cells {
			if c := &e.cells[i]; c.step == e.series.Period && t < Never {
				n.cells = append(n.cells, store.Cell{Step: c.step, Start: c.start, Data: c.data})
			}
		}
		out[name] = n
	}
	return out
}

// newestStored yields what the store has of a period, but for what is pending.
func (a *Archive) newestStored(ctx context.Context, period, since int64, from func(store.Series) int64, pending map[string]newest, yield func(s store.Series, b Bucket) error) (stopped, err error) {
	var bad int64
	var why error
	defer func() { a.unreadable(bad, why) }()
	var series *store.Series
	var known []store.Cell
	var t int64
	err = a.cfg.Store.Scan(ctx, period, since, store.MaxTime+1, func(s *store.Series, c store.Cell) error {
		if s != series {
			series, t, known = s, from(*s), pending[s.Name].cells
		}
		same := func(x store.Cell) bool { return x.Start == c.Start }
		if s.Period != period || c.Start < t || slices.ContainsFunc(known, same) {
			return nil
		}
		b, err := decode(c)
		switch {
		case err != nil:
			bad++
			why = err
		case b.Cell.Count > 0:
			stopped = yield(*s, b)
		}
		return stopped
	})
	return stopped, err
}
