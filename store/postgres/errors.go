package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/coalesce-metrics/coalesce/store"
)

// The codes of PostgreSQL that mean something here.
const (
	codeDiskFull    = "53100"
	codeLockTimeout = "55P03"
)

// fail says of which schema and what an error is. One that ctx brought about is
// that of ctx.
func (s *Store) fail(ctx context.Context, what string, err error) error {
	var stop *stopped
	switch {
	case err == nil:
		return nil
	case errors.As(err, &stop):
		return stop.err
	case ctx.Err() != nil:
		return ctx.Err()
	case isCode(err, codeDiskFull):
		return fmt.Errorf("store in schema %s: %s: %w: %w", s.schema, what, store.ErrFull, err)
	}
	return fmt.Errorf("store in schema %s: %s: %w", s.schema, what, err)
}

func isCode(err error, code string) bool {
	var failed *pgconn.PgError
	return errors.As(err, &failed) && failed.Code == code
}

// stopped carries an error of a yield through those of the server.
type stopped struct{ err error }

func (s *stopped) Error() string { return s.err.Error() }

func stop(err error) error {
	if err == nil {
		return nil
	}
	return &stopped{err}
}
