package sqlite

import (
	"context"
	"database/sql/driver"
	"io"
	"math"

	"github.com/coalesce-metrics/coalesce/store"
)

// reader reads the cells of one series after another. It talks to the driver, whose
// statements and rows are used as package sql would use them.
type reader struct {
	ctx               context.Context
	step, from, until int64

	all    []driver.Stmt // to be closed
	find   driver.Stmt
	fresh  driver.Stmt // nil if nothing in the range is fresh
	slices []driver.Stmt
	args   [3]driver.NamedValue
}

// open prepares the statements. The reader must be closed, also after an error.
func (r *reader) open(conn driver.ConnPrepareContext, sliced []slice, fresh []int64) (err error) {
	prepare := func(query string) driver.Stmt {
		if err != nil {
			return nil
		}
		var st driver.Stmt
		if st, err = conn.PrepareContext(r.ctx, query); err == nil {
			r.all = append(r.all, st)
		}
		return st
	}
	r.find = prepare("SELECT id FROM series WHERE name = ?")
	if len(fresh) > 0 {
		r.fresh = prepare("SELECT start, data FROM " + freshTable(r.step) +
			" WHERE start IN (" + list(fresh) + ") AND series = ? ORDER BY start")
	}
	for _, t := range sliced {
		r.slices = append(r.slices, prepare("SELECT start, data FROM "+t.table()+
			" WHERE series = ? AND start >= ? AND start < ? ORDER BY start"))
	}
	return err
}

func (r *reader) close() {
	for _, st := range r.all {
		st.Close()
	}
}

// readAll yields the cells of all names. An error of yield comes back as it is.
func (r *reader) readAll(ctx context.Context, names []string, yield func(i int, c store.Cell) error) error {
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := 0
		err := r.read(name, func(c store.Cell) error {
			if n++; n%ctxEvery == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			return stop(yield(i, c))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// read yields the cells of a series, ascending: those of its slices in order, with
// those of the fresh table between them or in their place.
func (r *reader) read(name string, yield func(store.Cell) error) error {
	id, found, err := r.id(name)
	if err != nil || !found {
		return err
	}
	var fresh []store.Cell
	if r.fresh != nil {
		err := r.cells(r.fresh, func(c store.Cell) error {
			fresh = append(fresh, c)
			return nil
		}, id)
		if err != nil {
			return err
		}
	}
	for _, st := range r.slices {
		err := r.cells(st, func(c store.Cell) error {
			for len(fresh) > 0 && fresh[0].Start <= c.Start {
				newer := fresh[0]
				fresh = fresh[1:]
				if err := yield(newer); err != nil || newer.Start == c.Start {
					return err
				}
			}
			return yield(c)
		}, id, r.from, r.until)
		if err != nil {
			return err
		}
	}
	for _, c := range fresh {
		if err := yield(c); err != nil {
			return err
		}
	}
	return nil
}

// id returns the id of a series.
func (r *reader) id(name string) (id int64, found bool, err error) {
	var row [1]driver.Value
	err = r.query(r.find, row[:], func() error {
		id, found = row[0].(int64)
		return nil
	}, name)
	return id, found, err
}

// cells yields what a statement finds.
func (r *reader) cells(st driver.Stmt, yield func(store.Cell) error, args ...driver.Value) error {
	last := int64(math.MinInt64)
	var row [2]driver.Value
	return r.query(st, row[:], func() error {
		c := store.Cell{Step: r.step}
		start, ok := row[0].(int64)
		if !ok || start <= last {
			return errDisorder
		}
		c.Start, last = start, start
		c.Data, _ = row[1].([]byte) // made for us by the driver; in a damaged table it may be anything
		return yield(c)
	}, args...)
}

// query runs a statement, and calls scan for each row that it puts into row.
func (r *reader) query(st driver.Stmt, row []driver.Value, scan func() error, args ...driver.Value) error {
	for i, arg := range args {
		r.args[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	rows, err := st.(driver.StmtQueryContext).QueryContext(r.ctx, r.args[:len(args)])
	if err != nil {
		return err
	}
	for {
		switch err := rows.Next(row); err {
		case nil:
		case io.EOF: // never wrapped, by its contract
			return rows.Close()
		default:
			rows.Close()
			return err
		}
		if err := scan(); err != nil {
			rows.Close()
			return err
		}
	}
}
