package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/cell"
)

// everySecond has a cell for each second of each series.
type everySecond struct {
	wait func(context.Context) error

	mu          sync.Mutex // guards all below
	cells, most int
}

func (a *everySecond) Tiers(int64) []archive.Tier {
	return []archive.Tier{{Step: 1, Retention: 1 << 40}}
}

func (a *everySecond) Cells(ctx context.Context, series []string, _, from, until int64) ([][]archive.Bucket, error) {
	if a.wait != nil {
		return nil, a.wait(ctx)
	}
	all := make([][]archive.Bucket, len(series))
	n := 0
	for i := range series {
		for t := from; t < until; t++ {
			b := archive.Bucket{Start: t, Step: 1}
			b.Cell.Add(1, float64(t))
			all[i] = append(all[i], b)
			n++
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cells += n
	a.most = max(a.most, n)
	return all, nil
}

func TestSelect(t *testing.T) {
	h := held{
		"m": {bucket(60, 60, cell.Sum, 1)}, "m;dc=x": {bucket(60, 60, cell.Sum, 2)},
		"m;dc=y;host=a": {bucket(60, 60, cell.Sum, 3), bucket(120, 60, cell.Sum, 4)},
		"m;dc=y;host=b": {bucket(60, 10, cell.Sum, 5)}, "other;dc=y": {bucket(60, 60, cell.Sum, 6)},
	}
	minutes := func(int64) int64 { return 60 }
	for name, c := range map[string]struct {
		metric string
		take   func(map[string]string) bool
		step   func(int64) int64
		until  int64
		known  bool
		len    int
		want   map[string]float64 // sums
	}{
		"all":             {"m", nil, minutes, 180, true, 4, map[string]float64{"m": 1, "m;dc=x": 2, "m;dc=y;host=a": 7, "m;dc=y;host=b": 5}},
		"by tags":         {"m", func(tags map[string]string) bool { return tags["dc"] == "y" && tags["name"] == "" }, minutes, 180, true, 2, map[string]float64{"m;dc=y;host=a": 7, "m;dc=y;host=b": 5}},
		"none of them":    {"m", func(map[string]string) bool { return false }, minutes, 180, true, 0, map[string]float64{}},
		"unknown":         {"n", nil, minutes, 180, false, 0, map[string]float64{}},
		"by period":       {"m", nil, func(period int64) int64 { return period % 60 }, 180, true, 4, map[string]float64{"m;dc=y;host=b": 5}},
		"not afterwards":  {"m", nil, minutes, 120, true, 4, map[string]float64{"m": 1, "m;dc=x": 2, "m;dc=y;host=a": 3, "m;dc=y;host=b": 5}},
		"the whole of it": {"m", nil, minutes, 121, true, 4, map[string]float64{"m": 1, "m;dc=x": 2, "m;dc=y;host=a": 7, "m;dc=y;host=b": 5}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := engine(t, config(h)).Select(context.Background(), c.metric, Pick{Take: c.take})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			got := map[string]float64{}
			err = s.Cells(c.step, 61, c.until, func(x Stream) {
				for _, b := range x.Cells {
					got[x.Name] += b.Cell.Total()
				}
				if strings.Contains(x.Name, "dc=y") != (x.Tags["dc"] == "y") {
					t.Errorf("%s has %v", x.Name, x.Tags)
				}
			})
			if err != nil || s.Known != c.known || s.Len() != c.len || !cmp.Equal(got, c.want) {
				t.Errorf("known %v, %d series, %v, %v; want %v", s.Known, s.Len(), got, err, c.want)
			}
		})
	}
}

func TestSelectionIsBounded(t *testing.T) {
	h := held{}
	for i := range 100 {
		h[fmt.Sprintf("m;a=%d", i)] = []aggregator.Bucket{bucket(0, 1, cell.Sum, 1)}
	}
	a := &everySecond{}
	cfg := config(h)
	cfg.Archive, cfg.MaxSeries, cfg.MaxPoints = a, 99, 3*chunk
	wrong := func(err error, text string) {
		t.Helper()
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Msg, text) {
			t.Errorf("%v; want %s", err, text)
		}
	}
	_, err := engine(t, cfg).Select(context.Background(), "m", Pick{})
	wrong(err, `more than 99 series of "m"`)
	seconds := func(int64) int64 { return 1 }
	s, err := engine(t, cfg).Select(context.Background(), "m", Pick{Take: func(tags map[string]string) bool { return tags["a"] < "5" }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// As many series at a time as may have a chunk of cells together.
	var names []string
	if err := s.Cells(seconds, 0, 30_000, func(x Stream) { names = append(names, x.Name) }); err == nil {
		t.Fatal("all of it is read")
	} else {
		wrong(err, fmt.Sprintf("more than %d cells", cfg.MaxPoints))
	}
	if a.most > chunk || a.cells > cfg.MaxPoints+chunk || len(names) != cfg.MaxPoints/30_000 {
		t.Errorf("%d cells at a time, %d in all, for %d series", a.most, a.cells, len(names))
	}
	if slices.Sort(names); len(slices.Compact(names)) != cfg.MaxPoints/30_000 {
		t.Errorf("some come twice: %v", names)
	}
	wrong(s.Cells(seconds, 30_000, 30_001, func(Stream) {}), "cells") // it is one request
}

// Series that are combined count as their groups, and as points.
func TestGroupsAreBounded(t *testing.T) {
	h := held{"m;b=0": []aggregator.Bucket{bucket(0, 1, cell.Sum, 1)}}
	for i := range 100 {
		h[fmt.Sprintf("m;a=%d;b=%d", i%4, i)] = []aggregator.Bucket{bucket(0, 1, cell.Sum, 1)}
	}
	byA := func(tags map[string]string) (map[string]string, string) {
		a, ok := tags["a"]
		if !ok {
			return nil, ""
		}
		return map[string]string{"a": a}, a
	}
	for name, c := range map[string]struct {
		series, points int
		want           string // of the error
	}{
		"as many as there are": {4, 200, ""}, // 100 series with a cell each
		"fewer groups":         {3, 200, `more than 3 series of "m"`},
		"fewer series":         {4, 99, `more than 99 series of "m" to be combined`},
		"fewer cells":          {4, 199, "more than 199 cells"},
	} {
		cfg := config(h)
		cfg.MaxSeries, cfg.MaxPoints = c.series, c.points
		got := map[string]float64{}
		s, err := engine(t, cfg).Select(context.Background(), "m", Pick{Group: byA})
		if err == nil {
			err = s.Cells(func(int64) int64 { return 1 }, 0, 1, func(x Stream) {
				for _, b := range x.Cells {
					got[fmt.Sprint(x.Tags)] += b.Cell.Total()
				}
			})
			s.Close()
		}
		var e *Error
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &e) || !strings.Contains(e.Msg, c.want)) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		want := map[string]float64{"map[a:0]": 25, "map[a:1]": 25, "map[a:2]": 25, "map[a:3]": 25}
		if c.want == "" && (s.Len() != 100 || s.Shown() != 4 || !cmp.Equal(got, want)) {
			t.Errorf("%s: %d series, %v", name, s.Len(), got)
		}
	}
}

func TestSelectionTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(held{"m": nil})
		cfg.Archive = &everySecond{wait: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		begin := time.Now()
		_, _, err := engine(t, cfg).Streams(context.Background(), "m", 60, 0, 60)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Msg, "longer than 1s") || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if _, _, err = engine(t, cfg).Streams(ctx, "m", 60, 0, 60); errors.As(err, &e) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v; want that of the client's own context", err)
		}
	})
}
