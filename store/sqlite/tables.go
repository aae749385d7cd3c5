package sqlite

import (
	"database/sql"
	"slices"
	"strconv"
	"strings"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/internal/identity"
)

// A cell is in one of two tables. First it is in fresh_STEP, which is ordered by
// start, so that a cycle appends to its end. From there it is moved, many starts at
// once, to cells_STEP_SLICE, which is ordered by series. A cell in fresh replaces
// one with the same key in cells. See DESIGN.md of package store.

// slice names a table of cells.
type slice struct{ step, start int64 }

func (t slice) table() string {
	return `"cells_` + strconv.FormatInt(t.step, 10) + "_" + strconv.FormatInt(t.start, 10) + `"`
}

func freshTable(step int64) string {
	return `"fresh_` + strconv.FormatInt(step, 10) + `"`
}

// parseTable reads the name of a table, without quotes; ok is false for others than
// the two kinds.
func parseTable(name string) (t slice, isFresh, ok bool) {
	kind, rest, _ := strings.Cut(name, "_")
	step, start, sliced := strings.Cut(rest, "_")
	isFresh = kind == "fresh"
	if !isFresh && kind != "cells" || sliced == isFresh {
		return slice{}, false, false
	}
	var err error
	if t.step, err = strconv.ParseInt(step, 10, 64); err != nil || t.step < 1 || t.step > store.MaxStep {
		return slice{}, false, false
	}
	if isFresh {
		return t, true, true
	}
	if t.start, err = strconv.ParseInt(start, 10, 64); err != nil || t.start != store.SliceStart(t.step, t.start) {
		return slice{}, false, false
	}
	return t, false, true
}

const tablesQuery = `SELECT name FROM sqlite_master WHERE type = 'table' AND (name GLOB 'cells_*' OR name GLOB 'fresh_*')`

// startsQuery finds the starts in a fresh table by a jump from each to the next.
func startsQuery(table string) string {
	return `WITH RECURSIVE s(x) AS (SELECT min(start) FROM ` + table +
		` UNION ALL SELECT (SELECT min(start) FROM ` + table + ` WHERE start > x) FROM s WHERE x IS NOT NULL)
		SELECT x FROM s WHERE x IS NOT NULL`
}

// scanStart appends a row of startsQuery to those before it.
func scanStart(rows *sql.Rows, starts []int64) ([]int64, error) {
	var start int64
	if err := rows.Scan(&start); err != nil {
		return starts, err
	}
	if n := len(starts); n > 0 && starts[n-1] >= start {
		return starts, errDisorder
	}
	return append(starts, start), nil
}

// fresh is what is known of a fresh table.
type fresh struct {
	// starts are those that may have cells in it, ascending. No other has.
	starts []int64
	// folding are those of them that are being moved, from the series next on;
	// none when it is empty.
	folding []int64
	next    int64
}

// known is what the writer knows of the file, so that it need not ask.
type known struct {
	ids    *identity.Table
	lastID int64
	slices map[slice]struct{}
	fresh  map[int64]*fresh
	// dropped says that there may be cells of dropped series.
	dropped bool
	// stale says that a transaction failed, and that none of this may be true.
	stale bool
}

// reload finds out what the writer must know. Series are looked up when they are needed.
func (s *Store) reload() error {
	k := known{ids: identity.NewTable(), slices: map[slice]struct{}{}, fresh: map[int64]*fresh{}}
	err := s.w.query("", tablesQuery, nil, func(rows *sql.Rows) error {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		switch t, isFresh, ok := parseTable(name); {
		case ok && isFresh:
			k.fresh[t.step] = &fresh{}
		case ok:
			k.slices[t] = struct{}{}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for step, f := range k.fresh {
		table := freshTable(step)
		err := s.w.query(table, startsQuery(table), nil, func(rows *sql.Rows) (err error) {
			f.starts, err = scanStart(rows, f.starts)
			return err
		})
		if err != nil {
			return err
		}
	}
	if k.lastID, err = s.w.number("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'series'"); err != nil {
		return err
	}
	n, err := s.w.number("SELECT count(*) FROM series")
	if err != nil {
		return err
	}
	k.dropped = true
	s.known = k
	s.series.Store(n)
	s.slices.Store(int64(len(k.slices)))
	return nil
}

// needFresh makes the fresh table of a step if there is none.
func (s *Store) needFresh(step int64) (*fresh, error) {
	if f := s.known.fresh[step]; f != nil {
		return f, nil
	}
	err := s.w.script("CREATE TABLE IF NOT EXISTS " + freshTable(step) +
		" (start INTEGER NOT NULL, series INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (start, series)) WITHOUT ROWID")
	if err != nil {
		return nil, err
	}
	f := &fresh{}
	s.known.fresh[step] = f
	return f, nil
}

// needSlice makes the table of a slice if there is none.
func (s *Store) needSlice(t slice) error {
	if _, ok := s.known.slices[t]; ok {
		return nil
	}
	err := s.w.script("CREATE TABLE IF NOT EXISTS " + t.table() +
		" (series INTEGER NOT NULL, start INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (series, start)) WITHOUT ROWID")
	if err != nil {
		return err
	}
	s.known.slices[t] = struct{}{}
	return nil
}

func (f *fresh) has(start int64) bool {
	_, ok := slices.BinarySearch(f.starts, start)
	return ok
}

func (f *fresh) add(start int64) {
	if i, ok := slices.BinarySearch(f.starts, start); !ok {
		f.starts = slices.Insert(f.starts, i, start)
	}
}

func (f *fresh) remove(start int64) {
	if i, ok := slices.BinarySearch(f.starts, start); ok {
		f.starts = slices.Delete(f.starts, i, i+1)
	}
}
