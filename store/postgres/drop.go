package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

const (
	// sweepSeries is how many dropped series lose their cells together.
	sweepSeries = 128
	// sweepCells is from how many cells on a transaction goes on to no other table.
	sweepCells = 16384
)

// Drop implements store.Store. The rows of the series go in one transaction, without
// which nobody finds their cells. Their ids stay in the table dropped until Sweep has
// removed these.
func (s *Store) Drop(ctx context.Context, names []string) error {
	return s.locked(ctx, "dropping series", func() error {
		gone := int64(0)
		err := s.transaction(ctx, func(tx pgx.Tx) error {
			for some := range slices.Chunk(names, atOnce) {
				hashes := make([][]byte, len(some))
				for i, name := range some {
					hashes[i] = hash(name)
				}
				tag, err := tx.Exec(ctx, "WITH gone AS (DELETE FROM "+s.name("series")+" WHERE sha256(name) = ANY($1) RETURNING id) INSERT INTO "+
					s.name("dropped")+" SELECT id FROM gone", hashes)
				if err != nil {
					return err
				}
				gone += tag.RowsAffected()
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, name := range names {
			s.known.ids.Forget(name)
		}
		s.known.dropped = s.known.dropped || gone > 0
		return nil
	})
}

// Sweep implements store.Store.
func (s *Store) Sweep(ctx context.Context) (more bool, err error) {
	err = s.locked(ctx, "removing cells of dropped series", func() error {
		if !s.known.dropped {
			return nil
		}
		err := s.transaction(ctx, func(tx pgx.Tx) error { return s.sweep(ctx, tx) })
		more = err == nil && s.known.dropped
		return err
	})
	return more, err
}

// sweep removes cells of some dropped series. What is done twice finds nothing the
// second time, so where it ended need not be noted.
func (s *Store) sweep(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, "SELECT id FROM "+s.name("dropped")+" ORDER BY id LIMIT $1", sweepSeries)
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		s.known.dropped = false
		return nil
	}
	cells := int64(0)
	for t := range s.known.slices {
		if cells >= sweepCells {
			return nil
		}
		tag, err := tx.Exec(ctx, "DELETE FROM "+s.name(t.table())+" WHERE series = ANY($1)", ids)
		if err != nil {
			return err
		}
		cells += tag.RowsAffected()
	}
	_, err = tx.Exec(ctx, "DELETE FROM "+s.name("dropped")+" WHERE id = ANY($1)", ids)
	return err
}
