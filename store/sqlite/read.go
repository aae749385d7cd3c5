package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/coalesce-metrics/coalesce/store"
)

// ctxEvery is after how many cells ctx is asked.
const ctxEvery = 256

// view is the file as it was at one moment. It belongs to one goroutine.
type view struct {
	conn *sql.Conn
	ctx  context.Context
}

// view calls f with a view. Its statements are not bound to ctx, see writer; f asks
// it now and then.
func (s *Store) view(ctx context.Context, what string, f func(v *view) error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	err := func() error {
		conn, err := s.rdb.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		// A damaged file must not make a value of a gigabyte.
		if _, err := sqlite.Limit(conn, lib.SQLITE_LIMIT_LENGTH, 2*store.MaxData); err != nil {
			return err
		}
		v := &view{conn, context.WithoutCancel(ctx)}
		if _, err := conn.ExecContext(v.ctx, "BEGIN"); err != nil {
			return err
		}
		err = f(v)
		if _, end := conn.ExecContext(v.ctx, "ROLLBACK"); err == nil {
			err = end
		}
		return err
	}()
	var stop *stopped
	switch {
	case err == nil:
		return nil
	case errors.As(err, &stop):
		return stop.err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return s.fail(what, err)
}

// stopped carries an error of a yield through those of the file.
type stopped struct{ err error }

func (s *stopped) Error() string { return s.err.Error() }

func stop(err error) error {
	if err == nil {
		return nil
	}
	return &stopped{err}
}

// query scans the rows of a query one by one.
func (v *view) query(query string, scan func(*sql.Rows) error, args ...any) error {
	rows, err := v.conn.QueryContext(v.ctx, query, args...)
	if err != nil {
		return err
	}
	return drain(rows, scan)
}

func drain(rows *sql.Rows, scan func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// tables returns the slices of a step that may have starts in a range, ascending,
// and the starts in its range that the fresh table has.
func (v *view) tables(step, from, until int64) (sliced []slice, fresh []int64, err error) {
	hasFresh := false
	err = v.query(tablesQuery, func(rows *sql.Rows) error {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		t, isFresh, ok := parseTable(name)
		switch {
		case !ok || t.step != step:
		case isFresh:
			hasFresh = true
		case t.start < until && t.start+store.SliceLength(step) > from:
			sliced = append(sliced, t)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(sliced, func(a, b slice) int { return int(min(max(a.start-b.start, -1), 1)) })
	if !hasFresh {
		return sliced, nil, nil
	}
	err = v.query(startsQuery(freshTable(step)), func(rows *sql.Rows) (err error) {
		fresh, err = scanStart(rows, fresh)
		return err
	})
	fresh = slices.DeleteFunc(fresh, func(start int64) bool { return start < from || start >= until })
	return sliced, fresh, err
}

// Read implements store.Store. The cells of one name come together.
func (s *Store) Read(ctx context.Context, names []string, step, from, until int64, yield func(i int, c store.Cell) error) error {
	from, until = store.Clamp(from, until)
	return s.view(ctx, "reading", func(v *view) error {
		if len(names) == 0 || from >= until {
			return ctx.Err()
		}
		r := &reader{ctx: v.ctx, step: step, from: from, until: until}
		sliced, fresh, err := v.tables(step, from, until)
		if err != nil {
			return err
		}
		// Past package sql, which takes longer for a row than SQLite does.
		return v.conn.Raw(func(conn any) error {
			defer r.close()
			if err := r.open(conn.(driver.ConnPrepareContext), sliced, fresh); err != nil {
				return err
			}
			return r.readAll(ctx, names, yield)
		})
	})
}
