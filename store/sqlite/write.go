package sqlite

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/coalesce-metrics/coalesce/store"
)

// row is a cell on its way to a table.
type row struct {
	series, start int64
	data          []byte
}

func byStart(a, b row) int {
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.series, b.series))
}

func bySeries(a, b row) int {
	return cmp.Or(cmp.Compare(a.series, b.series), cmp.Compare(a.start, b.start))
}

// Write implements store.Store.
func (s *Store) Write(ctx context.Context, w store.Write) error {
	if err := store.Check(&w); err != nil {
		return err
	}
	return s.locked(ctx, "writing", func() error {
		var made int64
		err := s.transaction(func() (err error) {
			made, err = s.write(ctx, &w)
			return err
		})
		if err == nil {
			s.series.Add(made)
			s.slices.Store(int64(len(s.known.slices)))
		}
		return err
	})
}

// locked calls f when nobody else writes.
func (s *Store) locked(ctx context.Context, what string, f func() error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := f(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return s.fail(what, err)
	}
	return nil
}

// transaction carries out f wholly, or not at all when it returns an error. What
// the writer knows is then found out anew before the next.
func (s *Store) transaction(f func() error) error {
	if s.known.stale {
		if err := s.reload(); err != nil {
			return err
		}
	}
	err := s.w.inTransaction(f)
	s.known.stale = err != nil
	return err
}

func (s *Store) write(ctx context.Context, w *store.Write) (made int64, err error) {
	ids, made, err := s.writeSeries(w, ctx.Err)
	if err != nil {
		return 0, err
	}
	keys := slices.Sorted(maps.Keys(w.Meta))
	err = s.w.insert("meta", 2, len(keys), func(args []any, i int) []any {
		return append(args, keys[i], w.Meta[keys[i]])
	}, ctx.Err)
	if err != nil {
		return 0, err
	}
	appended, sliced, err := s.sort(w, ids)
	if err != nil {
		return 0, err
	}
	for t, rows := range sliced {
		if err := s.writeSlice(ctx, t, rows); err != nil {
			return 0, err
		}
	}
	for step, rows := range appended {
		if err := s.writeFresh(ctx, step, rows); err != nil {
			return 0, err
		}
		if err := s.fold(ctx, step, len(rows)); err != nil {
			return 0, err
		}
	}
	return made, nil
}

// sort tells which cells of a batch go to the fresh table of their step, and which
// straight to their slice. A start that the fresh table has stays there: what is in
// fresh replaces what is in a slice.
func (s *Store) sort(w *store.Write, ids []int64) (appended map[int64][]row, sliced map[slice][]row, err error) {
	type tick struct{ step, start int64 }
	ticks := map[tick]int{}
	steps := map[int64]int{}
	for i := range w.Series {
		for _, c := range w.Series[i].Cells {
			ticks[tick{c.Step, c.Start}]++
			steps[c.Step]++
		}
	}
	for t, n := range ticks {
		if n < s.tuning.wide || steps[t.step] >= s.tuning.deep*len(w.Series) {
			continue
		}
		f, err := s.needFresh(t.step)
		if err != nil {
			return nil, nil, err
		}
		f.add(t.start)
	}
	appended, sliced = map[int64][]row{}, map[slice][]row{}
	for i := range w.Series {
		for _, c := range w.Series[i].Cells {
			r := row{ids[i], c.Start, c.Data}
			if f := s.known.fresh[c.Step]; f != nil && f.has(c.Start) {
				appended[c.Step] = append(appended[c.Step], r)
				continue
			}
			t := slice{c.Step, store.SliceStart(c.Step, c.Start)}
			sliced[t] = append(sliced[t], r)
		}
	}
	return appended, sliced, nil
}

func (s *Store) writeSlice(ctx context.Context, t slice, rows []row) error {
	if err := s.needSlice(t); err != nil {
		return err
	}
	slices.SortFunc(rows, bySeries)
	return s.w.insert(t.table(), 3, len(rows), func(args []any, i int) []any {
		return append(args, rows[i].series, rows[i].start, rows[i].data)
	}, ctx.Err)
}

func (s *Store) writeFresh(ctx context.Context, step int64, rows []row) error {
	slices.SortFunc(rows, byStart)
	return s.w.insert(freshTable(step), 3, len(rows), func(args []any, i int) []any {
		return append(args, rows[i].start, rows[i].series, rows[i].data)
	}, ctx.Err)
}
