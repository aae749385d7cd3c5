package sqlite

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openAt(t testing.TB, path string, opts Options) *Store {
	t.Helper()
	s, err := Open(path, opts)
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

// open returns a store that does not wait for the disk, which many tests would do
// most of the time.
func open(t testing.TB) store.Store {
	t.Helper()
	s := openAt(t, filepath.Join(t.TempDir(), "store.db"), Options{})
	if err := s.w.script("PRAGMA synchronous = off"); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, open) }

// TestFolding runs the same with every path through the fresh tables in reach of
// few cells.
func TestFolding(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store {
		s := open(t).(*Store)
		s.tuning = tuning{wide: 2, deep: 3, foldAt: 3, foldKeep: 1, foldMost: 2, foldRows: 16, foldShare: 1, shrinkFrom: 1}
		return s
	})
}

func TestReopen(t *testing.T) {
	storetest.Reopen(t, func(t testing.TB) func(testing.TB) store.Store {
		path := filepath.Join(t.TempDir(), "store.db")
		return func(t testing.TB) store.Store { return openAt(t, path, Options{}) }
	})
}

func Benchmark(b *testing.B) {
	storetest.Bench(b, func(t testing.TB) store.Store {
		return openAt(t, filepath.Join(t.TempDir(), "store.db"), Options{})
	})
}
