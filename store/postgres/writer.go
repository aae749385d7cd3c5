package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/internal/identity"
)

// patience is how long the server has to end the writer's session on Close.
const patience = 2 * time.Second

// locked calls f with the connection that writes, when nobody else does.
func (s *Store) locked(ctx context.Context, what string, f func() error) error {
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.connect(ctx); err != nil {
		return s.fail(ctx, "connecting", err)
	}
	return s.fail(ctx, what, f())
}

// connect sees that there is a connection that has the lock of the schema. Another
// daemon may have written after one was lost, so with a new connection nothing is
// known.
func (s *Store) connect(ctx context.Context) error {
	if s.conn != nil {
		if s.conn.Ping(ctx) == nil {
			return nil
		}
		s.disconnect()
	}
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	s.conn = conn
	if err := s.take(ctx); err != nil {
		s.disconnect()
		return err
	}
	return nil
}

// take prepares a new connection.
func (s *Store) take(ctx context.Context) error {
	// The server must notice within a minute that a lost client is gone, or its
	// lock would stay.
	for _, text := range []string{"SET tcp_keepalives_idle = 20", "SET tcp_keepalives_interval = 10", "SET tcp_keepalives_count = 4"} {
		if _, err := s.conn.Exec(ctx, text); err != nil {
			return err
		}
	}
	var taken bool
	err := s.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtextextended('coalesce writer ' || $1, 0))", s.schema).Scan(&taken)
	if err != nil {
		return err
	}
	if !taken {
		return errTaken
	}
	if err := s.prepare(ctx, s.conn); err != nil {
		return err
	}
	_, err = s.conn.Exec(ctx, `CREATE TEMPORARY TABLE coalesce_staging (slice integer, series bigint, start timestamptz,
		count bigint, sum float8, min float8, max float8, last float8, data bytea) ON COMMIT DELETE ROWS`)
	if err != nil {
		return err
	}
	return s.reload(ctx)
}

// release lets the lock go. Without it the server does so some time after the end of
// the session, when the next daemon may have asked.
func (s *Store) release() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, _ = s.conn.Exec(ctx, "SELECT pg_advisory_unlock_all()") // or it goes with the session
}

// disconnect ends the connection, and with it the lock.
func (s *Store) disconnect() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = s.conn.Close(ctx) // it is of no use any more either way
	s.conn = nil
}

// transaction carries out f wholly, or not at all when it returns an error. What
// the writer knows may then be wrong, and is found out anew.
func (s *Store) transaction(ctx context.Context, f func(tx pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, s.conn, f)
	if err == nil {
		return nil
	}
	if s.conn.IsClosed() || s.reload(ctx) != nil {
		s.disconnect()
	}
	return err
}

// reload finds out what the writer must know. Series are looked up when they are needed.
func (s *Store) reload(ctx context.Context) error {
	s.known = known{ids: identity.NewTable(), slices: map[slice]struct{}{}, dropped: true}
	rows, err := s.conn.Query(ctx, `SELECT c.relname FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
		WHERE c.relnamespace = $1::text::regnamespace`, pgx.Identifier{s.schema}.Sanitize())
	if err != nil {
		return err
	}
	var name string
	_, err = pgx.ForEachRow(rows, []any{&name}, func() error {
		if t, ok := parseTable(name); ok {
			s.known.slices[t] = struct{}{}
		}
		return nil
	})
	return err
}

// parseTable reads the name of a slice; ok is false for others.
func parseTable(name string) (t slice, ok bool) {
	rest, isCells := strings.CutPrefix(name, "cells_")
	step, start, isSlice := strings.Cut(rest, "_")
	if !isCells || !isSlice {
		return slice{}, false
	}
	var err error
	if t.step, err = strconv.ParseInt(step, 10, 64); err != nil || t.step < 1 || t.step > store.MaxStep {
		return slice{}, false
	}
	t.start, err = strconv.ParseInt(start, 10, 64)
	return t, err == nil && t.start == store.SliceStart(t.step, t.start)
}

// needSlice makes the table of a slice, and of its step, if there is none.
func (s *Store) needSlice(ctx context.Context, tx pgx.Tx, t slice) error {
	if _, ok := s.known.slices[t]; ok {
		return nil
	}
	parent, table := s.name(parentTable(t.step)), s.name(t.table())
	// Readers leave out tables by this.
	within := fmt.Sprintf("CHECK (start >= to_timestamp(%d) AND start < to_timestamp(%d))", t.start, t.start+store.SliceLength(t.step))
	for _, text := range []string{
		fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (series bigint NOT NULL, start timestamptz NOT NULL,
			count bigint, sum float8, min float8, max float8, last float8,
			data bytea NOT NULL CHECK (octet_length(data) <= %d))`, parent, store.MaxData),
		"CREATE TABLE IF NOT EXISTS " + table + " (PRIMARY KEY (series, start), " + within + ") INHERITS (" + parent + ")",
	} {
		if _, err := tx.Exec(ctx, text); err != nil {
			return err
		}
	}
	s.known.slices[t] = struct{}{}
	return nil
}
