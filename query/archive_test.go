package query

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/cell"
)

// fakeArchive has the cells of every series at its own step; those of coarser
// tiers are made of them, up to rolled.
type fakeArchive struct {
	tiers  []archive.Tier
	cells  []archive.Bucket
	rolled int64
	err    error
	asked  []int64 // steps
}

func (f *fakeArchive) Tiers(int64) []archive.Tier { return f.tiers }

func (f *fakeArchive) Cells(ctx context.Context, series []string, step, from, until int64) ([][]archive.Bucket, error) {
	f.asked = append(f.asked, step)
	var coarse []archive.Bucket
	for _, c := range f.cells {
		start := c.Start
		if start < f.rolled {
			start -= start % step
		}
		if start < from || start >= until {
			continue
		}
		if n := len(coarse); n > 0 && c.Start < f.rolled && coarse[n-1].Start == start {
			coarse[n-1].Cell.Merge(&c.Cell)
			coarse[n-1].Values.Merge(c.Values)
			continue
		}
		b := archive.Bucket{Start: start, Step: c.Step, Cell: c.Cell, Values: c.Values.Clone()}
		if c.Start < f.rolled {
			b.Step = step
		}
		coarse = append(coarse, b)
	}
	all := make([][]archive.Bucket, len(series))
	for i := range all {
		all[i] = slices.Clone(coarse)
	}
	return all, f.err
}

func stored(start int64, values ...float64) archive.Bucket {
	b := archive.Bucket{Start: start, Step: 10, Values: new(cell.Values)}
	for _, v := range values {
		b.Cell.Add(v, float64(start))
		b.Values.Add(v)
	}
	return b
}

func TestTiers(t *testing.T) {
	a := &fakeArchive{tiers: []archive.Tier{{Step: 10, Retention: 100}, {Step: 60, Retention: 300}, {Step: 300, Retention: 800}}}
	for i := range int64(100) {
		a.cells = append(a.cells, stored(i*10, float64(i)))
	}
	a.rolled = 900
	cfg := config(held{"a": {bucket(990, 10, cell.Sum, 1000)}})
	cfg.MaxPoints = 10_000
	cfg.Archive = a
	for name, c := range map[string]struct {
		from  int64
		until int64
		limit int
		step  int64 // of the series
		read  int64 // step of the cells
	}{
		"the finest":                   {950, 999, 0, 10, 10},
		"just kept":                    {890, 999, 0, 10, 10},
		"kept in the next":             {889, 999, 0, 60, 60},
		"in the last":                  {500, 999, 0, 300, 300},
		"in none":                      {10, 999, 0, 300, 300},
		"merged":                       {890, 999, 6, 20, 10},
		"merged, made of coarser ones": {890, 1010, 2, 60, 60},
	} {
		t.Run(name, func(t *testing.T) {
			a.asked = nil
			got, err := engine(t, cfg).Fetch(context.Background(), request(c.from, c.until, c.limit, "a:sum"))
			if err != nil || len(got) != 1 || got[0].Step != c.step {
				t.Fatalf("%v, %v; want a step of %d", got, err, c.step)
			}
			if diff := cmp.Diff([]int64{c.read}, a.asked); diff != "" {
				t.Error(diff)
			}
			sum := 0.0
			for _, v := range got[0].Values {
				if !math.IsNaN(v) {
					sum += v
				}
			}
			want := 1000.0 // held, and not the 99 that is stored
			for at := got[0].Start; at < 990; at += 10 {
				want += float64(at / 10)
			}
			if sum != want {
				t.Errorf("sum %v, want %v", sum, want)
			}
		})
	}
}

func TestStoreThatIsAway(t *testing.T) {
	cfg := config(held{"a": {bucket(60, 60, cell.Sum, 1)}})
	a := &fakeArchive{tiers: []archive.Tier{{Step: 60, Retention: 1000}}, cells: []archive.Bucket{stored(120, 5)}, err: errors.New("away")}
	cfg.Archive = a
	got, err := engine(t, cfg).Fetch(context.Background(), request(0, 130, 0, "a"))
	if err != nil || len(got) != 1 || got[0].Values[0] != 1 || got[0].Values[1] != 5 {
		t.Errorf("%v, %v; want what there is", got, err)
	}
	cfg.Timeout = time.Nanosecond
	_, err = engine(t, cfg).Fetch(context.Background(), request(0, 130, 0, "a"))
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("%v; want an *Error that tells of the time", err)
	}
}

