// Package sqlite keeps a store in one SQLite file.
//
// Write commits with an fsync: what it returned for is there after a kill -9 and,
// where the disk keeps its promises, after a power cut. Beside the file FILE there
// are FILE-wal and FILE-shm while it is open, and after a crash; they belong to it.
//
// What Expire drops is used again by later writes. On a disk that is full Expire
// fails as Write does, as it needs a little room too: Options.MaxBytes leaves it.
//
// DESIGN.md in package store has the tables and why they are so.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/coalesce-metrics/coalesce/store"
)

// Options are what may be chosen. The zero value is a sensible choice.
type Options struct {
	// MaxBytes bounds the file, in bytes; 0 is no bound. The write-ahead log
	// beside it comes on top, up to about 64 MiB while no reader holds it up. A
	// file that is larger already does not grow.
	MaxBytes int64
	// CacheBytes is how much memory the caches of pages take, in bytes; 0 is 64 MiB.
	CacheBytes int64
}

const (
	// pageSize is that of SQLite unless told otherwise.
	pageSize = 4096
	// readers is how many calls read at once; others wait.
	readers = 4
	// walPages is how long the write-ahead log gets before it is put into the
	// file: 32 MiB. A page that is written several times goes there once.
	walPages = 8192
	// defaultCache is the cache of all connections, half of it the writer's.
	defaultCache = 64 << 20
)

// The marks of a file of ours, in its header.
const (
	applicationID = 0x636f616c // "coal"
	schemaVersion = 1
)

const schema = `
CREATE TABLE series (
	id      INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: cells may outlive their series
	name    TEXT NOT NULL UNIQUE,              -- the byte 0 stands for the method
	methods TEXT NOT NULL,
	period  INTEGER NOT NULL,                  -- seconds
	input   INTEGER NOT NULL,                  -- 1: received, 0: output of a rule
	created INTEGER NOT NULL,                  -- seen when it was made
	seen    INTEGER NOT NULL                   -- up to an hour early
);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
`

// schemaDropped is apart, as files may be there that were made without it. A program
// that does not know the table leaves the cells to Expire.
const schemaDropped = `
CREATE TABLE IF NOT EXISTS dropped (id INTEGER PRIMARY KEY); -- series whose cells are to be removed
`

// schemaPeriods is apart for the same reason; a program that does not know the column
// leaves it as it is.
const schemaPeriods = `
ALTER TABLE series ADD COLUMN periods TEXT NOT NULL DEFAULT ''; -- with their times, where it had several
`

// Store is a store.Store in a file. Its methods may be called concurrently, those
// that write wait for one another.
type Store struct {
	path   string
	tuning tuning
	gate   store.Gate

	wdb, rdb *sql.DB

	writing chan struct{} // is full while somebody writes; guards what follows
	w       *writer
	known   known

	series atomic.Int64 // how many there are
	slices atomic.Int64
}

