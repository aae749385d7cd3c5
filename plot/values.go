package plot

import (
	"math"
	"strconv"
)

// valueAxis maps values to heights on the canvas.
type valueAxis struct {
	lo, hi float64
	ticks  []tick // from below; none without values
	scale  int    // the labels' power of ten
}

// tick is digits times ten to the exponent, as an exact value to label.
type tick struct {
	digits   int64
	exponent int
	value    float64
}

const (
	// widest bounds the values that an axis reaches to, so that sums and
	// differences of them are finite.
	widest = 4e307
	// narrowest is the range that is taken as none, in which ticks could not be
	// told apart.
	narrowest = 1e-300
	// finest is the same as a share of the largest value.
	finest = 1e-12
)

// newValueAxis returns an axis over the finite values, between round numbers.
func newValueAxis(series []Series, rows int) valueAxis {
	lo, hi := math.Inf(1), math.Inf(-1)
	some := false
	for _, s := range series {
		for _, p := range s.Points {
			some = some || !math.IsNaN(p.Value)
			if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
				v := min(max(p.Value, -widest), widest)
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	if !some {
		return valueAxis{}
	}
	lo, hi = span(lo, hi)
	digit, exponent := step((hi - lo) / float64(min(max(rows/3, 2), 8)))
	size := decimal(digit, exponent)
	// A value that is a round number but for the last bits is taken as one.
	first, last := int64(math.Floor(lo/size+1e-9)), int64(math.Ceil(hi/size-1e-9))
	var a valueAxis
	for k := first; k <= last; k++ {
		a.ticks = append(a.ticks, tick{digits: k * digit, exponent: exponent, value: decimal(k*digit, exponent)})
	}
	a.lo, a.hi = a.ticks[0].value, a.ticks[len(a.ticks)-1].value
	if e := exponentOf(max(math.Abs(a.lo), math.Abs(a.hi))); e < -3 || e > 2 {
		a.scale = e - mod(e, 3)
	}
	return a
}

// span returns the range to show. It includes zero where that costs no more than
// half of the height, and is never empty.
func span(lo, hi float64) (float64, float64) {
	switch {
	case lo > hi: // nothing finite
		return 0, 1
	case hi-lo <= max(narrowest, finest*max(math.Abs(lo), math.Abs(hi))):
		// A constant is shown well above zero.
		if math.Abs(hi) <= narrowest {
			return 0, 1
		}
		return min(0, 1.5*lo), max(0, 1.5*hi)
	case lo > 0 && lo <= hi/2:
		lo = 0
	case hi < 0 && hi >= lo/2:
		hi = 0
	}
	return lo, hi
}

// step returns the least of 1, 2 and 5 times a power of ten that is not less
// than size.
func step(size float64) (digit int64, exponent int) {
	exponent = exponentOf(size)
	for _, digit := range []int64{1, 2, 5} {
		if decimal(digit, exponent) >= size*(1-1e-9) {
			return digit, exponent
		}
	}
	return 1, exponent + 1
}

// exponentOf returns the power of ten in a positive number.
func exponentOf(v float64) int {
	e := int(math.Floor(math.Log10(v)))
	if decimal(1, e+1) <= v { // the logarithm is not exact
		e++
	}
	return e
}

// decimal returns digits times ten to the exponent, correctly rounded.
func decimal(digits int64, exponent int) float64 {
	v, _ := strconv.ParseFloat(strconv.FormatInt(digits, 10)+"e"+strconv.Itoa(exponent), 64)
	return v
}

// at returns the height of a value, from 0 to 1 within the axis.
func (a *valueAxis) at(v float64) float64 {
	if math.IsInf(v, 0) {
		return v
	}
	return (v - a.lo) / (a.hi - a.lo)
}

// label returns the label of a tick. All of an axis have the same prefix and the
// same decimals.
func (f *frame) label(t tick) string {
	if t.digits == 0 {
		return "0"
	}
	prefix, ok := f.prefix(f.values.scale)
	if !ok {
		return strconv.FormatFloat(t.value, 'g', -1, 64)
	}
	return decimals(t.digits, t.exponent-f.values.scale) + prefix
}

// mod returns n modulo m, never negative.
func mod(n, m int) int { return ((n % m) + m) % m }
