package sqlite

import (
	"context"
	"database/sql"
	"math"

	"github.com/coalesce-metrics/coalesce/periods"
	"github.com/coalesce-metrics/coalesce/store"
)

const seriesQuery = "SELECT id, name, methods, period, input, seen, periods FROM series ORDER BY id"

// scanSeries reads a row of seriesQuery.
func scanSeries(rows *sql.Rows) (id int64, s *store.Series, err error) {
	s = &store.Series{}
	var methods, had string
	if err := rows.Scan(&id, &s.Name, &methods, &s.Period, &s.Input, &s.Seen, &had); err != nil {
		return 0, nil, err
	}
	s.Periods = periods.Parse(had)
	s.Methods, err = store.ParseMethods(methods)
	return id, s, err
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, yield func(store.Series) error) error {
	return s.view(ctx, "reading the series", func(v *view) error {
		n, last := 0, int64(math.MinInt64)
		return v.query(seriesQuery, func(rows *sql.Rows) error {
			if n++; n%ctxEvery == 1 && ctx.Err() != nil {
				return ctx.Err()
			}
			id, sr, err := scanSeries(rows)
			if err != nil {
				return err
			}
			if id <= last {
				return errDisorder
			}
			last = id
			return stop(yield(*sr))
		})
	})
}

// Meta implements store.Store.
func (s *Store) Meta(ctx context.Context) (map[string]string, error) {
	meta := map[string]string{}
	err := s.view(ctx, "reading the meta data", func(v *view) error {
		return v.query("SELECT key, value FROM meta", func(rows *sql.Rows) error {
			var key, value string
			if err := rows.Scan(&key, &value); err != nil {
				return err
			}
			meta[key] = value
			return ctx.Err()
		})
	})
	if err != nil {
		return nil, err
	}
	return meta, nil
}

// Scan implements store.Store. All tables of the range are read side by side, each
// in the order of the series.
func (s *Store) Scan(ctx context.Context, step, from, until int64, yield func(s *store.Series, c store.Cell) error) error {
	from, until = store.Clamp(from, until)
	return s.view(ctx, "scanning", func(v *view) error {
		if from >= until {
			return ctx.Err()
		}
		m := &merger{step: step}
		defer m.close()
		if err := m.open(v, from, until); err != nil {
			return err
		}
		for n := 0; ; n++ {
			if n%ctxEvery == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			id, c, ok, err := m.next()
			if err != nil || !ok {
				return err
			}
			sr, err := m.seriesOf(id)
			if err != nil {
				return err
			}
			if sr == nil {
				continue // it was dropped before its cells
			}
			if err := stop(yield(sr, c)); err != nil {
				return err
			}
		}
	})
}

// cursor is a table that is read from its first cell to its last.
type cursor struct {
	rows *sql.Rows // columns series, start, data; in this order
	row            // the next one
}

// merger reads several cursors as one.
type merger struct {
	step    int64
	cursors []*cursor // that have a row; of equal cells that of the first counts
	series  *sql.Rows
	id      int64 // of latest
	latest  *store.Series
}

// open opens all that has cells of a range. The merger must be closed, also after
// an error.
func (m *merger) open(v *view, from, until int64) error {
	sliced, fresh, err := v.tables(m.step, from, until)
	if err != nil {
		return err
	}
	for _, start := range fresh {
		err := m.add(v, "SELECT series, start, data FROM "+freshTable(m.step)+" WHERE start = ? ORDER BY series", start)
		if err != nil {
			return err
		}
	}
	for _, t := range sliced {
		query := "SELECT series, start, data FROM " + t.table() + " WHERE start >= ? AND start < ? ORDER BY series, start"
		if from > t.start || until < t.start+store.SliceLength(m.step) {
			// A jump for each series, past the cells of other times.
			query = "SELECT c.series, c.start, c.data FROM series s CROSS JOIN " + t.table() +
				" c ON c.series = s.id WHERE c.start >= ? AND c.start < ? ORDER BY s.id, c.start"
		}
		if err := m.add(v, query, from, until); err != nil {
			return err
		}
	}
	m.series, err = v.conn.QueryContext(v.ctx, seriesQuery)
	return err
}

func (m *merger) add(v *view, query string, args ...any) error {
	rows, err := v.conn.QueryContext(v.ctx, query, args...)
	if err != nil {
		return err
	}
	m.cursors = append(m.cursors, &cursor{rows, row{series: math.MinInt64, start: math.MinInt64}})
	return m.advance(len(m.cursors) - 1)
}

func (m *merger) close() {
	for _, c := range m.cursors {
		c.rows.Close()
	}
	if m.series != nil {
		m.series.Close()
	}
}

// advance goes to the next row of a cursor, which leaves if there is none.
func (m *merger) advance(i int) error {
	c := m.cursors[i]
	if last := c.row; c.rows.Next() {
		c.row = row{} // its data has been given away
		if err := c.rows.Scan(&c.series, &c.start, &c.data); err != nil {
			return err
		}
		if bySeries(c.row, last) <= 0 {
			return errDisorder
		}
		return nil
	}
	if err := c.rows.Err(); err != nil {
		return err
	}
	m.cursors = append(m.cursors[:i], m.cursors[i+1:]...)
	return c.rows.Close()
}

// next returns the first cell of all cursors, and goes on in those that have it.
func (m *merger) next() (series int64, c store.Cell, ok bool, err error) {
	if len(m.cursors) == 0 {
		return 0, store.Cell{}, false, nil
	}
	first := m.cursors[0].row
	for _, c := range m.cursors[1:] {
		if bySeries(c.row, first) < 0 {
			first = c.row
		}
	}
	for i := len(m.cursors) - 1; i >= 0; i-- {
		if bySeries(m.cursors[i].row, first) == 0 {
			if err := m.advance(i); err != nil {
				return 0, store.Cell{}, false, err
			}
		}
	}
	return first.series, store.Cell{Step: m.step, Start: first.start, Data: first.data}, true, nil
}

// seriesOf returns the series with an id, nil if there is none. Ids must ascend.
func (m *merger) seriesOf(id int64) (*store.Series, error) {
	for m.id < id && m.series.Next() {
		last, err := m.id, error(nil)
		if m.id, m.latest, err = scanSeries(m.series); err != nil {
			return nil, err
		}
		if m.id <= last {
			return nil, errDisorder
		}
	}
	if m.id == id {
		return m.latest, nil
	}
	return nil, m.series.Err()
}