// Open opens the file, and makes it (mode 0640) if there is none. It fails for a
// file that is damaged, of another program or of a newer version.
func Open(path string, opts Options) (*Store, error) {
	if opts.MaxBytes < 0 || opts.CacheBytes < 0 {
		return nil, fmt.Errorf("store %s: bounds of %d and %d bytes, expected 0 or more", path, opts.MaxBytes, opts.CacheBytes)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	// SQLite gives its companions the mode of the file.
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s := &Store{path: path, tuning: defaultTuning, writing: make(chan struct{}, 1)}
	if err := s.open(abs, opts); err != nil {
		s.closeFiles()
		return nil, s.fail("opening it", err)
	}
	return s, nil
}

func (s *Store) open(abs string, opts Options) error {
	cache := opts.CacheBytes
	if cache == 0 {
		cache = defaultCache
	}
	pragmas := []string{fmt.Sprintf("cache_size(-%d)", max(cache/2>>10, 256))}
	if opts.MaxBytes > 0 {
		pragmas = append(pragmas, fmt.Sprintf("max_page_count(%d)", max(opts.MaxBytes/pageSize, 1)))
	}
	var err error
	pragmas = append(pragmas, "synchronous(full)",
		fmt.Sprintf("wal_autocheckpoint(%d)", walPages), fmt.Sprintf("journal_size_limit(%d)", 2*walPages*pageSize))
	if s.wdb, err = connect(abs, url.Values{"_pragma": pragmas}); err != nil {
		return err
	}
	s.wdb.SetMaxOpenConns(1)
	ctx := context.Background()
	conn, err := s.wdb.Conn(ctx)
	if err != nil {
		return err
	}
	s.w = newWriter(conn)
	if err := s.prepare(); err != nil {
		return err
	}
	if err := s.reload(); err != nil {
		return err
	}
	if s.rdb, err = connect(abs, url.Values{"_pragma": {
		fmt.Sprintf("cache_size(-%d)", max(cache/2/readers>>10, 256)), "query_only(1)",
	}}); err != nil {
		return err
	}
	s.rdb.SetMaxOpenConns(readers)
	s.rdb.SetMaxIdleConns(readers)
	return nil
}

// connect returns a pool whose connections begin as the parameters say.
func connect(abs string, params url.Values) (*sql.DB, error) {
	params.Set("_busy_timeout", "10000")
	u := url.URL{Scheme: "file", Path: abs, RawQuery: params.Encode()}
	return sql.Open("sqlite", u.String())
}

// prepare makes the tables of a new file, and refuses a file that is not ours.
func (s *Store) prepare() error {
	app, err := s.w.number("PRAGMA application_id")
	if err != nil {
		return err
	}
	version, err := s.w.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	tables, err := s.w.number("SELECT count(*) FROM sqlite_master")
	if err != nil {
		return err
	}
	isNew := app == 0 && version == 0 && tables == 0
	switch {
	case isNew:
		if err := s.w.script("PRAGMA auto_vacuum = incremental"); err != nil {
			return err
		}
	case app != applicationID:
		return errors.New("it is a database of another program: choose another file")
	case version != schemaVersion:
		return fmt.Errorf("it has version %d, and this program reads version %d: run the newer program, or move the file away to begin a new one",
			version, schemaVersion)
	}
	// Only now, as it is written into the file.
	var mode string
	if err := s.w.conn.QueryRowContext(context.Background(), "PRAGMA journal_mode = wal").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("its journal mode is %q, and wal cannot be had here: choose a file system that has shared memory, which those of networks have not", mode)
	}
	if !isNew {
		return s.amend()
	}
	return s.w.inTransaction(func() error {
		return s.w.script(schema + schemaDropped + schemaPeriods + fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion))
	})
}

// amend adds to a file what others before it had not.
func (s *Store) amend() error {
	if err := s.w.script(schemaDropped); err != nil {
		return err
	}
	n, err := s.w.number("SELECT count(*) FROM pragma_table_info('series') WHERE name = 'periods'")
	if err != nil || n > 0 {
		return err
	}
	return s.w.script(schemaPeriods)
}

// Close implements store.Store. It puts the write-ahead log into the file.
func (s *Store) Close() error {
	if !s.gate.Close() {
		return nil
	}
	if err := s.closeFiles(); err != nil {
		return s.fail("closing it", err)
	}
	return nil
}

func (s *Store) closeFiles() error {
	var errs []error
	if s.rdb != nil {
		errs = append(errs, s.rdb.Close())
	}
	if s.w != nil {
		errs = append(errs, s.w.close())
	}
	if s.wdb != nil {
		errs = append(errs, s.wdb.Close())
	}
	return errors.Join(errs...)
}

// Stats implements store.Store. Bytes are those of the file and its write-ahead log.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	if err := s.gate.Enter(); err != nil {
		return store.Stats{}, err
	}
	defer s.gate.Leave()
	stats := store.Stats{Series: s.series.Load(), Slices: s.slices.Load()}
	for _, suffix := range [...]string{"", "-wal"} {
		if fi, err := os.Stat(s.path + suffix); err == nil {
			stats.Bytes += fi.Size()
		} else if suffix == "" {
			return store.Stats{}, fmt.Errorf("store: %w", err)
		}
	}
	return stats, ctx.Err()
}
