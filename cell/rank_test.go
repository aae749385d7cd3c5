package cell

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRankExact(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	for n := 1; n <= ValuesCap; n += 1 + n/5 {
		for name, values := range series(r, n) {
			v, c := valuesOf(values...), of(values...)
			sorted := slices.Sorted(slices.Values(values))
			for range 20 {
				k := r.IntN(n)
				if got := v.Rank(int64(k), c.Min, c.Max); got != sorted[k] {
					t.Fatalf("%s, %d values: rank %d is %v, want %v", name, n, k, got, sorted[k])
				}
			}
		}
	}
}

func TestRankOfSketch(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 2))
	const n = 5000
	for name, values := range series(r, n) {
		v, c := valuesOf(values...), of(values...)
		if !v.Approximate() {
			t.Fatalf("%s: %d values are exact", name, n)
		}
		sorted := slices.Sorted(slices.Values(values))
		for k := 0; k < n; k += 7 {
			got, want := v.Rank(int64(k), c.Min, c.Max), sorted[k]
			if !identical(got, want) && !(math.Abs(got-want) <= math.Abs(want)*0.0079) {
				t.Errorf("%s: rank %d is %v, want %v", name, k, got, want)
			}
			if got < c.Min || got > c.Max {
				t.Errorf("%s: rank %d is %v, outside %v to %v", name, k, got, c.Min, c.Max)
			}
		}
	}
}

func TestRankOutside(t *testing.T) {
	for name, v := range map[string]*Values{"empty": {}, "nil": nil, "two": valuesOf(1, 2)} {
		for _, k := range []int64{-1, 2, math.MaxInt64} {
			if got := v.Rank(k, 1, 2); !math.IsNaN(got) {
				t.Errorf("%s: rank %d is %v, want NaN", name, k, got)
			}
		}
	}
}

func TestAppendExact(t *testing.T) {
	full := make([]float64, ValuesCap)
	for i := range full {
		full[i] = float64(i)
	}
	cases := map[string]struct {
		v    *Values
		want []float64
		ok   bool
	}{
		"nil":    {nil, []float64{9}, true},
		"empty":  {&Values{}, []float64{9}, true},
		"some":   {valuesOf(3, math.Inf(1), 3), []float64{9, 3, math.Inf(1), 3}, true},
		"full":   {valuesOf(full...), append([]float64{9}, full...), true},
		"sketch": {valuesOf(append(full, 1)...), []float64{9}, false},
	}
	for name, c := range cases {
		got, ok := c.v.AppendExact([]float64{9})
		if ok != c.ok || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, ok, c.want, c.ok)
		}
	}
	v := valuesOf(1, 2)
	got, _ := v.AppendExact(nil)
	got[0] = 7
	if v.Rank(0, 1, 2) != 1 {
		t.Error("what AppendExact returned shares memory with the values")
	}
}
