package cell

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func boundedOf(bounds []float64, xs ...float64) *Values {
	v := NewBounded(bounds)
	for _, x := range xs {
		v.Add(x)
	}
	return v
}

func TestBounded(t *testing.T) {
	inf := math.Inf(1)
	for name, tc := range map[string]struct {
		bounds, values []float64
		want           []int64
	}{
		"between":             {[]float64{0.01, 0.1, 1, 10, 1000, 10000}, []float64{0.005, 0.01, 0.5, 1, 9.99, 10, 20000}, []int64{1, 1, 1, 2, 1, 0, 1}},
		"on each bound":       {[]float64{-1, 0, 1}, []float64{-1, 0, 1}, []int64{0, 1, 1, 1}},
		"just below them":     {[]float64{-1, 1}, []float64{math.Nextafter(-1, -2), math.Nextafter(1, 0)}, []int64{1, 1, 0}},
		"negative":            {[]float64{1, 2}, []float64{-5, -1}, []int64{2, 0, 0}},
		"no bounds":           {nil, []float64{-5, 0, 5}, []int64{3}},
		"one bound":           {[]float64{0}, []float64{-5, 0, 5}, []int64{1, 2}},
		"infinities, not NaN": {[]float64{0}, []float64{-inf, inf, math.NaN()}, []int64{1, 1}},
		"negative zero":       {[]float64{0}, []float64{math.Copysign(0, -1)}, []int64{0, 1}},
		"nothing":             {[]float64{0}, nil, []int64{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			v := boundedOf(tc.bounds, tc.values...)
			var sum int64
			for _, n := range tc.want {
				sum += n
			}
			if !slices.Equal(v.Counts(), tc.want) || v.Len() != sum || v.Approximate() {
				t.Errorf("counted %v of %d, approximate %v, want %v", v.Counts(), v.Len(), v.Approximate(), tc.want)
			}
			if q := v.Quantile(0.5, 0, 1); !math.IsNaN(q) || !math.IsNaN(v.Rank(0, 0, 1)) {
				t.Errorf("the median is %v", q)
			}
			if _, ok := v.AppendExact(nil); ok {
				t.Error("the values are known")
			}
			v.Reset()
			if v.Add(-7); v.Len() != 1 || v.Counts()[0]+v.Counts()[len(v.Counts())-1] == 0 {
				t.Errorf("after Reset %v", v.Counts())
			}
		})
	}
	if (*Values)(nil).Counts() != nil || new(Values).Counts() != nil {
		t.Error("there are counts without bounds")
	}
}

func TestCheckBounds(t *testing.T) {
	for name, bounds := range map[string][]float64{
		"equal": {1, 1}, "falling": {2, 1}, "zeros": {math.Copysign(0, -1), 0},
		"NaN": {math.NaN()}, "infinity": {0, math.Inf(1)}, "many": make([]float64, MaxBounds+1),
	} {
		if CheckBounds(bounds) == nil {
			t.Errorf("%s: %v are taken", name, bounds[:min(3, len(bounds))])
		}
	}
	if err := CheckBounds([]float64{-1, 0, 0.5}); err != nil {
		t.Error(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("falling bounds are taken")
		}
	}()
	NewBounded([]float64{2, 1})
}

// What is merged in any grouping counts as one that has got all.
func TestBoundedMerges(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	bounds := []float64{-1, 0, 2.5}
	whole, parts := NewBounded(bounds), []*Values{new(Values), NewBounded(slices.Clone(bounds)), NewBounded(bounds)}
	parts[0].Reset() // with nothing, it takes the bounds over
	for range 1000 {
		x, n := r.NormFloat64()*3, int64(1+r.IntN(3)*r.IntN(2))
		whole.AddN(x, n)
		parts[1+r.IntN(2)].AddN(x, n)
	}
	before := parts[2].Clone()
	for _, p := range parts[1:] {
		parts[0].Merge(p)
	}
	if !slices.Equal(parts[0].Counts(), whole.Counts()) || parts[0].Len() != whole.Len() || !parts[0].Approximate() {
		t.Errorf("merged %v, want %v", parts[0].Counts(), whole.Counts())
	}
	if !slices.Equal(parts[2].Counts(), before.Counts()) {
		t.Error("what was merged has changed")
	}
	n := parts[0].Len()
	parts[0].Merge(valuesOf(1, -7)) // exact ones can be counted
	parts[0].Add(5)
	if parts[0].Len() != n+3 || before.Len()+n+3 == parts[0].Len() {
		t.Errorf("%d values, then %d", n, parts[0].Len())
	}
}

