package cells

import (
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
)

var small = Plan{Series: 300, Buckets: 100, Read: 10}

func TestMeasure(t *testing.T) {
	for _, name := range Stores {
		t.Run(name, func(t *testing.T) {
			o := open(t, name)
			r, err := small.Measure(t.Context(), o)
			if err != nil || r.Cells != 30_000 || r.ReadCells != 1000 || r.Bytes <= 0 {
				t.Errorf("%+v, %v", r, err)
			}
			if r.Write.Time <= 0 || r.Scan.Time <= 0 || r.Read.Time <= 0 || r.Write.CPU <= 0 {
				t.Errorf("no time has passed: %+v", r)
			}
		})
	}
}

func TestMeasureArchive(t *testing.T) {
	o := open(t, "sqlite")
	r, err := small.MeasureArchive(t.Context(), o)
	if err != nil || r.Cells != 30_000 || r.Write.CPU <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func open(t *testing.T, name string) *Opened {
	o, err := Open(t.Context(), name)
	if errors.Is(err, ErrMissing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// spoilt is a store that does something wrong with what it writes.
type spoilt struct {
	store.Store
	spoil func(*store.Write)
}

func (s spoilt) Write(ctx context.Context, w store.Write) error {
	s.spoil(&w)
	return s.Store.Write(ctx, w)
}

func TestMeasureFindsFaults(t *testing.T) {
	tests := map[string]struct {
		spoil func(*store.Write)
		want  string
	}{
		"a cell is lost": {func(w *store.Write) { w.Series = w.Series[1:] }, "29900 cells, want 30000"},
		"a cell is another": {func(w *store.Write) {
			w.Series[0].Cells[0].Data = w.Series[1].Cells[0].Data
		}, "want {Count:20"},
		"a series more": {func(w *store.Write) {
			w.Series = append(w.Series, store.SeriesCells{Series: store.Series{Name: "x"}})
		}, "301 series, want 300"},
		"a start is another": {func(w *store.Write) { w.Series[0].Cells[0].Start += step * 1000 }, "0 cells, want 100"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := &Opened{Store: spoilt{memory.New(memory.Options{}), tt.spoil}}
			if _, err := small.Measure(t.Context(), o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// Every start and cell has to be one that all steps and stores take.
func TestPlan(t *testing.T) {
	for _, w := range windows {
		if start%w.Step != 0 {
			t.Errorf("%d is no multiple of %d", start, w.Step)
		}
	}
	seen := map[float64]bool{}
	for i := range 50 {
		c := makeCell(i, start)
		if c.Count != points || c.Sum != math.Round(c.Sum*4)/4 || c.Min >= c.Max || seen[c.Sum] {
			t.Errorf("cell %d is %+v", i, c)
		}
		seen[c.Sum] = true
	}
}
