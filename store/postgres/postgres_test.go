package postgres

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/storetest"
	"github.com/coalesce-metrics/coalesce/store/storetest/pgtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var schemas atomic.Int64

// newSchema returns the name of a schema that ends with the test.
func newSchema(t testing.TB, url string) string {
	schema := fmt.Sprintf(`test "%d" ü`, schemas.Add(1))
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+pgx.Identifier{schema}.Sanitize()+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	return schema
}

func openAt(t testing.TB, url, schema string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, Options{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func open(t testing.TB) store.Store {
	url := pgtest.Shared(t).URL()
	return openAt(t, url, newSchema(t, url))
}

func TestStore(t *testing.T) { storetest.Run(t, open) }

func TestReopen(t *testing.T) {
	storetest.Reopen(t, func(t testing.TB) func(testing.TB) store.Store {
		url := pgtest.Shared(t).URL()
		schema := newSchema(t, url)
		return func(t testing.TB) store.Store { return openAt(t, url, schema) }
	})
}

func TestReopenDropped(t *testing.T) {
	url := pgtest.Shared(t).URL()
	schema := newSchema(t, url)
	storetest.ReopenDropped(t, func(t testing.TB) func(testing.TB) store.Store {
		return func(t testing.TB) store.Store { return openAt(t, url, schema) }
	}, func(s store.Store) (rows int) {
		p := s.(*Store)
		if err := p.conn.QueryRow(t.Context(), "SELECT count(*) FROM "+p.name(parentTable(60))).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		return rows
	})
}

func Benchmark(b *testing.B) { storetest.Bench(b, open) }
