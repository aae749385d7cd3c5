package functions

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/coalesce-metrics/coalesce/query/target"
)

func TestWiden(t *testing.T) {
	for _, c := range []struct {
		name  string
		s     Series
		step  int64
		start int64
		want  []float64
	}{
		{"average", Series{Start: 60, Step: 10, Values: []float64{1, 2, nan, 4, 5, 6}}, 30, 60, []float64{1.5, 5}},
		{"a part at the start is left out", Series{Start: 50, Step: 10, Values: []float64{9, 1, 2, 3}}, 30, 60, []float64{2}},
		{"a part at the end is kept", Series{Start: 60, Step: 10, Values: []float64{1, 2, 3, 4}}, 30, 60, []float64{2, 4}},
		{"shorter than one", Series{Start: 70, Step: 10, Values: []float64{3, 5}}, 60, 60, []float64{4}},
		{"sum", Series{Start: 60, Step: 10, Values: []float64{1, 2, nan}, Consolidate: "sum"}, 30, 60, []float64{3}},
		{"min", Series{Start: 60, Step: 10, Values: []float64{3, 2, nan}, Consolidate: "min"}, 30, 60, []float64{2}},
		{"max", Series{Start: 60, Step: 10, Values: []float64{3, 2, nan}, Consolidate: "max"}, 30, 60, []float64{3}},
		{"first", Series{Start: 60, Step: 10, Values: []float64{nan, 2, 3}, Consolidate: "first"}, 30, 60, []float64{2}},
		{"last", Series{Start: 60, Step: 10, Values: []float64{1, 2, nan}, Consolidate: "last"}, 30, 60, []float64{2}},
		{"count", Series{Start: 60, Step: 10, Values: []float64{1, 2, nan}, Consolidate: "count"}, 30, 60, []float64{2}},
		{"avg_zero", Series{Start: 60, Step: 10, Values: []float64{1, 2, nan}, Consolidate: "avg_zero"}, 30, 60, []float64{1}},
		{"too few", Series{Start: 60, Step: 10, Values: []float64{1, 2, nan, 1, nan, nan}, XFilesFactor: 0.5}, 30, 60, []float64{1.5, nan}},
		{"nothing", Series{Start: 60, Step: 10, Values: []float64{nan, nan, nan}}, 30, 60, []float64{nan}},
		{"no values", Series{Start: 60, Step: 10}, 30, 60, nil},
		{"before 1970", Series{Start: -50, Step: 10, Values: []float64{9, 9, 1, 2, 3}}, 30, -30, []float64{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.s
			before := slices.Clone(s.Values)
			s.Widen(c.step)
			if s.Start != c.start || s.Step != c.step || s.End != c.start+int64(len(c.want))*c.step || !slices.EqualFunc(s.Values, c.want, alike) {
				t.Errorf("got %+v, want %v from %d", s, c.want, c.start)
			}
			if !slices.EqualFunc(before, c.s.Values, alike) {
				t.Error("the old values were modified")
			}
		})
	}
}

// A point is added to the one that has the same time, whatever the steps and
// starts, as a sum over a map from times shows.
func TestSeriesOfDifferentStepsAreAddedByTime(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	e, err := target.Parse("sumSeries(a)")
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		steps := []int64{5, 10, 20, 30, 60}
		from := rnd.Int64N(1000)
		until := from + 1 + rnd.Int64N(1000)
		var list []*Series
		common := int64(1)
		for range 1 + rnd.IntN(4) {
			step := steps[rnd.IntN(len(steps))]
			s := &Series{Name: "a", Step: step, Start: from - from%step + step, Consolidate: "sum"}
			for at := s.Start; at < until-until%step+step || at == s.Start; at += step {
				if rnd.IntN(4) == 0 {
					s.Values = append(s.Values, nan)
					continue
				}
				s.Values = append(s.Values, float64(rnd.IntN(100)))
			}
			list = append(list, s)
			common = lcm(common, step)
		}
		if from/common == until/common {
			continue // no point of the common step is in the range
		}
		sums := map[int64]float64{}
		for _, s := range list {
			for i, v := range s.Values {
				if at := s.Start + int64(i)*s.Step; !missing(v) {
					sums[at-at%common] += v
				}
			}
		}
		got, err := Eval(&Context{From: from, Until: until, Fetch: fixed(list...)}, e)
		if err != nil {
			t.Fatal(err)
		}
		first := from - from%common + common
		if s := got[0]; s.Start != first || s.Step != common {
			t.Fatalf("from %d each %d, want %d and %d", s.Start, s.Step, first, common)
		}
		for i, v := range got[0].Values {
			want, ok := sums[first+int64(i)*common]
			if !ok {
				want = nan
			}
			if !alike(v, want) {
				t.Fatalf("range %d to %d: point %d is %g, want %g", from, until, i, v, want)
			}
		}
	}
}

func TestStepsWithoutCommonOne(t *testing.T) {
	a := &Series{Name: "a", Start: 0, Step: 30000000007, Values: []float64{1}}
	b := &Series{Name: "b", Start: 0, Step: 30000000001, Values: []float64{1}}
	e, err := target.Parse("sumSeries(a)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Eval(&Context{From: 1, Until: 2, Fetch: fixed(a, b)}, e); err == nil {
		t.Error("no error")
	}
}
