package cell

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func valuesOf(xs ...float64) *Values {
	var v Values
	for _, x := range xs {
		v.Add(x)
	}
	return &v
}

// naive is carbon's percentile.
func naive(values []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(values))
	r := q * float64(len(s)-1)
	l, u := math.Floor(r), math.Ceil(r)
	if l == u {
		return s[int(l)]
	}
	return s[int(l)]*(u-r) + s[int(u)]*(r-l)
}

var fractions = []float64{0, 0.001, 0.05, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1}

func TestQuantileExact(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 7))
	for n := 1; n <= ValuesCap; n += 1 + n/7 {
		for name, values := range series(r, n) {
			v := valuesOf(values...)
			c := of(values...)
			for _, q := range fractions {
				if got, want := v.Quantile(q, c.Min, c.Max), naive(values, q); got != want {
					t.Fatalf("%s, %d values, %v: got %v, want %v", name, n, q, got, want)
				}
			}
			if v.Approximate() {
				t.Fatalf("%d values are approximate", n)
			}
		}
	}
}

// TestSelectRank orders what defeats simple choices of pivots.
func TestSelectRank(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	n := ValuesCap
	killer := make([]float64, n) // median of three always finds the second smallest
	for i := range n / 2 {
		if i%2 == 0 {
			killer[i] = float64(i + 1)
		} else {
			killer[i] = float64(n/2 + i + i%2)
		}
		killer[n/2+i] = float64((i + 1) * 2)
	}
	pipe := make([]float64, n)
	for i := range pipe {
		pipe[i] = float64(min(i, n-i))
	}
	for name, a := range map[string][]float64{
		"killer": killer, "organ pipe": pipe, "constant": make([]float64, n),
		"infinities": {math.Inf(1), math.Inf(-1), 0, math.Inf(1), 3, math.Inf(-1), math.Inf(1)},
	} {
		t.Run(name, func(t *testing.T) {
			want := slices.Sorted(slices.Values(a))
			for range 50 {
				rank := r.IntN(len(a))
				b := slices.Clone(a)
				if got := selectRank(b, rank); got != want[rank] {
					t.Fatalf("rank %d is %v, want %v", rank, got, want[rank])
				}
				if b[rank] != want[rank] || slices.Max(b[:rank+1]) > b[rank] || slices.Min(b[rank:]) < b[rank] {
					t.Fatalf("rank %d is not in its place", rank)
				}
			}
		})
	}
}

func TestQuantileSketch(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	const n = 20000
	kinds := series(r, n)
	fill := func(name string, f func() float64) {
		s := make([]float64, n)
		for i := range s {
			s[i] = f()
		}
		kinds[name] = s
	}
	fill("subnormal", func() float64 { return math.Float64frombits(r.Uint64N(1 << 30)) })
	fill("around subnormal", func() float64 { return math.Float64frombits(r.Uint64N(1 << 53)) })
	fill("largest", func() float64 { return math.MaxFloat64 * (1 - r.Float64()/2) })
	fill("mostly zero", func() float64 { return float64(r.IntN(3) - 1) })
	fill("with infinities", func() float64 { return []float64{math.Inf(1), math.Inf(-1), 1, 2, 3}[r.IntN(5)] })
	fill("constant", func() float64 { return 42.42 })
	for name, values := range kinds {
		t.Run(name, func(t *testing.T) {
			v, c := valuesOf(values...), of(values...)
			if !v.Approximate() || v.Len() != n {
				t.Fatalf("approximate %v, %d values", v.Approximate(), v.Len())
			}
			sorted := slices.Sorted(slices.Values(values))
			for _, q := range fractions {
				got := v.Quantile(q, c.Min, c.Max)
				rank := q * (n - 1)
				below, above := sorted[int(rank)], sorted[int(math.Ceil(rank))]
				want := naive(values, q)
				scale := max(math.Abs(below), math.Abs(above))
				if !identical(got, want) && !(math.Abs(got-want) <= scale*0.0079) {
					t.Errorf("%v: got %v, want %v", q, got, want)
				}
				if got < c.Min || got > c.Max {
					t.Errorf("%v: %v is outside %v to %v", q, got, c.Min, c.Max)
				}
			}
			// An adjacent series of equal values is read within its own bin.
			if name == "constant" && v.Quantile(0.5, c.Min, c.Max) != 42.42 {
				t.Error("a constant is not read as it is")
			}
		})
	}
}

