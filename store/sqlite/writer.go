package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
)

// writer is the connection that writes, with its prepared statements. Statements
// are not bound to a ctx: an interrupted connection would have to be replaced, and
// each of them is short.
type writer struct {
	conn *sql.Conn
	// stmts are by table, as a table takes its own along, and by text. Those
	// without a table are under "".
	stmts map[string]map[string]*sql.Stmt
	args  []any // scratch of insert
}

func newWriter(conn *sql.Conn) *writer {
	return &writer{conn: conn, stmts: map[string]map[string]*sql.Stmt{}}
}

func (w *writer) close() error {
	for table := range w.stmts {
		w.forget(table)
	}
	return w.conn.Close()
}

// forget closes the statements of a table.
func (w *writer) forget(table string) {
	for _, st := range w.stmts[table] {
		st.Close()
	}
	delete(w.stmts, table)
}

// stmt prepares a statement once.
func (w *writer) stmt(table, query string) (*sql.Stmt, error) {
	if st := w.stmts[table][query]; st != nil {
		return st, nil
	}
	st, err := w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	if w.stmts[table] == nil {
		w.stmts[table] = map[string]*sql.Stmt{}
	}
	w.stmts[table][query] = st
	return st, nil
}

// exec runs a statement that is used again.
func (w *writer) exec(table, query string, args ...any) error {
	st, err := w.stmt(table, query)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(context.Background(), args...)
	return err
}

// query runs a statement that is used again, and scans its rows one by one.
func (w *writer) query(table, query string, args []any, scan func(*sql.Rows) error) error {
	st, err := w.stmt(table, query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(context.Background(), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// script runs statements that are not used again.
func (w *writer) script(text string) error {
	_, err := w.conn.ExecContext(context.Background(), text)
	return err
}

// delete runs a DELETE FROM that is not used again, and returns how many rows it removed.
func (w *writer) delete(what string) (n int64, err error) {
	r, err := w.conn.ExecContext(context.Background(), "DELETE FROM "+what)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// number returns the one integer of a query that is not used again.
func (w *writer) number(query string) (n int64, err error) {
	err = w.conn.QueryRowContext(context.Background(), query).Scan(&n)
	return n, err
}

// inTransaction carries out f wholly, or not at all when it returns an error.
func (w *writer) inTransaction(f func() error) error {
	if err := w.exec("", "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		if err = w.exec("", "COMMIT"); err == nil {
			return nil
		}
	}
	// A full disk, among others, has rolled back already.
	if back := w.exec("", "ROLLBACK"); back != nil && !strings.Contains(back.Error(), "no transaction is active") {
		err = errors.Join(err, back)
	}
	return err
}

// rowsAtOnce are the numbers of rows for which there are INSERTs. More than 64 bring
// nothing further.
var rowsAtOnce = [...]int{64, 8, 1}

// insert puts n rows of as many columns into a table. fill appends the values of
// row i; next is asked before each statement whether to go on.
func (w *writer) insert(table string, columns, n int, fill func(args []any, i int) []any, next func() error) error {
	group := "(?" + strings.Repeat(",?", columns-1) + ")"
	for i := 0; i < n; {
		if err := next(); err != nil {
			return err
		}
		rows := 1
		for _, k := range rowsAtOnce {
			if i+k <= n {
				rows = k
				break
			}
		}
		w.args = w.args[:0]
		for range rows {
			w.args = fill(w.args, i)
			i++
		}
		query := "INSERT OR REPLACE INTO " + table + " VALUES " + group + strings.Repeat(","+group, rows-1)
		if err := w.exec(table, query, w.args...); err != nil {
			return err
		}
	}
	clear(w.args) // the data is the caller's
	return nil
}
