package sqlite

import (
	"context"
	"database/sql"
	"strings"
)

const (
	// sweepSeries is how many dropped series lose their cells together.
	sweepSeries = 32
	// sweepCells is from how many cells on a transaction goes on to no other table.
	sweepCells = 16384
)

// Drop implements store.Store. The rows of the series go in one transaction, without
// which nobody finds their cells. Their ids stay in the table dropped until Sweep has
// removed these.
func (s *Store) Drop(ctx context.Context, names []string) error {
	return s.locked(ctx, "dropping series", func() error {
		gone := int64(0)
		err := s.transaction(func() (err error) {
			gone, err = s.drop(ctx, names)
			return err
		})
		if err != nil {
			return err
		}
		for _, name := range names {
			s.known.ids.Forget(name)
		}
		s.series.Add(-gone)
		s.known.dropped = s.known.dropped || gone > 0
		return nil
	})
}

// drop moves the ids of the names from series to dropped, and returns how many there
// were. The rows leave before the ids are noted, so that a full file has the room.
func (s *Store) drop(ctx context.Context, names []string) (gone int64, err error) {
	const where = " FROM series WHERE name IN (?" // and more
	more := strings.Repeat(",?", lookUpAtOnce-1) + ")"
	some := make([]any, 0, lookUpAtOnce)
	for len(names) > 0 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n := min(len(names), lookUpAtOnce)
		some = some[:0]
		for _, name := range names[:n] {
			some = append(some, name)
		}
		for len(some) < lookUpAtOnce {
			some = append(some, "") // is nobody's name
		}
		names = names[n:]
		var ids []int64
		err := s.w.query("", "SELECT id"+where+more, some, func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return 0, err
		}
		if err := s.w.exec("", "DELETE"+where+more, some...); err != nil {
			return 0, err
		}
		if err := s.w.insert("dropped", 1, len(ids), func(args []any, i int) []any { return append(args, ids[i]) }, ctx.Err); err != nil {
			return 0, err
		}
		gone += int64(len(ids))
	}
	return gone, nil
}

// Sweep implements store.Store.
func (s *Store) Sweep(ctx context.Context) (more bool, err error) {
	err = s.locked(ctx, "removing cells of dropped series", func() error {
		if !s.known.stale && !s.known.dropped {
			return nil
		}
		if err := s.transaction(s.sweep); err != nil {
			return err
		}
		more = s.known.dropped
		return nil
	})
	return more, err
}

// sweep removes cells of some dropped series. The fresh tables come first, from which
// cells would be moved to a slice that has been swept. What is done twice finds
// nothing the second time, so where it ended need not be noted.
func (s *Store) sweep() error {
	var ids []int64
	err := s.w.query("", "SELECT id FROM dropped ORDER BY id LIMIT ?", []any{sweepSeries}, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil || len(ids) == 0 {
		s.known.dropped = false
		return err
	}
	these := " series IN (" + list(ids) + ")"
	for step, f := range s.known.fresh {
		if len(f.starts) == 0 {
			continue
		}
		if _, err := s.w.delete(freshTable(step) + " WHERE start IN (" + list(f.starts) + ") AND" + these); err != nil {
			return err
		}
	}
	cells := int64(0)
	for t := range s.known.slices {
		if cells >= sweepCells {
			return nil
		}
		n, err := s.w.delete(t.table() + " WHERE" + these)
		if err != nil {
			return err
		}
		cells += n
	}
	_, err = s.w.delete("dropped WHERE id IN (" + list(ids) + ")")
	return err
}
