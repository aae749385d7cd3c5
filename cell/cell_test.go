package cell

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"unsafe"
)

func of(values ...float64) *Cell {
	var c Cell
	for i, x := range values {
		c.Add(x, float64(i))
	}
	return &c
}

func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(Cell{}); n != 64 {
		t.Errorf("a cell has %d bytes, not those of a cache line", n)
	}
}

func TestAdd(t *testing.T) {
	inf, negZero := math.Inf(1), math.Copysign(0, -1)
	type at struct{ v, t float64 }
	for _, tc := range []struct {
		name string
		add  []at
		want Cell
	}{
		{"nothing", nil, Cell{}},
		{"one", []at{{3, 10}}, Cell{Count: 1, Sum: 3, Min: 3, Max: 3, Last: 3, LastTime: 10}},
		{"below 0 and before 1970", []at{{-3, -10}}, Cell{Count: 1, Sum: -3, Min: -3, Max: -3, Last: -3, LastTime: -10}},
		{"in order", []at{{1, 1}, {5, 2}, {3, 3}}, Cell{Count: 3, Sum: 9, Min: 1, Max: 5, M2: 8, Last: 3, LastTime: 3}},
		{"out of order", []at{{1, 3}, {5, 2}, {3, 1}}, Cell{Count: 3, Sum: 9, Min: 1, Max: 5, M2: 8, Last: 1, LastTime: 3}},
		{"same time, later call", []at{{1, 3}, {5, 3}}, Cell{Count: 2, Sum: 6, Min: 1, Max: 5, M2: 8, Last: 5, LastTime: 3}},
		{"0 before -0", []at{{0, 1}, {negZero, 1}}, Cell{Count: 2, Last: negZero, LastTime: 1}},
		{"-0 before 0", []at{{negZero, 1}, {0, 1}}, Cell{Count: 2, Min: negZero, Max: negZero, LastTime: 1}},
		{"lone -0 sums to 0", []at{{negZero, 1}}, Cell{Count: 1, Min: negZero, Max: negZero, Last: negZero, LastTime: 1}},
		{"lone infinity", []at{{inf, 1}}, Cell{Count: 1, Sum: inf, Min: inf, Max: inf, M2: math.NaN(), Last: inf, LastTime: 1}},
		{"compensation", []at{{1, 1}, {1e100, 2}, {1, 3}, {-1e100, 4}},
			Cell{Count: 4, Sum: 0, Comp: 2, Min: -1e100, Max: 1e100, M2: 2e200, Last: -1e100, LastTime: 4}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Cell{}
			for _, a := range tc.add {
				c.Add(a.v, a.t)
			}
			if !same(&c, &tc.want, 1e-15) {
				t.Errorf("got %+v, want %+v", c, tc.want)
			}
		})
	}
}

// same compares all of two cells: M2 and sums within rel, the rest exactly.
func same(a, b *Cell, rel float64) bool {
	scale := (math.Abs(a.Min) + math.Abs(a.Max)) * float64(a.Count)
	near := func(x, y, scale float64) bool { return identical(x, y) || math.Abs(x-y) <= rel*scale }
	return a.Count == b.Count && identical(a.Min, b.Min) && identical(a.Max, b.Max) &&
		identical(a.Last, b.Last) && identical(a.LastTime, b.LastTime) &&
		near(a.Total(), b.Total(), scale) && near(a.M2, b.M2, math.Abs(b.M2))
}

func TestMoments(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, tc := range []struct {
		name                          string
		values                        []float64
		total, mean, variance, stddev float64
	}{
		{"empty", nil, 0, nan, nan, nan},
		{"one", []float64{7}, 7, 7, 0, 0},
		{"textbook", []float64{2, 4, 4, 4, 5, 5, 7, 9}, 40, 5, 4, 2},
		{"constant without rounding noise", []float64{0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 0.7000000000000001, 0.1, 0, 0},
		{"offset", []float64{1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16}, 4e9 + 40, 1e9 + 10, 22.5, math.Sqrt(22.5)},
		{"infinity last", []float64{1, inf}, inf, inf, nan, nan},
		{"infinity first", []float64{inf, 1}, inf, inf, nan, nan},
		{"both infinities", []float64{inf, 1, -inf}, nan, nan, nan, nan},
		{"overflow", []float64{1e308, 1e308}, inf, inf, nan, nan},
		{"overflow of the squares only", []float64{1e200, -1e200}, 0, 0, inf, inf},
		{"largest", []float64{math.MaxFloat64}, math.MaxFloat64, math.MaxFloat64, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := of(tc.values...)
			for _, x := range []struct {
				name      string
				got, want float64
			}{
				{"total", c.Total(), tc.total},
				{"mean", c.Mean(), tc.mean},
				{"variance", c.Variance(), tc.variance},
				{"stddev", c.Stddev(), tc.stddev},
			} {
				if !identical(x.got, x.want) {
					t.Errorf("%s is %v, want %v", x.name, x.got, x.want)
				}
			}
		})
	}
}

// exactly computes sum and squared deviations in two passes without rounding
// that a float64 would show.
func exactly(values []float64) (sum, m2 float64) {
	const prec = 2400 // any two float64 fit
	f := func() *big.Float { return new(big.Float).SetPrec(prec) }
	total := f()
	for _, x := range values {
		total.Add(total, f().SetFloat64(x))
	}
	mean := f().Quo(total, f().SetInt64(int64(len(values))))
	squares := f()
	for _, x := range values {
		d := f().Sub(f().SetFloat64(x), mean)
		squares.Add(squares, d.Mul(d, d))
	}
	sum, _ = total.Float64()
	m2, _ = squares.Float64()
	return sum, m2
}

