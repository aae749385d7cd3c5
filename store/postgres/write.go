package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

// Write implements store.Store.
func (s *Store) Write(ctx context.Context, w store.Write) error {
	if err := store.Check(&w); err != nil {
		return err
	}
	return s.locked(ctx, "writing", func() error {
		return s.transaction(ctx, func(tx pgx.Tx) error {
			ids, err := s.writeSeries(ctx, tx, &w)
			if err != nil {
				return err
			}
			if err := s.writeMeta(ctx, tx, w.Meta); err != nil {
				return err
			}
			return s.writeCells(ctx, tx, &w, ids)
		})
	})
}

func (s *Store) writeMeta(ctx context.Context, tx pgx.Tx, meta map[string]string) error {
	if len(meta) == 0 {
		return nil
	}
	var keys, values [][]byte
	for key, value := range meta {
		keys, values = append(keys, []byte(key)), append(values, []byte(value))
	}
	_, err := tx.Exec(ctx, "INSERT INTO "+s.name("meta")+` SELECT * FROM unnest($1::bytea[], $2::bytea[])
		ON CONFLICT (key) DO UPDATE SET value = excluded.value`, keys, values)
	return err
}

// row is a cell on its way to a table.
type row struct {
	slice         int // which of those of the batch
	series, start int64
	data          []byte
}

// writeCells copies the cells of a batch into the staging table, and puts them into
// their slices from there: a copy cannot replace what is there.
func (s *Store) writeCells(ctx context.Context, tx pgx.Tx, w *store.Write, ids []int64) error {
	numbers := map[slice]int{}
	var tables []slice
	var rows []row
	for i := range w.Series {
		for _, c := range w.Series[i].Cells {
			t := slice{c.Step, store.SliceStart(c.Step, c.Start)}
			n, ok := numbers[t]
			if !ok {
				n = len(tables)
				numbers[t] = n
				tables = append(tables, t)
			}
			rows = append(rows, row{n, ids[i], c.Start, c.Data})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	// Those of neighbours in the index come one after another.
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.slice, b.slice), cmp.Compare(a.series, b.series), cmp.Compare(a.start, b.start))
	})
	source := &rowSource{rows: rows, at: -1, values: make([]any, len(stagingColumns))}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"pg_temp", "coalesce_staging"}, stagingColumns, source); err != nil {
		return err
	}
	for n, t := range tables {
		if err := s.needSlice(ctx, tx, t); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO "+s.name(t.table())+` (series, start, count, sum, min, max, last, data)
			SELECT series, start, count, sum, min, max, last, data FROM pg_temp.coalesce_staging WHERE slice = $1
			ON CONFLICT (series, start) DO UPDATE SET count = excluded.count, sum = excluded.sum,
			min = excluded.min, max = excluded.max, last = excluded.last, data = excluded.data`, n)
		if err != nil {
			return err
		}
	}
	return nil
}

var stagingColumns = []string{"slice", "series", "start", "count", "sum", "min", "max", "last", "data"}

// rowSource is a pgx.CopyFromSource.
type rowSource struct {
	rows   []row
	at     int
	values []any
}

func (r *rowSource) Next() bool {
	r.at++
	return r.at < len(r.rows)
}

func (r *rowSource) Err() error { return nil }

// Values returns a row. What does not decode has no columns for people.
func (r *rowSource) Values() ([]any, error) {
	row := &r.rows[r.at]
	v := append(r.values[:0], int32(row.slice), row.series, time.Unix(row.start, 0))
	c, _, _, err := cell.Decode(row.data)
	switch {
	case err != nil:
		v = append(v, nil, nil, nil, nil, nil)
	case c.Count == 0:
		v = append(v, c.Count, c.Total(), nil, nil, nil)
	default:
		v = append(v, c.Count, c.Total(), c.Min, c.Max, c.Last)
	}
	return append(v, row.data), nil
}