// TestBins checks the error bound and the order of bins at their edges over
// the whole range.
func TestBins(t *testing.T) {
	last := -1
	check := func(x float64) {
		t.Helper()
		i := binOf(x)
		if i < last || i > topBin {
			t.Fatalf("%g lies in bin %d, after %d", x, i, last)
		}
		last = i
		if err := math.Abs(binValue(i)-x) / x; !(err <= 1.0/128) {
			t.Fatalf("%g is read as %g, off by %g", x, binValue(i), err)
		}
		if back := binOf(binValue(i)); back != i {
			t.Fatalf("the middle of bin %d lies in %d", i, back)
		}
	}
	for k := uint64(1); k < 1<<12; k++ {
		check(math.Float64frombits(k))
	}
	for e := uint64(12); e < 0x7ff<<6; e++ {
		for _, off := range []uint64{0, 1, 1 << 45, 1<<46 - 1} {
			if bits := e<<46 | off; e > 0 {
				check(math.Float64frombits(bits))
			}
		}
	}
	if last != topBin {
		t.Errorf("highest bin is %d, topBin %d", last, topBin)
	}
}

// model is the definition of the sketch: a count for each bin, lowered to
// maxBins below the highest at reading.
type model map[int]int64

func (m model) clamped() model {
	if len(m) == 0 {
		return m
	}
	floor := slices.Max(slices.Collect(maps.Keys(m))) - maxBins + 1
	out := model{}
	for i, n := range m {
		out[max(i, floor)] += n
	}
	return out
}

func (b *bins) model() model {
	out := model{}
	for k, n := range b.counts {
		if n != 0 {
			out[b.top-k] = n
		}
	}
	return out
}

// wide returns values over far more powers of two than the bins hold.
func wide(r *rand.Rand) float64 {
	switch r.IntN(20) {
	case 0:
		return 0
	case 1:
		return math.Inf(1 - 2*r.IntN(2))
	}
	span := 10 << r.IntN(8)
	return math.Ldexp(1-2*r.Float64(), r.IntN(span)-span/2-r.IntN(2)*300)
}

// TestSketchMerges splits values at random over parts, merges them in a random
// order, and expects exactly the state of the whole, which must be the model's.
func TestSketchMerges(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 99))
		whole, pos, neg := &Values{}, model{}, model{}
		parts := make([]*Values, 1+r.IntN(12))
		for i := range parts {
			parts[i] = &Values{}
		}
		for range 1 + r.IntN(6000) {
			x := wide(r)
			whole.Add(x)
			parts[r.IntN(len(parts))].Add(x)
			switch {
			case x == 0 || math.IsInf(x, 0):
			case x > 0:
				pos[binOf(x)]++
			default:
				neg[binOf(-x)]++
			}
		}
		n := whole.Len()
		for len(parts) > 1 {
			i, j := r.IntN(len(parts)-1), len(parts)-1
			before := fmt.Sprint(*parts[j])
			parts[i].Merge(parts[j])
			if fmt.Sprint(*parts[j]) != before {
				t.Fatalf("seed %d: the merged values changed", seed)
			}
			parts = parts[:j]
		}
		equalValues(t, parts[0], whole)
		if whole.Approximate() != (n > ValuesCap) {
			t.Fatalf("seed %d: %d values, approximate %v", seed, n, whole.Approximate())
		}
		if !whole.Approximate() {
			continue
		}
		if !maps.Equal(whole.pos.model(), pos.clamped()) || !maps.Equal(whole.neg.model(), neg.clamped()) {
			t.Fatalf("seed %d: bins differ from the model", seed)
		}
	}
}

