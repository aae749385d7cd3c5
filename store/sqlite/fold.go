package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"

	"github.com/coalesce-metrics/coalesce/store"
)

// tuning says which cells go through a fresh table, when they leave it, and when the
// file is made smaller.
type tuning struct {
	// wide is how many series a start must have in a batch to go to the fresh
	// table. Fewer touch few pages wherever they go.
	wide int
	// deep is how many cells for each series make a batch of history, which goes
	// to the slices at once: sorted, it touches each page once.
	deep int
	// foldAt is how many starts a fresh table has before it is folded, and so how
	// many places a reader must look at in it for each series.
	foldAt int
	// foldKeep are the latest of them, which stay: they may still be amended.
	foldKeep int
	// foldMost is how many are moved in one round.
	foldMost int
	// foldRows bounds how many cells a statement moves, as it sorts them in memory.
	foldRows int
	// foldShare is how many cells of a start a statement moves at least.
	foldShare int
	// shrinkFrom is the number of pages from which a file that is half empty is
	// made smaller. Below it the pages wait to be used again.
	shrinkFrom int64
}

var defaultTuning = tuning{
	wide: 256, deep: 16,
	foldAt: 48, foldKeep: 8, foldMost: 64, foldRows: 16384, foldShare: 16,
	shrinkFrom: 64 << 20 / pageSize,
}

// fold moves cells from the fresh table of a step to its slices, about twice as many
// as were just written, so that the work is spread over the writes. It is part of
// their transaction. A round moves its starts series by series; what is written to
// them behind it waits for the next round.
func (s *Store) fold(ctx context.Context, step int64, written int) error {
	f := s.known.fresh[step]
	for quota := 2 * written; quota > 0; quota -= s.tuning.foldRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(f.folding) == 0 {
			if len(f.starts) < s.tuning.foldAt {
				return nil
			}
			f.folding = slices.Clone(f.starts[:min(len(f.starts)-s.tuning.foldKeep, s.tuning.foldMost)])
			f.next = 0
		}
		if err := s.foldSome(step, f, min(quota, s.tuning.foldRows)); err != nil {
			return err
		}
	}
	return nil
}

// foldSome moves about n cells. It ends the round when no series is left.
func (s *Store) foldSome(step int64, f *fresh, n int) error {
	end, more, err := s.foldEnd(step, f, n)
	if err != nil {
		return err
	}
	table := freshTable(step)
	for i, j := 0, 0; i < len(f.folding); i = j {
		t := slice{step, store.SliceStart(step, f.folding[i])}
		for j < len(f.folding) && store.SliceStart(step, f.folding[j]) == t.start {
			j++
		}
		if err := s.needSlice(t); err != nil {
			return err
		}
		these := "start IN (" + list(f.folding[i:j]) + ") AND series >= " + strconv.FormatInt(f.next, 10)
		if more {
			these += " AND series < " + strconv.FormatInt(end, 10)
		}
		err := s.w.script("INSERT OR REPLACE INTO " + t.table() + " SELECT series, start, data FROM " + table +
			" WHERE " + these + " ORDER BY series, start; DELETE FROM " + table + " WHERE " + these)
		if err != nil {
			return err
		}
	}
	if f.next = end; more {
		return nil
	}
	return s.foldDone(step, f)
}

// foldEnd returns the series before which no start of the round has more than its
// share of n cells; more is false when that holds for all series.
func (s *Store) foldEnd(step int64, f *fresh, n int) (end int64, more bool, err error) {
	table := freshTable(step)
	query := "SELECT series FROM " + table + " WHERE start = ? AND series >= ? ORDER BY series LIMIT 1 OFFSET ?"
	share := max(n/len(f.folding), s.tuning.foldShare)
	for _, start := range f.folding {
		err := s.w.query(table, query, []any{start, f.next, share}, func(rows *sql.Rows) error {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			if !more || id < end {
				end, more = id, true
			}
			return nil
		})
		if err != nil {
			return 0, false, err
		}
	}
	return end, more, nil
}

// foldDone ends a round: the starts that have no cells any more are fresh no more.
func (s *Store) foldDone(step int64, f *fresh) error {
	table := freshTable(step)
	for _, start := range f.folding {
		left := false
		err := s.w.query(table, "SELECT 1 FROM "+table+" WHERE start = ? LIMIT 1", []any{start}, func(*sql.Rows) error {
			left = true
			return nil
		})
		if err != nil {
			return err
		}
		if !left {
			f.remove(start)
		}
	}
	f.folding = nil
	return nil
}

// list writes numbers with commas between them.
func list(numbers []int64) string {
	var b strings.Builder
	for i, n := range numbers {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	return b.String()
}
