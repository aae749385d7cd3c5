package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/coalesce-metrics/coalesce/periods"
	"github.com/coalesce-metrics/coalesce/store"
)

const (
	// ctxEvery is after how many rows ctx is asked.
	ctxEvery = 256
	// scanAtOnce is how many series one statement of a scan is for. Each costs a
	// jump in the index, so that cells of other times are not touched.
	scanAtOnce = 2048
)

// view calls f with the database as it is at one moment.
func (s *Store) view(ctx context.Context, what string, f func(tx pgx.Tx) error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		if err := s.prepare(ctx, conn); err != nil {
			return err
		}
		return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, f)
	})
	return s.fail(ctx, what, err)
}

// hasStep tells whether there is a table for a step.
func (s *Store) hasStep(ctx context.Context, tx pgx.Tx, step int64) (ok bool, err error) {
	err = tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", s.name(parentTable(step))).Scan(&ok)
	return ok, err
}

// cells yields the cells of some series with a start in a range, by series and start.
func (s *Store) cells(ctx context.Context, tx pgx.Tx, ids []int64, step, from, until int64, yield func(id int64, c store.Cell) error) error {
	rows, err := tx.Query(ctx, "SELECT series, start, data FROM "+s.name(parentTable(step))+
		" WHERE series = ANY($1) AND start >= $2 AND start < $3 ORDER BY series, start",
		ids, time.Unix(from, 0), time.Unix(until, 0))
	if err != nil {
		return err
	}
	defer rows.Close()
	for n := 0; rows.Next(); n++ {
		if n%ctxEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var id int64
		var start time.Time
		c := store.Cell{Step: step}
		if err := rows.Scan(&id, &start, &c.Data); err != nil {
			return err
		}
		c.Start = start.Unix()
		if err := stop(yield(id, c)); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Read implements store.Store. The cells of one series come together.
func (s *Store) Read(ctx context.Context, names []string, step, from, until int64, yield func(i int, c store.Cell) error) error {
	from, until = store.Clamp(from, until)
	return s.view(ctx, "reading", func(tx pgx.Tx) error {
		if ok, err := s.hasStep(ctx, tx, step); err != nil || !ok || from >= until {
			return err
		}
		hashes := make([][]byte, len(names))
		for i, name := range names {
			hashes[i] = hash(name)
		}
		rows, err := tx.Query(ctx, "SELECT s.id, u.i FROM unnest($1::bytea[]) WITH ORDINALITY u (hash, i) JOIN "+
			s.name("series")+" s ON sha256(s.name) = u.hash", hashes)
		if err != nil {
			return err
		}
		wanted := map[int64][]int{} // a name may be asked for twice
		var ids []int64
		var id, i int64
		_, err = pgx.ForEachRow(rows, []any{&id, &i}, func() error {
			if wanted[id] == nil {
				ids = append(ids, id)
			}
			wanted[id] = append(wanted[id], int(i)-1)
			return nil
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		return s.cells(ctx, tx, ids, step, from, until, func(id int64, c store.Cell) error {
			for _, i := range wanted[id] {
				if err := yield(i, c); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// series yields up to limit series with an id above last, all if limit is 0.
func (s *Store) series(ctx context.Context, tx pgx.Tx, last int64, limit int, yield func(id int64, sr store.Series) error) error {
	query := "SELECT id, name, methods, period, input, seen, periods FROM " + s.name("series") + " WHERE id > $1 ORDER BY id"
	args := []any{last}
	if limit > 0 {
		query += " LIMIT $2"
		args = append(args, limit)
	}
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for n := 0; rows.Next(); n++ {
		if n%ctxEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var id int64
		var name []byte
		var methods, had string
		var seen time.Time
		var sr store.Series
		if err := rows.Scan(&id, &name, &methods, &sr.Period, &sr.Input, &seen, &had); err != nil {
			return err
		}
		sr.Name, sr.Seen, sr.Periods = string(name), seen.Unix(), periods.Parse(had)
		if sr.Methods, err = store.ParseMethods(methods); err != nil {
			return err
		}
		if err := yield(id, sr); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, yield func(store.Series) error) error {
	return s.view(ctx, "reading the series", func(tx pgx.Tx) error {
		return s.series(ctx, tx, 0, 0, func(_ int64, sr store.Series) error { return stop(yield(sr)) })
	})
}

// Scan implements store.Store.
func (s *Store) Scan(ctx context.Context, step, from, until int64, yield func(s *store.Series, c store.Cell) error) error {
	from, until = store.Clamp(from, until)
	return s.view(ctx, "scanning", func(tx pgx.Tx) error {
		if ok, err := s.hasStep(ctx, tx, step); err != nil || !ok || from >= until {
			return err
		}
		for last, more := int64(0), true; more; {
			found := make(map[int64]*store.Series, scanAtOnce)
			ids := make([]int64, 0, scanAtOnce)
			err := s.series(ctx, tx, last, scanAtOnce, func(id int64, sr store.Series) error {
				found[id] = &sr
				ids = append(ids, id)
				last = id
				return nil
			})
			if err != nil {
				return err
			}
			err = s.cells(ctx, tx, ids, step, from, until, func(id int64, c store.Cell) error { return yield(found[id], c) })
			if err != nil {
				return err
			}
			more = len(ids) == scanAtOnce
		}
		return nil
	})
}

// Meta implements store.Store.
func (s *Store) Meta(ctx context.Context) (map[string]string, error) {
	meta := map[string]string{}
	err := s.view(ctx, "reading the meta data", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT key, value FROM "+s.name("meta"))
		if err != nil {
			return err
		}
		var key, value []byte
		_, err = pgx.ForEachRow(rows, []any{&key, &value}, func() error {
			meta[string(key)] = string(value)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return meta, nil
}
