package memory

import (
	"context"
	"maps"
	"slices"

	"github.com/coalesce-metrics/coalesce/store"
)

// ctxEvery is after how many cells ctx is asked.
const ctxEvery = 1024

// looked calls collect with the lock held, then yields without it.
func (s *Store) looked(ctx context.Context, collect func(), yield func() error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	collect()
	s.mu.RUnlock()
	return yield()
}

// cut returns the part of a run with starts in a range.
func cut(run []store.Cell, from, until int64) []store.Cell {
	i, _ := find(run, from)
	j, _ := find(run, until)
	return run[i:max(i, j)]
}

// overlapping returns the slices of a step that may have starts in a range.
func (s *Store) overlapping(step, from, until int64) []*slice {
	tier := s.tiers[step]
	i, j := 0, len(tier)
	for i < j && tier[i].start+store.SliceLength(step) <= from {
		i++
	}
	for i < j && tier[j-1].start >= until {
		j--
	}
	return tier[i:j]
}

// Read implements store.Store. The cells of one name come together.
func (s *Store) Read(ctx context.Context, names []string, step, from, until int64, yield func(i int, c store.Cell) error) error {
	from, until = store.Clamp(from, until)
	type part struct {
		i   int
		run []store.Cell
	}
	var parts []part
	return s.looked(ctx, func() {
		tier := s.overlapping(step, from, until)
		for i, name := range names {
			e := s.series[name]
			if e == nil {
				continue
			}
			for _, sl := range tier {
				if run := cut(sl.runs[e], from, until); len(run) > 0 {
					parts = append(parts, part{i, run})
				}
			}
		}
	}, func() error {
		for _, p := range parts {
			if err := each(ctx, p.run, func(c store.Cell) error { return yield(p.i, c) }); err != nil {
				return err
			}
		}
		return nil
	})
}

func each(ctx context.Context, run []store.Cell, yield func(store.Cell) error) error {
	for n, c := range run {
		if n%ctxEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := yield(c); err != nil {
			return err
		}
	}
	return nil
}

// Scan implements store.Store.
func (s *Store) Scan(ctx context.Context, step, from, until int64, yield func(s *store.Series, c store.Cell) error) error {
	from, until = store.Clamp(from, until)
	type found struct {
		series store.Series
		runs   [][]store.Cell
	}
	var all []found
	return s.looked(ctx, func() {
		tier := s.overlapping(step, from, until)
		for _, e := range s.series {
			var runs [][]store.Cell
			for _, sl := range tier {
				if run := cut(sl.runs[e], from, until); len(run) > 0 {
					runs = append(runs, run)
				}
			}
			if runs != nil {
				all = append(all, found{e.series, runs})
			}
		}
	}, func() error {
		for _, f := range all {
			for _, run := range f.runs {
				if err := each(ctx, run, func(c store.Cell) error { return yield(&f.series, c) }); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, yield func(store.Series) error) error {
	var all []store.Series
	return s.looked(ctx, func() {
		all = make([]store.Series, 0, len(s.series))
		for _, e := range s.series {
			all = append(all, e.series)
		}
	}, func() error {
		for n, sr := range all {
			if n%ctxEvery == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if err := yield(sr); err != nil {
				return err
			}
		}
		return nil
	})
}

// Meta implements store.Store.
func (s *Store) Meta(ctx context.Context) (meta map[string]string, err error) {
	err = s.looked(ctx, func() { meta = maps.Clone(s.meta) }, func() error { return nil })
	return meta, err
}

// Expire implements store.Store. Seen is exact here, so that no series outlives idle.
func (s *Store) Expire(ctx context.Context, cutoffs map[int64]int64, idle int64) (dropped []string, err error) {
	if err := s.gate.Enter(); err != nil {
		return nil, err
	}
	defer s.gate.Leave()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for step, tier := range s.tiers {
		cutoff, ok := cutoffs[step]
		var kept []*slice
		for _, sl := range tier {
			if ok && store.SliceEnd(step, sl.start) > cutoff {
				kept = append(kept, sl)
				continue
			}
			for _, run := range sl.runs {
				s.bytes -= size(run)
			}
		}
		if s.tiers[step] = kept; kept == nil {
			delete(s.tiers, step)
		}
	}
	for name, e := range s.series {
		if e.series.Seen >= idle {
			continue
		}
		for _, tier := range s.tiers {
			for _, sl := range tier {
				s.bytes -= size(sl.runs[e])
				delete(sl.runs, e)
			}
		}
		s.bytes -= sizeOfSeries(name)
		delete(s.series, name)
		dropped = append(dropped, name)
	}
	slices.Sort(dropped)
	return dropped, nil
}
