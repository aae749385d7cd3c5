package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/cell"
)

// held is a source over a few rows.
type held map[string][]aggregator.Bucket

func (h held) buckets(row string, from, until int64) ([]aggregator.Bucket, bool) {
	all, known := h[row]
	var found []aggregator.Bucket
	for _, b := range all {
		if b.Start >= from && b.Start < until {
			b.Values = b.Values.Clone()
			found = append(found, b)
		}
	}
	return found, known
}

func bucket(start, period int64, m cell.Method, values ...float64) aggregator.Bucket {
	b := aggregator.Bucket{Start: start, Period: period, Method: m}
	if m.NeedsValues() {
		b.Values = new(cell.Values)
	}
	for _, v := range values {
		b.Cell.Add(v, float64(start))
		if b.Values != nil {
			b.Values.Add(v)
		}
	}
	return b
}

// config makes an engine's configuration over rows with the period and method of
// their last bucket.
func config(h held) Config {
	names := catalog.New(1000)
	for name, buckets := range h {
		e := catalog.Entry{Series: name, Method: cell.Sum, Period: 60}
		if n := len(buckets); n > 0 {
			e.Method, e.Period = buckets[n-1].Method, buckets[n-1].Period
		}
		names.Add(name, e, 0)
	}
	return Config{
		Catalog: names, Held: h.buckets, Now: func() float64 { return 1000 }, Timeout: time.Second,
		MaxTargets: 3, MaxSeries: 10, MaxPoints: 100, Logger: slog.New(slog.DiscardHandler),
	}
}

func engine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// request asks for targets.
func request(from, until int64, limit int, targets ...string) Request {
	return Request{Targets: targets, From: from, Until: until, MaxDataPoints: limit}
}

func TestGrid(t *testing.T) {
	for name, c := range map[string]struct{ from, until, step, first, end int64 }{
		"from is exclusive, until inclusive": {60, 180, 60, 120, 240},
		"between the points":                 {61, 239, 60, 120, 240},
		"just before a point":                {59, 179, 60, 60, 180},
		"one point":                          {100, 130, 60, 120, 180},
		"within a step":                      {121, 130, 60, 180, 240},
		"from on a point, within its step":   {120, 130, 60, 180, 240},
		"step of a second":                   {5, 7, 1, 6, 8},
	} {
		t.Run(name, func(t *testing.T) {
			if first, end := Grid(c.from, c.until, c.step); first != c.first || end != c.end {
				t.Errorf("got %d to %d, want %d to %d", first, end, c.first, c.end)
			}
		})
	}
}

