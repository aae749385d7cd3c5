package archive

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
	"github.com/coalesce-metrics/coalesce/store/postgres"
	"github.com/coalesce-metrics/coalesce/store/sqlite"
	"github.com/coalesce-metrics/coalesce/store/storetest/pgtest"
)

func TestMemory(t *testing.T) {
	suite(t, func(t *testing.T) store.Store { return closing(t, memory.New(memory.Options{})) })
}

func TestSQLite(t *testing.T) {
	suite(t, func(t *testing.T) store.Store { return openSQLite(t, filepath.Join(t.TempDir(), "store")) })
}

func openSQLite(t testing.TB, path string) store.Store {
	t.Helper()
	s, err := sqlite.Open(path, sqlite.Options{CacheBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return closing(t, s)
}

func TestPostgres(t *testing.T) {
	server := pgtest.Shared(t)
	var schemas atomic.Int64
	suite(t, func(t *testing.T) store.Store {
		s, err := postgres.Open(t.Context(), server.URL(), postgres.Options{Schema: fmt.Sprint("archive", schemas.Add(1))})
		if err != nil {
			t.Fatal(err)
		}
		return closing(t, s)
	})
}

func closing(t testing.TB, s store.Store) store.Store {
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
