package functions

import (
	"math/rand/v2"
	"testing"
)

// A window gives what the aggregation function makes of its values.
func TestWindowsAgainstFunctions(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	c := &call{ev: &evaluator{ctx: &Context{}}}
	for _, by := range aggNames {
		for range 50 {
			values := make([]float64, 1+rnd.IntN(60))
			for i := range values {
				if values[i] = float64(rnd.IntN(40)-20) / 4; rnd.IntN(4) == 0 {
					values[i] = nan
				}
			}
			width := 1 + rnd.IntN(10)
			skip := rnd.IntN(len(values))
			got := make([]float64, len(values)-skip)
			for i := range got {
				got[i] = nan
			}
			xff := rnd.Float64()
			if err := c.slide(got, values, width, by, xff); err != nil {
				t.Fatal(err)
			}
			for i := range got {
				part := ascendingTimes(values[max(skip+i+1-width, 0) : skip+i+1])
				want := nan
				if float64(len(part)) >= xff*float64(width) && len(part) > 0 {
					want = aggFuncs[by](part)
				}
				if !alike(got[i], want) && !(by == "stddev" && got[i]-want < 1e-7) {
					t.Fatalf("%s over %d of %v: point %d is %g, want %g", by, width, values, skip+i, got[i], want)
				}
			}
		}
	}
}

// ascendingTimes leaves out what is missing.
func ascendingTimes(values []float64) []float64 {
	var there []float64
	for _, v := range values {
		if !missing(v) {
			there = append(there, v)
		}
	}
	return there
}

// Large values leave no error behind when they have gone.
func TestWindowsForgetWhatWasLarge(t *testing.T) {
	values := []float64{1e18, 0.1, 0.2, 0.3, 0.4}
	got := make([]float64, 5)
	c := &call{ev: &evaluator{ctx: &Context{}}}
	if err := c.slide(got, values, 2, "sum", 0); err != nil {
		t.Fatal(err)
	}
	if got[4] != 0.7 {
		t.Errorf("0.3 + 0.4 after 1e18 is %g", got[4])
	}
}

func BenchmarkMovingAverage(b *testing.B) {
	values := make([]float64, 10000)
	into := make([]float64, 9000)
	c := &call{ev: &evaluator{ctx: &Context{}}}
	b.SetBytes(int64(8 * len(into)))
	for b.Loop() {
		if err := c.slide(into, values, 1000, "average", 0); err != nil {
			b.Fatal(err)
		}
	}
}
