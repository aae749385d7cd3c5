// Package postgres keeps a store in a schema of a PostgreSQL database.
//
// Cells are in tables cells_STEP_SLICE, which inherit from cells_STEP: select from
// that one. Beside the binary form, which alone is read back, they have columns for
// people. The table series has their names. DESIGN.md in package store has more.
//
// The server need not be there when a store is opened: each call connects as it
// needs to. One daemon writes to a schema; it holds an advisory lock of its session,
// so a pooler between must not share sessions.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/internal/identity"
)

// Options are what may be chosen. The zero value is a sensible choice.
type Options struct {
	// Schema is that of all tables; empty is "coalesce". It is made when it is
	// not there.
	Schema string
}

const (
	defaultSchema = "coalesce"
	// maxIdentifier is how long PostgreSQL's names are at most, in bytes.
	maxIdentifier = 63
	schemaVersion = 1
)

// Store is a store.Store in a database. Its methods may be called concurrently,
// those that write wait for one another.
type Store struct {
	schema string
	pool   *pgxpool.Pool
	gate   store.Gate

	preparing chan struct{} // is full while somebody makes the tables
	prepared  atomic.Bool

	writing chan struct{} // is full while somebody writes; guards what follows
	conn    *pgx.Conn     // has the lock of the schema; nil if there is none
	known   known
}

// known is what the writer knows of the database, so that it need not ask.
type known struct {
	ids    *identity.Table
	slices map[slice]struct{}
	// dropped says that there may be cells of dropped series.
	dropped bool
}

// slice names a table of cells.
type slice struct{ step, start int64 }

// Open returns a store for a connection string, of the form postgres://… or
// key=value. It reads the string, and does not connect.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	if opts.Schema == "" {
		opts.Schema = defaultSchema
	}
	if n := len(opts.Schema); n > maxIdentifier {
		return nil, fmt.Errorf("store: schema %q of %d bytes, expected up to %d", opts.Schema, n, maxIdentifier)
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err) // says no password
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "coalesce"
	}
	// A plan is made for the range at hand, which leaves most tables out; and
	// statements must not outlive their tables.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &Store{schema: opts.Schema, pool: pool, preparing: make(chan struct{}, 1), writing: make(chan struct{}, 1)}, nil
}

// name returns the name of a table of the schema, quoted.
func (s *Store) name(table string) string { return pgx.Identifier{s.schema, table}.Sanitize() }

func parentTable(step int64) string { return fmt.Sprintf("cells_%d", step) }

func (t slice) table() string { return fmt.Sprintf("cells_%d_%d", t.step, t.start) }

// prepare makes the tables if they are not there, once.
func (s *Store) prepare(ctx context.Context, q querier) error {
	if s.prepared.Load() {
		return nil
	}
	select {
	case s.preparing <- struct{}{}:
		defer func() { <-s.preparing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.prepared.Load() {
		return nil
	}
	err := pgx.BeginFunc(ctx, q, func(tx pgx.Tx) error {
		// Two that do this at the same time would hinder one another.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('coalesce schema ' || $1, 0))", s.schema); err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", s.name("version")).Scan(&there); err != nil {
			return err
		}
		if !there {
			if err := s.create(ctx, tx); err != nil {
				return err
			}
		}
		var version int
		if err := tx.QueryRow(ctx, "SELECT max(version) FROM "+s.name("version")).Scan(&version); err != nil {
			return err
		}
		if version != schemaVersion {
			return fmt.Errorf("it has version %d, and this program reads version %d: run the newer program, or choose another schema",
				version, schemaVersion)
		}
		// Apart from the others, as a schema may be there that was made without it.
		if _, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+s.name("dropped")+" (id bigint PRIMARY KEY)"); err != nil {
			return err
		}
		return s.addPeriods(ctx, tx)
	})
	if err == nil {
		s.prepared.Store(true)
	}
	return err
}

// addPeriods adds the column to a table that was made without it. It looks first, as the
// statement would wait for all readers in any case.
func (s *Store) addPeriods(ctx context.Context, tx pgx.Tx) error {
	series := s.name("series")
	var there bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1::text::regclass AND attname = 'periods' AND NOT attisdropped)", series).Scan(&there)
	if err != nil || there {
		return err
	}
	_, err = tx.Exec(ctx, "ALTER TABLE "+series+" ADD COLUMN periods text NOT NULL DEFAULT ''")
	return err
}

// querier is a connection, of the pool or not.
type querier interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

func (s *Store) create(ctx context.Context, tx pgx.Tx) error {
	series := s.name("series")
	for _, text := range []string{
		"CREATE SCHEMA IF NOT EXISTS " + pgx.Identifier{s.schema}.Sanitize(),
		"CREATE TABLE " + s.name("version") + " (version integer NOT NULL)",
		fmt.Sprintf("INSERT INTO %s VALUES (%d)", s.name("version"), schemaVersion),
		"CREATE TABLE " + s.name("meta") + " (key bytea PRIMARY KEY, value bytea NOT NULL)",
		// A name can hold any byte, and be longer than what an index can hold.
		"CREATE TABLE " + series + ` (
			id      bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
			name    bytea NOT NULL,
			metric  text NOT NULL,
			tags    jsonb NOT NULL,
			methods text NOT NULL,
			period  bigint NOT NULL,
			input   boolean NOT NULL,
			created timestamptz NOT NULL,
			seen    timestamptz NOT NULL)`,
		"COMMENT ON COLUMN " + series + ".name IS 'canonical; the byte 0 stands for the method where there are several'",
		"COMMENT ON COLUMN " + series + ".seen IS 'start of the latest cell, up to an hour early'",
		"CREATE UNIQUE INDEX series_name ON " + series + " (sha256(name))",
		"CREATE INDEX series_metric ON " + series + " USING hash (metric)",
		"CREATE INDEX series_tags ON " + series + " USING gin (tags jsonb_path_ops)",
	} {
		if _, err := tx.Exec(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	if !s.gate.Close() {
		return nil
	}
	s.release()
	s.disconnect()
	s.pool.Close()
	return nil
}

// Stats implements store.Store. Bytes are those of all tables of the schema. Series
// is counted while there are few, and then estimated as the server does.
func (s *Store) Stats(ctx context.Context) (stats store.Stats, err error) {
	err = s.view(ctx, "looking at it", func(tx pgx.Tx) error {
		const few = 10000
		err := tx.QueryRow(ctx, `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint,
				count(*) FILTER (WHERE EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)),
				coalesce(max(c.reltuples) FILTER (WHERE c.relname = 'series'), 0)::bigint
			FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = $1::text::regnamespace`,
			pgx.Identifier{s.schema}.Sanitize()).Scan(&stats.Bytes, &stats.Slices, &stats.Series)
		if err != nil || stats.Series >= few {
			return err
		}
		return tx.QueryRow(ctx, "SELECT count(*) FROM "+s.name("series")).Scan(&stats.Series)
	})
	return stats, err
}

// errTaken says that the lock of the schema is held.
var errTaken = errors.New("another daemon writes to this schema: stop it, or give each a schema of its own")
