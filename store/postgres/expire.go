package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coalesce-metrics/coalesce/store"
)

const (
	// dropAtOnce is how many series one transaction drops.
	dropAtOnce = 4096
	// lockTimeout is how long a slice that is being read is waited for. New
	// readers wait behind.
	lockTimeout = "2s"
)

// Expire implements store.Store. Each table, and every few thousand series, are
// dropped in a transaction of their own. A table that is being read for long stays,
// and the error says so; the next Expire finds it.
func (s *Store) Expire(ctx context.Context, cutoffs map[int64]int64, idle int64) (dropped []string, err error) {
	if err := s.expireSlices(ctx, cutoffs); err != nil {
		return nil, err
	}
	before := max(idle, -store.MaxTime) - store.SeenLag
	// Beyond what is ever written every time is the same, and PostgreSQL has an end.
	before = min(before, store.MaxTime+1)
	for more := true; more; {
		err := s.locked(ctx, "dropping series", func() error {
			names, err := s.dropSeries(ctx, before)
			dropped = append(dropped, names...)
			more = len(names) == dropAtOnce
			return err
		})
		if err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}

// expireSlices drops the tables whose cells have all expired.
func (s *Store) expireSlices(ctx context.Context, cutoffs map[int64]int64) error {
	var old []slice
	err := s.locked(ctx, "looking for what has expired", func() error {
		for t := range s.known.slices {
			cutoff, ok := cutoffs[t.step]
			if !ok || store.SliceEnd(t.step, t.start) <= cutoff {
				old = append(old, t)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var busy []error
	for _, t := range old {
		err := s.locked(ctx, "dropping "+t.table(), func() error { return s.dropSlice(ctx, t) })
		switch {
		case isCode(err, codeLockTimeout):
			busy = append(busy, fmt.Errorf("it is being read: %w", err))
		case err != nil:
			return err
		}
	}
	return errors.Join(busy...)
}

func (s *Store) dropSlice(ctx context.Context, t slice) error {
	err := s.transaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '"+lockTimeout+"'"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DROP TABLE IF EXISTS "+s.name(t.table()))
		return err
	})
	if err == nil {
		delete(s.known.slices, t)
	}
	return err
}

// dropSeries drops series that were seen before a time, as many as fit into one
// transaction, and returns their names.
func (s *Store) dropSeries(ctx context.Context, before int64) (names []string, err error) {
	err = s.transaction(ctx, func(tx pgx.Tx) error {
		series := s.name("series")
		rows, err := tx.Query(ctx, "DELETE FROM "+series+" WHERE id IN (SELECT id FROM "+series+
			" WHERE seen < $1 LIMIT $2) RETURNING name", time.Unix(before, 0), dropAtOnce)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
			var name []byte
			err := row.Scan(&name)
			return string(name), err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		s.known.ids.Forget(name)
	}
	return names, nil
}