// What has come late for a bucket is shown with what is stored of it, or not at all.
func TestPartsThatAreHeld(t *testing.T) {
	late := bucket(60, 60, cell.Sum, 1)
	late.Part = true
	h := held{"a": {late, bucket(120, 60, cell.Sum, 7)}}
	minute := stored(60, 40, 2)
	minute.Step = 60
	for name, c := range map[string]struct {
		cells []archive.Bucket
		err   error
		want  []float64
	}{
		"stored":             {[]archive.Bucket{minute}, nil, []float64{43, 7}},
		"never emitted":      {nil, nil, []float64{1, 7}},
		"perhaps stored":     {nil, errors.New("away"), []float64{nan, 7}},
		"found all the same": {[]archive.Bucket{minute}, errors.New("away"), []float64{43, 7}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(h)
			cfg.Archive = &fakeArchive{tiers: []archive.Tier{{Step: 60, Retention: 1000}}, cells: c.cells, err: c.err}
			got, err := engine(t, cfg).Fetch(context.Background(), request(0, 120, 0, "a"))
			if err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			if diff := cmp.Diff(c.want, got[0].Values, cmpopts.EquateNaNs()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What has come late is shown with the rest of its bucket where longer cells are read, too.
func TestPartsWithinLongerCells(t *testing.T) {
	late := bucket(60, 10, cell.Sum, 1)
	late.Part = true
	a := &fakeArchive{tiers: []archive.Tier{{Step: 10, Retention: 1000}, {Step: 60, Retention: 1000}}, rolled: 180}
	for start := int64(60); start < 180; start += 10 {
		a.cells = append(a.cells, stored(start, 60, 40))
	}
	cfg := config(held{"a": {late}})
	cfg.Archive = a
	for _, c := range []struct {
		limit int
		step  int64
		want  float64 // of all points
	}{{0, 10, 1201}, {2, 60, 1201}} {
		got, err := engine(t, cfg).Fetch(context.Background(), request(59, 179, c.limit, "a:sum"))
		if err != nil || len(got) != 1 || got[0].Step != c.step {
			t.Fatal(got, err)
		}
		sum := 0.0
		for _, v := range got[0].Values {
			sum += v
		}
		if sum != c.want {
			t.Errorf("step %d: the sum is %v, want %v: %v", c.step, sum, c.want, got[0].Values)
		}
	}
}

// byStep is an archive whose cells came in with one period, and whose series now has
// another.
type byStep map[int64][]archive.Bucket

func (a byStep) Tiers(period int64) []archive.Tier {
	return []archive.Tier{{Step: period, Retention: 1000}, {Step: 60, Retention: 1000}}
}

func (a byStep) Cells(_ context.Context, series []string, step, from, until int64) ([][]archive.Bucket, error) {
	all := make([][]archive.Bucket, len(series))
	for i := range all {
		for _, b := range a[step] {
			if b.Start >= from && b.Start < until {
				all[i] = append(all[i], b)
			}
		}
	}
	return all, nil
}

// Where the period of a series has changed, a part that is late takes nothing from a
// longer cell, which is made of cells of the former period.
func TestPartsOfAFormerPeriod(t *testing.T) {
	former := byStep{}
	for start := int64(60); start < 120; start += 10 {
		former[10] = append(former[10], stored(start, 60, 40))
	}
	minute := stored(60)
	for _, b := range former[10] {
		minute.Cell.Merge(&b.Cell)
	}
	minute.Step, minute.Values = 60, nil
	former[60] = []archive.Bucket{minute}
	for name, c := range map[string]struct {
		period int64 // of the bucket that is held
		want   float64
	}{
		"the former": {10, 601},
		"the new":    {30, 600}, // until the archive has put them together
	} {
		t.Run(name, func(t *testing.T) {
			late := bucket(60, c.period, cell.Sum, 1)
			late.Part = true
			cfg := config(held{"a": {late, bucket(120, 30, cell.Sum, 7)}})
			cfg.Archive = former
			got, err := engine(t, cfg).Fetch(context.Background(), request(59, 170, 2, "a:sum"))
			if err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			if diff := cmp.Diff([]float64{c.want, 7}, got[0].Values, cmpopts.EquateNaNs()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What has come late counts once, whatever is done with it while a query reads.
func TestPartsThatAreStoredMeanwhile(t *testing.T) {
	part, whole := bucket(60, 10, cell.Sum, 1), bucket(60, 10, cell.Sum, 60, 40, 1)
	part.Part = true
	for name, then := range map[string][]aggregator.Bucket{
		"a part still": {part},
		"all of it":    {whole},
		"none of it":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			a := &fakeArchive{tiers: []archive.Tier{{Step: 10, Retention: 1000}, {Step: 60, Retention: 1000}}, rolled: 180}
			for start := int64(60); start < 180; start += 10 {
				a.cells = append(a.cells, stored(start, 60, 40))
			}
			before := held{"a": {part}}
			cfg := config(before)
			cfg.Archive = a
			asked := 0
			cfg.Held = func(row string, from, until int64) ([]aggregator.Bucket, bool) {
				if asked++; asked == 1 {
					if then == nil || !then[0].Part {
						a.cells[0] = stored(60, 60, 40, 1)
					}
					return before.buckets(row, from, until)
				}
				return held{"a": then}.buckets(row, from, until)
			}
			got, err := engine(t, cfg).Fetch(context.Background(), request(59, 179, 2, "a:sum"))
			if err != nil || len(got) != 1 || got[0].Values[0]+got[0].Values[1] != 1201 {
				t.Errorf("%v, %v; want a sum of 1201", got, err)
			}
		})
	}
}

func TestViews(t *testing.T) {
	one := bucket(60, 60, cell.Max, 10)
	three := bucket(120, 60, cell.Max, 10, 20, 30)
	ten := bucket(180, 30, cell.Max)
	ten.Values = new(cell.Values)
	for v := range 10 {
		ten.Cell.Add(float64(v+1), 180)
		ten.Values.Add(float64(v + 1))
	}
	h := held{"a": {one, three}, "ten": {ten}, "x:sum": {bucket(60, 60, cell.Max, 3)}, "b;dc=x": {one}}
	e := engine(t, config(h))
	merged := map[string]string{"a": "max", "a:sum": "sum", "a:avg": "average", "a:obvs": "sum", "a:last": "last", "a:sum30": "average", "a:95pct": "average"}
	for _, c := range []struct {
		target string
		limit  int
		want   []float64
	}{
		{"a", 0, []float64{10, 30}},
		{"a:sum", 0, []float64{10, 60}},
		{"a:avg", 0, []float64{10, 20}},
		{"a:avg", 1, []float64{17.5}},
		{"a:sum", 1, []float64{70}},
		{"a:obvs", 1, []float64{4}},
		{"a:count", 0, []float64{1, 3}},
		{"a:min", 1, []float64{10}},
		{"a:max", 1, []float64{30}},
		{"a:sumrate", 1, []float64{70. / 120}},
		{"a:obvsrate", 0, []float64{1. / 60, 3. / 60}},
		{"a:sum30", 0, []float64{5, 30}},
		{"a:last", 0, []float64{10, 30}},
		{"a:stddev", 0, []float64{0, math.Sqrt(200. / 3)}},
		{"a:95pct", 0, []float64{nan, nan}}, // no values are held
		{"a:0pct", 0, nil},
		{"a:00pct", 0, nil},
		{"a:100pct", 0, nil},
		{"a:sum0", 0, nil},
		{"a:sum-5", 0, nil},
		{"a:nonsense", 0, nil},
		{"x:sum", 0, []float64{3, nan}}, // a name is taken literally first
		{"x:sum:sum", 0, []float64{3, nan}},
		{"b;dc=x:sum", 0, []float64{10, nan}},
		{"[a]:sum", 0, []float64{10, 60}},
	} {
		got, err := e.Fetch(context.Background(), request(0, 120, c.limit, c.target))
		if err != nil {
			t.Fatal(err)
		}
		var values []float64
		for _, s := range got {
			values = append(values, s.Values...)
			if want, ok := merged[c.target]; ok && s.Consolidate != want {
				t.Errorf("%s is to be merged as %s, want %s", c.target, s.Consolidate, want)
			}
			if s.Name != c.target && c.target != "[a]:sum" || s.Path != c.target {
				t.Errorf("%s is called %s, path %s", c.target, s.Name, s.Path)
			}
		}
		if diff := cmp.Diff(c.want, values, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-12, 0)); diff != "" {
			t.Errorf("%s, at most %d points:\n%s", c.target, c.limit, diff)
		}
	}
	for view, want := range map[string]float64{"sum": 55, "avg": 5.5, "min": 1, "max": 10, "obvs": 10, "95pct": 9.55, "01pct": 1.09, "sum60": 110} {
		got, err := e.Fetch(context.Background(), request(150, 180, 0, "ten:"+view))
		if err != nil || len(got) != 1 || math.Abs(got[0].Values[0]-want) > 1e-12 {
			t.Errorf("ten:%s: %v, %v; want %v", view, got, err, want)
		}
	}
}

func TestPatternsAndFunctions(t *testing.T) {
	h := held{
		"app.a.hits": {bucket(60, 60, cell.Sum, 1), bucket(120, 60, cell.Sum, 2)},
		"app.b.hits": {bucket(60, 60, cell.Sum, 10), bucket(120, 60, cell.Sum, 20)},
		"cpu;dc=x":   {bucket(60, 60, cell.Sum, 5)}, "cpu;dc=y": {bucket(60, 60, cell.Sum, 6)},
	}
	e := engine(t, config(h))
	for _, c := range []struct {
		target string
		limit  int
		want   map[string][]float64
	}{
		{"app.*.hits", 0, map[string][]float64{"app.a.hits": {1, 2}, "app.b.hits": {10, 20}}},
		{"app.*.hits:obvs", 0, map[string][]float64{"app.a.hits:obvs": {1, 1}, "app.b.hits:obvs": {1, 1}}},
		{"app.{a,x}.hits", 0, map[string][]float64{"app.a.hits": {1, 2}}},
		{"app.c*.hits", 0, map[string][]float64{}},
		{"sumSeries(app.*.hits)", 0, map[string][]float64{"sumSeries(app.*.hits)": {11, 22}}},
		{"sumSeries(app.*.hits:avg)", 1, map[string][]float64{"sumSeries(app.*.hits:avg)": {16.5}}},
		{"app.a.hits|scale(10)|alias('x')", 0, map[string][]float64{"x": {10, 20}}},
		{`seriesByTag("name=cpu","dc=x")`, 0, map[string][]float64{"cpu;dc=x": {5, nan}}},
		{`sumSeries(seriesByTag("name=cpu"))`, 0, map[string][]float64{`sumSeries(seriesByTag("name=cpu"))`: {11, nan}}},
		// Not of merged cells: the sum of both points, then their average.
		{"integral(app.a.hits)", 1, map[string][]float64{"integral(app.a.hits)": {2}}},
		{"consolidateBy(app.a.hits,'max')", 1, map[string][]float64{`consolidateBy(app.a.hits,"max")`: {2}}},
	} {
		got, err := e.Fetch(context.Background(), request(0, 120, c.limit, c.target))
		if err != nil {
			t.Errorf("%s: %v", c.target, err)
			continue
		}
		values := map[string][]float64{}
		for _, s := range got {
			values[s.Name] = s.Values
		}
		if diff := cmp.Diff(c.want, values, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s:\n%s", c.target, diff)
		}
	}
}
