package sqlite

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/coalesce-metrics/coalesce/store"
)

// errDisorder is that a table does not ascend. SQLite does not look for that, and
// the pages of a damaged table can form a circle.
var errDisorder = errors.New("a table is not in order")

// fail says for which file and what an error is, and what can be done about it.
func (s *Store) fail(what string, err error) error {
	var failed *sqlite.Error
	code := 0
	if errors.As(err, &failed) {
		code = failed.Code()
	}
	switch {
	case code == lib.SQLITE_IOERR_SHMSIZE, code&0xff == lib.SQLITE_FULL:
		return fmt.Errorf("store %s: %s: %w: the disk is full, or the bound of the store is reached (%w)", s.path, what, store.ErrFull, err)
	case code&0xff == lib.SQLITE_CORRUPT, code&0xff == lib.SQLITE_NOTADB, errors.Is(err, errDisorder):
		return fmt.Errorf("store %s: %s: the file is damaged (%w): stop the daemon and move it away, with its -wal and -shm, to begin a new one; sqlite3 FILE .recover saves what is left of the old", s.path, what, err)
	}
	return fmt.Errorf("store %s: %s: %w", s.path, what, err)
}