// What cannot be counted is left out, so that the count of the cell tells.
func TestBoundedLeavesOutOthers(t *testing.T) {
	sketch := valuesOf(make([]float64, 2000)...)
	for name, tc := range map[string]struct{ into, from *Values }{
		"other bounds":  {boundedOf([]float64{1}, 0, 1), boundedOf([]float64{2}, 0)},
		"fewer bounds":  {boundedOf([]float64{1}, 0, 1), boundedOf(nil, 0)},
		"a sketch":      {boundedOf([]float64{1}, 0, 1), sketch},
		"into exact":    {valuesOf(0, 1), boundedOf([]float64{1}, 0)},
		"into a sketch": {sketch.Clone(), boundedOf([]float64{1}, 0)},
	} {
		n := tc.into.Len()
		if tc.into.Merge(tc.from); tc.into.Len() != n {
			t.Errorf("%s: %d values, were %d", name, tc.into.Len(), n)
		}
	}
}

func TestAddN(t *testing.T) {
	v := valuesOf(1, 3)
	if v.AddN(2, 1); v.Approximate() || v.Len() != 3 || v.Quantile(0.5, 1, 3) != 2 {
		t.Errorf("one value is not held as it is: %+v", v)
	}
	v.AddN(5, 0)
	v.AddN(5, -1)
	v.AddN(math.NaN(), 5)
	if v.Len() != 3 || v.Approximate() {
		t.Errorf("nothing was added, but there are %d values", v.Len())
	}
	v.AddN(100, 1e12)
	if q := v.Quantile(0.5, 1, 100); !v.Approximate() || v.Len() != 1e12+3 || math.Abs(q-100) > 1 {
		t.Errorf("%d values, median %v", v.Len(), q)
	}
	// Of a few the sketch is not far either.
	few := new(Values)
	few.AddN(-8, 2)
	few.Add(4)
	if lo, hi := few.Quantile(0.5, -8, 4), few.Quantile(1, -8, 4); math.Abs(lo+8) > 0.08 || math.Abs(hi-4) > 0.04 {
		t.Errorf("between %v and %v", lo, hi)
	}
	// As many times one by one gives the same sketch.
	one, many := new(Values), new(Values)
	r := rand.New(rand.NewPCG(9, 9))
	for range 400 {
		x, n := wide(r), 2+r.Int64N(5)
		one.AddN(x, n)
		for range n {
			many.Add(x)
		}
	}
	for _, q := range fractions {
		if one.Quantile(q, -1e300, 1e300) != many.Quantile(q, -1e300, 1e300) {
			t.Errorf("%v differs", q)
		}
	}
}

// No count goes beyond what can be counted.
func TestCountsEnd(t *testing.T) {
	for _, v := range []*Values{new(Values), NewBounded([]float64{0})} {
		v.AddN(1, math.MaxInt64-1)
		v.AddN(1, 2)
		if n := v.Len(); n != math.MaxInt64-1 {
			t.Errorf("%d values", n)
		}
		if v.Merge(v.Clone()); v.Len() != math.MaxInt64-1 {
			t.Errorf("%d values", v.Len())
		}
	}
	c := Cell{Count: math.MaxInt64 - 1, Sum: 1}
	if c.Merge(&Cell{Count: 2, Sum: 1}); c.Count != math.MaxInt64-1 || c.Sum != 1 {
		t.Errorf("%+v", c)
	}
	if c.Merge(&Cell{Count: 1, Sum: 1}); c.Count != math.MaxInt64 || c.Sum != 2 {
		t.Errorf("%+v", c)
	}
}