func TestFetch(t *testing.T) {
	h := held{
		"a": {bucket(60, 60, cell.Sum, 1), bucket(120, 60, cell.Sum, 2, 3), bucket(240, 60, cell.Sum, 10)},
		"p": {bucket(60, 60, cell.Median, 1, 2, 3), bucket(120, 60, cell.Median, 9, 9, 9, 9)},
		"v": {bucket(60, 60, cell.Avg, 1), bucket(120, 60, cell.Avg, 4, 4, 4)},
		// The rule has changed from a sum of 30 s to a maximum of 60 s, which is then
		// read from all.
		"changed": {bucket(60, 30, cell.Sum, 1), bucket(90, 30, cell.Sum, 5), bucket(120, 60, cell.Max, 7, 8)},
		// And from an hour to a minute.
		"finer":     {bucket(0, 3600, cell.Sum, 100), bucket(3600, 60, cell.Sum, 1)},
		"nothing":   nil,
		"later":     {bucket(300, 60, cell.Sum, 1)},
		"odd(name)": {bucket(120, 60, cell.Last, 4)},
		"cpu;dc=x":  {bucket(120, 60, cell.Last, 4)},
	}
	type want struct {
		name             string
		start, end, step int64
		values           []float64
	}
	for name, c := range map[string]struct {
		req  Request
		want []want
	}{
		"exact":               {request(60, 240, 0, "a"), []want{{"a", 120, 300, 60, []float64{5, nan, 10}}}},
		"wider than held":     {request(0, 310, 0, "a"), []want{{"a", 60, 360, 60, []float64{1, 5, nan, 10, nan}}}},
		"order of request":    {request(100, 130, 0, "p", "a", "p"), []want{{"p", 120, 180, 60, []float64{9}}, {"a", 120, 180, 60, []float64{5}}, {"p", 120, 180, 60, []float64{9}}}},
		"within a step":       {request(121, 130, 0, "a"), []want{{"a", 180, 240, 60, []float64{nan}}}},
		"within a step, held": {request(190, 200, 0, "a"), []want{{"a", 240, 300, 60, []float64{10}}}},
		"before all":          {request(0, 30, 0, "a"), []want{{"a", 60, 120, 60, []float64{1}}}},
		"behind all":          {request(600, 700, 0, "a"), []want{{"a", 660, 720, 60, []float64{nan}}}},
		"unknown":             {request(100, 130, 0, "x", "a"), []want{{"a", 120, 180, 60, []float64{5}}}},
		"known, nothing held": {request(100, 130, 0, "nothing"), []want{{"nothing", 120, 180, 60, []float64{nan}}}},
		"parentheses":         {request(100, 130, 0, "odd(name)"), []want{{"odd(name)", 120, 180, 60, []float64{4}}}},
		"changed period":      {request(30, 130, 0, "changed"), []want{{"changed", 60, 180, 60, []float64{5, 8}}}},
		"finer period":        {request(3590, 3610, 0, "finer"), []want{{"finer", 3600, 3660, 60, []float64{1}}}},
		"enough points":       {request(60, 240, 3, "a"), []want{{"a", 120, 300, 60, []float64{5, nan, 10}}}},
		// 120, 180, 240 by two: 120+180 and 240+300.
		"merged": {request(60, 240, 2, "a"), []want{{"a", 120, 360, 120, []float64{5, 10}}}},
		// 60, 120, 180, 240 by two: 60 is half of a point and left out.
		"merged, aligned": {request(0, 240, 2, "a"), []want{{"a", 120, 360, 120, []float64{5, 10}}}},
		// Only 300 is held, behind the range but within its last point, which is whole.
		"merged, behind":   {request(60, 240, 2, "later"), []want{{"later", 120, 360, 120, []float64{nan, 1}}}},
		"one point":        {request(0, 240, 1, "a"), []want{{"a", 60, 300, 240, []float64{16}}}},
		"merged averages":  {request(0, 120, 1, "v"), []want{{"v", 60, 180, 120, []float64{3.25}}}}, // 13 over 4 values
		"merged quantiles": {request(0, 120, 1, "p"), []want{{"p", 60, 180, 120, []float64{9}}}},    // of 1 2 3 9 9 9 9
	} {
		t.Run(name, func(t *testing.T) {
			got, err := engine(t, config(h)).Fetch(context.Background(), c.req)
			if err != nil {
				t.Fatal(err)
			}
			var series []want
			for _, s := range got {
				series = append(series, want{s.Name, s.Start, s.End, s.Step, s.Values})
			}
			if diff := cmp.Diff(c.want, series, cmp.AllowUnexported(want{}), cmpopts.EquateNaNs()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTags(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"a.b":            {"name": "a.b"},
		"cpu;dc=x;h=y=z": {"name": "cpu", "dc": "x", "h": "y=z"},
		"cpu;dc":         {"name": "cpu"},
		"cpu;name=other": {"name": "cpu"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, tags(name)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFetchErrors(t *testing.T) {
	h := held{"a": {bucket(60, 1, cell.Sum, 1)}, "b": {bucket(60, 60, cell.Sum, 1)}}
	for name, c := range map[string]struct {
		req  Request
		want string
	}{
		"targets":        {request(0, 90, 0, "a", "a", "a", "a"), "4 targets, at most 3"},
		"points":         {request(0, 101, 0, "a"), `more than 100 points, with 101 of "a" at 1 s each`},
		"points in all":  {request(0, 100, 0, "b", "a"), `more than 100 points, with 100 of "a"`},
		"points, merged": {request(0, maxTime, 1000, "a"), "ask for a shorter range"},
		"empty range":    {request(90, 90, 0, "a"), "from 90 until 90 is no range"},
		"before 1970":    {request(-1, 90, 0, "a"), "from -1 until 90"},
		"behind 9999":    {request(0, math.MaxInt64, 0, "a"), "accepted: 0 to 253402300799"},
		"series":         {request(0, 60, 1, "b", "{a,b,c,d,e,f,g,h,i,j,k}"), "more than 10"},
		"syntax":         {request(0, 90, 0, "sumSeries(a"), `target "sumSeries(a": `},
		"function":       {request(0, 90, 0, "sumSerie(a)"), "sumSerie"},
	} {
		for _, name := range []string{"c", "d", "e", "f", "g", "h", "i", "j", "k"} {
			h[name] = nil
		}
		t.Run(name, func(t *testing.T) {
			_, err := engine(t, config(h)).Fetch(context.Background(), c.req)
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Msg, c.want) {
				t.Errorf("error %v; want an *Error with %q", err, c.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := engine(t, config(h)).Fetch(ctx, request(0, 90, 0, "a")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after the client has gone", err)
	}
}

func TestNewErrors(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no names":   func(c *Config) { c.Catalog = nil },
		"no buckets": func(c *Config) { c.Held = nil },
		"no targets": func(c *Config) { c.MaxTargets = 0 },
		"no series":  func(c *Config) { c.MaxSeries = 0 },
		"no points":  func(c *Config) { c.MaxPoints = 0 },
		"no time":    func(c *Config) { c.Timeout = 0 },
	} {
		cfg := config(held{})
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Against a model that looks through all buckets for each point.
func TestFetchModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.SampledFrom([]int64{1, 7, 60}).Draw(t, "step")
		var all []aggregator.Bucket
		for i := range int64(60) {
			if v := rapid.IntRange(0, 9).Draw(t, "value"); v > 0 {
				all = append(all, bucket((i+10)*step, step, cell.Sum, float64(v)))
			}
		}
		from := rapid.Int64Range(0, 80*step).Draw(t, "from")
		until := from + rapid.Int64Range(1, 90*step).Draw(t, "length")
		limit := rapid.IntRange(0, 40).Draw(t, "limit")
		cfg := config(held{"a": all})
		cfg.Catalog.Add("a", catalog.Entry{Series: "a", Method: cell.Sum, Period: step}, 0)
		cfg.MaxPoints = 1000
		// Some are stored, some held, some both, where the held one has more.
		coarse := step * rapid.SampledFrom([]int64{2, 3, 6}).Draw(t, "coarse")
		a := &fakeArchive{tiers: []archive.Tier{{Step: step, Retention: 1e6}, {Step: coarse, Retention: 2e6}}}
		from1 := rapid.IntRange(0, len(all)).Draw(t, "held from")
		to1 := rapid.IntRange(from1, len(all)).Draw(t, "stored until")
		for i := range all[:to1] {
			b := archive.Bucket{Start: all[i].Start, Step: step, Cell: all[i].Cell}
			if i >= from1 {
				b.Cell = cell.Cell{}
				b.Cell.Add(0.5, 1)
			}
			a.cells = append(a.cells, b)
		}
		a.rolled = rapid.Int64Range(0, 70*step).Draw(t, "rolled") / coarse * coarse
		cfg.Held = held{"a": all[from1:]}.buckets
		cfg.Archive = a
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Fetch(context.Background(), request(from, until, limit, "a"))
		if err != nil || len(all) > 0 && len(got) != 1 {
			t.Fatal(got, err)
		}
		for _, s := range got {
			if msg := checkSeries(s, all, from, until, step, limit); msg != "" {
				t.Fatal(msg)
			}
		}
	})
}

func checkSeries(s *Series, all []aggregator.Bucket, from, until, step int64, limit int) string {
	switch {
	case s.Start <= from:
		return fmt.Sprintf("starts at %d, which is not behind %d", s.Start, from)
	case limit > 0 && len(s.Values) > limit || len(s.Values) == 0:
		return fmt.Sprintf("%d points, at most %d", len(s.Values), limit)
	case s.Start+int64(len(s.Values))*s.Step != s.End || s.Step%step != 0:
		return fmt.Sprintf("%d points of %d from %d to %d", len(s.Values), s.Step, s.Start, s.End)
	case limit != 1 && s.Start%s.Step != 0:
		return fmt.Sprintf("begins at %d, which is no multiple of %d", s.Start, s.Step)
	case s.Step == step && until/step > from/step && s.End-s.Step != until/step*step:
		return fmt.Sprintf("ends with %d", s.End-s.Step)
	}
	for i, got := range s.Values {
		at := s.Start + int64(i)*s.Step
		want, n := 0.0, 0
		for _, b := range all {
			if b.Start >= at && b.Start < at+s.Step {
				want += b.Cell.Total()
				n++
			}
		}
		if n == 0 != math.IsNaN(got) || n > 0 && got != want {
			return fmt.Sprintf("at %d: %v, want %v of %d buckets", at, got, want, n)
		}
	}
	return ""
}
