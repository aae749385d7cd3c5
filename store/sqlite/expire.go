package sqlite

import (
	"context"
	"database/sql"
	"math"

	"github.com/coalesce-metrics/coalesce/store"
)

// dropAtOnce is how many series one transaction drops.
const dropAtOnce = 4096

// Expire implements store.Store. Each table, and every few thousand series, are
// dropped in a transaction of their own, so that a Write need not wait for all.
func (s *Store) Expire(ctx context.Context, cutoffs map[int64]int64, idle int64) (dropped []string, err error) {
	// A slice is kept while one of its cells may have to be.
	kept := func(step, slice int64) bool {
		cutoff, ok := cutoffs[step]
		return ok && store.SliceEnd(step, slice) > cutoff
	}
	for again := true; again && err == nil; {
		err = s.locked(ctx, "dropping what has expired", func() (err error) {
			again, err = s.expireTable(kept)
			return err
		})
	}
	for last := int64(0); err == nil; {
		var names []string
		err = s.locked(ctx, "dropping series", func() (err error) {
			names, last, err = s.dropSeries(last, max(idle, -store.MaxTime)-store.SeenLag)
			return err
		})
		if len(names) == 0 {
			break
		}
		dropped = append(dropped, names...)
	}
	if err != nil {
		return dropped, err
	}
	return dropped, s.shrink(ctx)
}

// expireTable drops one table, or the old part of a fresh one; again tells whether
// there was one.
func (s *Store) expireTable(kept func(step, slice int64) bool) (again bool, err error) {
	if s.known.stale {
		if err := s.reload(); err != nil {
			return false, err
		}
	}
	for step, f := range s.known.fresh {
		old := 0
		for old < len(f.starts) && !kept(step, store.SliceStart(step, f.starts[old])) {
			old++
		}
		if old > 0 {
			return true, s.transaction(func() error { return s.dropFresh(step, f, old) })
		}
	}
	for t := range s.known.slices {
		if kept(t.step, t.start) {
			continue
		}
		table := t.table()
		s.w.forget(table)
		err := s.transaction(func() error { return s.w.script("DROP TABLE " + table) })
		if err == nil {
			delete(s.known.slices, t)
			s.slices.Store(int64(len(s.known.slices)))
		}
		return true, err
	}
	return false, nil
}

// dropFresh drops the first n starts.
func (s *Store) dropFresh(step int64, f *fresh, n int) error {
	if err := s.w.exec(freshTable(step), "DELETE FROM "+freshTable(step)+" WHERE start <= ?", f.starts[n-1]); err != nil {
		return err
	}
	f.starts = append([]int64(nil), f.starts[n:]...)
	f.folding = nil // another round finds what is left
	return nil
}

// dropSeries drops series with an id above last, as many as fit into one
// transaction, that were seen before a time. It returns their names, and the id of
// the last.
func (s *Store) dropSeries(last, before int64) (names []string, end int64, err error) {
	end = last
	var ids []int64
	err = s.transaction(func() error {
		err := s.w.query("", "SELECT id, name FROM series WHERE id > ? AND seen < ? ORDER BY id LIMIT ?", []any{last, before, dropAtOnce}, func(rows *sql.Rows) error {
			var id int64
			var name string
			if err := rows.Scan(&id, &name); err != nil {
				return err
			}
			if id <= end {
				return errDisorder
			}
			end = id
			ids, names = append(ids, id), append(names, name)
			return nil
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := s.w.exec("", "DELETE FROM series WHERE id = ?", id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, last, err
	}
	for _, name := range names {
		s.known.ids.Forget(name)
	}
	s.series.Add(-int64(len(names)))
	return names, end, nil
}

// shrinkAtOnce is how many pages are given back in one transaction.
const shrinkAtOnce = 2048

// shrink gives pages back to the disk when more than half of the file is free, until
// it is a quarter. A file whose content comes and goes keeps its pages.
func (s *Store) shrink(ctx context.Context) error {
	most, last := int64(2), int64(math.MaxInt64)
	for again := true; again; {
		err := s.locked(ctx, "giving back room", func() error {
			pages, err := s.w.number("PRAGMA page_count")
			if err != nil {
				return err
			}
			free, err := s.w.number("PRAGMA freelist_count")
			if err != nil {
				return err
			}
			if again = pages >= s.tuning.shrinkFrom && free > pages/most && pages < last; !again {
				return nil
			}
			most, last = 4, pages
			return s.w.script("PRAGMA incremental_vacuum(" + list([]int64{shrinkAtOnce}) + ")")
		})
		if err != nil {
			return err
		}
	}
	return nil
}