// equalValues compares the whole state, exact values without their order.
func equalValues(t *testing.T, a, b *Values) {
	t.Helper()
	sorted := func(v *Values) []float64 { return slices.Sorted(slices.Values(v.exact)) }
	if a.rough != b.rough || a.Len() != b.Len() || !slices.Equal(sorted(a), sorted(b)) {
		t.Fatalf("%d values, approximate %v; want %d, %v", a.Len(), a.rough, b.Len(), b.rough)
	}
	if !slices.Equal(a.Counts(), b.Counts()) || a.Approximate() != b.Approximate() {
		t.Fatalf("counts %v, approximate %v; want %v, %v", a.Counts(), a.Approximate(), b.Counts(), b.Approximate())
	}
	if a.zero != b.zero || a.negInf != b.negInf || a.posInf != b.posInf {
		t.Fatalf("counts apart differ: %+v, %+v", a, b)
	}
	for _, x := range [][2]*bins{{&a.pos, &b.pos}, {&a.neg, &b.neg}} {
		if x[0].top != x[1].top && len(x[0].counts) > 0 || !slices.Equal(x[0].counts, x[1].counts) {
			t.Fatalf("bins differ: %+v, %+v", x[0], x[1])
		}
		if n := x[0].counts; len(n) > maxBins || len(n) > 0 && (n[0] == 0 || n[len(n)-1] == 0) {
			t.Fatalf("%d bins, or not trimmed", len(n))
		}
	}
}

func TestValuesCap(t *testing.T) {
	var v Values
	for i := range ValuesCap {
		v.Add(float64(i))
	}
	if v.Approximate() || v.Len() != ValuesCap || cap(v.exact) != ValuesCap {
		t.Fatalf("at the cap: approximate %v, %d values, room for %d", v.Approximate(), v.Len(), cap(v.exact))
	}
	v.Add(1)
	if !v.Approximate() || v.Len() != ValuesCap+1 {
		t.Fatalf("above: approximate %v, %d values", v.Approximate(), v.Len())
	}
	half := valuesOf(make([]float64, ValuesCap/2)...)
	half.Merge(half.Clone())
	if half.Approximate() {
		t.Error("two halves are approximate")
	}
	half.Merge(valuesOf(1))
	if !half.Approximate() || half.Len() != ValuesCap+1 {
		t.Error("the cap does not count the merged whole")
	}
}

func TestValuesGrowth(t *testing.T) {
	v := valuesOf(1, 2, 3)
	if n := cap(v.exact); n > 8 {
		t.Errorf("three values take room for %d", n)
	}
}

func TestValuesNaN(t *testing.T) {
	nan := math.NaN()
	for _, n := range []int{3, ValuesCap, 3000} {
		v := &Values{}
		for i := range n {
			v.Add(nan)
			v.Add(float64(i))
			v.Add(nan)
		}
		if v.Len() != int64(n) {
			t.Errorf("%d values counted, want %d", v.Len(), n)
		}
		if got := v.Quantile(1, 0, float64(n-1)); math.Abs(got-float64(n-1)) > float64(n)/128 {
			t.Errorf("maximum %v", got)
		}
	}
}

func TestValuesResetAndClone(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	reused := &Values{}
	for _, n := range []int{10, 5000, 3, 2000, 0, 1024} {
		fresh := &Values{}
		for range n {
			x := wide(r)
			reused.Add(x)
			fresh.Add(x)
		}
		equalValues(t, reused, fresh)
		c := reused.Clone()
		equalValues(t, c, fresh)
		c.Merge(valuesOf(1, 2, 3))
		equalValues(t, reused, fresh)
		reused.Reset()
		if reused.Len() != 0 || reused.Approximate() {
			t.Fatal("not empty after Reset")
		}
	}
	reused.Add(1)
	reused.Reset()
	if n := testing.AllocsPerRun(10, func() {
		for i := range 3000 {
			reused.Add(float64(i % 100))
		}
		reused.Reset()
	}); n != 0 {
		t.Errorf("reuse allocates %v times", n)
	}
}

func TestValuesNilAndBadFraction(t *testing.T) {
	var none *Values
	if none.Len() != 0 || none.Approximate() || none.Clone() != nil {
		t.Error("nil is not empty")
	}
	v := valuesOf(1, 2)
	v.Merge(nil)
	if v.Len() != 2 {
		t.Error("nil merged something")
	}
	for _, q := range []float64{-0.1, 1.1, math.NaN()} {
		if got := v.Quantile(q, 1, 2); got == got {
			t.Errorf("fraction %v gives %v", q, got)
		}
	}
}