// series returns values of several kinds by name.
func series(r *rand.Rand, n int) map[string][]float64 {
	out := map[string][]float64{}
	fill := func(name string, f func() float64) {
		s := make([]float64, n)
		for i := range s {
			s[i] = f()
		}
		out[name] = s
	}
	fill("uniform", func() float64 { return r.Float64() })
	fill("normal", r.NormFloat64)
	fill("lognormal", func() float64 { return math.Exp(2 * r.NormFloat64()) })
	fill("shifted", func() float64 { return 1e9 + r.Float64() })
	fill("cancelling", func() float64 { return float64(1-2*r.IntN(2)) * math.Exp(20*r.Float64()) })
	fill("integers", func() float64 { return float64(r.IntN(100)) })
	fill("tiny", func() float64 { return 1e-300 * r.Float64() })
	fill("huge", func() float64 { return 1e150 * r.NormFloat64() })
	return out
}

func TestAgainstTwoPasses(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	for name, values := range series(r, 5000) {
		t.Run(name, func(t *testing.T) {
			c := of(values...)
			sum, m2 := exactly(values)
			if rel := math.Abs(c.Total()-sum) / math.Abs(sum); rel > 1e-15 {
				t.Errorf("sum %v, want %v", c.Total(), sum)
			}
			if rel := math.Abs(c.M2-m2) / m2; m2 > 0 && rel > tolerance(c) {
				t.Errorf("m2 %v, want %v, off by %v", c.M2, m2, rel)
			}
		})
	}
}

// tolerance is the error to expect of M2: that of a float64, enlarged as far
// as the mean exceeds the deviations.
func tolerance(c *Cell) float64 { return 1e-13 + 0x1p-52*math.Abs(c.Mean())/c.Stddev() }

// TestMergeSplits splits values over cells, merges these in a random order and
// grouping, and expects the single cell.
func TestMergeSplits(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 8))
	for name, values := range series(r, 3000) {
		t.Run(name, func(t *testing.T) {
			for _, k := range []int{1, 2, 3, 17, 1000} {
				var whole Cell
				parts := make([]Cell, k)
				for i, x := range values {
					whole.Add(x, float64(i))
					parts[r.IntN(k)].Add(x, float64(i))
				}
				for len(parts) > 1 {
					i, j := r.IntN(len(parts)), len(parts)-1
					if i == j {
						i = 0
					}
					before := parts[j]
					parts[i].Merge(&parts[j])
					if parts[j] != before {
						t.Fatal("the merged cell changed")
					}
					parts = parts[:j]
				}
				if !same(&parts[0], &whole, tolerance(&whole)) {
					t.Errorf("of %d parts: %+v, whole: %+v", k, parts[0], whole)
				}
				if rel := math.Abs(parts[0].Total()-whole.Total()) / math.Abs(whole.Total()); rel > 1e-15 {
					t.Errorf("sum of %d parts is %v, whole %v", k, parts[0].Total(), whole.Total())
				}
			}
		})
	}
}

func TestMerge(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	// The pooled example of two complex measurements.
	a := Cell{Count: 2, Sum: 4, Min: 1, Max: 3, M2: 2, Last: 3, LastTime: 1}
	b := Cell{Count: 2, Sum: 12, Min: 5, Max: 7, M2: 2, Last: 7, LastTime: 2}
	unknown := Cell{Count: 2, Sum: 12, Min: 6, Max: 6, M2: nan, Last: 6, LastTime: 2}
	for _, tc := range []struct {
		name string
		a, b *Cell
		want Cell
	}{
		{"pooled", &a, &b, Cell{Count: 4, Sum: 16, Min: 1, Max: 7, M2: 20, Last: 7, LastTime: 2}},
		{"pooled, later first", &b, &a, Cell{Count: 4, Sum: 16, Min: 1, Max: 7, M2: 20, Last: 7, LastTime: 2}},
		{"with empty", &a, &Cell{}, a},
		{"into empty", &Cell{}, &a, a},
		{"empty into empty", &Cell{}, &Cell{}, Cell{}},
		{"unknown deviations spread", &a, &unknown, Cell{Count: 4, Sum: 16, Min: 1, Max: 6, M2: nan, Last: 6, LastTime: 2}},
		{"tie of time", of(1), of(5), Cell{Count: 2, Sum: 6, Min: 1, Max: 5, M2: 8, Last: 5, LastTime: 0}},
		{"infinity", of(1), of(inf), Cell{Count: 2, Sum: inf, Min: 1, Max: inf, M2: nan, Last: inf, LastTime: 0}},
		{"one value only", of(0.1, 0.1, 0.1), of(0.1, 0.1, 0.1, 0.1),
			Cell{Count: 7, Sum: 0.7000000000000001, Min: 0.1, Max: 0.1, Last: 0.1, LastTime: 3}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := *tc.a
			got.Merge(tc.b)
			if !same(&got, &tc.want, 1e-15) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
	a.Merge(&b)
	if got := a.Stddev(); got != math.Sqrt(5) {
		t.Errorf("pooled stddev is %v", got)
	}
}

func TestNoAllocation(t *testing.T) {
	var c, o Cell
	o.Add(1, 1)
	if n := testing.AllocsPerRun(100, func() { c.Add(2, 2); c.Merge(&o) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
