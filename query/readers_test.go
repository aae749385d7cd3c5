package query

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/coalesce-metrics/coalesce/archive"
)

// byName has one cell of each series, whose value is the length of its name.
type byName struct {
	mu    sync.Mutex
	calls int
	err   error // of every call but the first
}

func (b *byName) Tiers(int64) []archive.Tier { return []archive.Tier{{Step: 60, Retention: 1000}} }

func (b *byName) Cells(_ context.Context, series []string, _, _, _ int64) ([][]archive.Bucket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	all := make([][]archive.Bucket, len(series))
	for i, name := range series {
		c := archive.Bucket{Start: 60, Step: 60}
		c.Cell.Add(float64(len(name)), 60)
		all[i] = []archive.Bucket{c}
	}
	if b.calls > 1 {
		return all, b.err
	}
	return all, nil
}

// Many series are read side by side, and each gets its own cells.
func TestReaders(t *testing.T) {
	for _, n := range []int{1, perReader, perReader + 1, 100} {
		for _, err := range []error{nil, errors.New("away")} {
			h := held{}
			want := map[string]float64{}
			for i := range n {
				name := fmt.Sprintf("a%0*d", i%7+3, i)
				h[name] = nil
				want[name] = float64(len(name))
			}
			cfg := config(h)
			cfg.MaxSeries, cfg.MaxPoints = 1000, 1000
			cfg.Archive = &byName{err: err}
			got, failed := engine(t, cfg).Fetch(context.Background(), request(0, 60, 0, "a*"))
			if failed != nil || len(got) != n {
				t.Fatalf("%d of %d series, %v", len(got), n, failed)
			}
			for _, s := range got {
				if s.Values[0] != want[s.Name] {
					t.Errorf("%s is %v, want %v", s.Name, s.Values[0], want[s.Name])
				}
			}
		}
	}
}
