package cell

import "math"

// Rank returns the value of rank k, from 0 for the smallest, of the values in
// order, with nothing interpolated. lo and hi are the smallest and largest
// value: the Min and Max of the cell. It is NaN when there is no such rank, and
// with bounds.
//
// While the values are exact the result is one of them. From the sketch, see
// [Values.Approximate], it is never outside lo and hi, and within 1 % of the
// value of that rank, but for those smaller than a 2^32nd of the largest value.
// It reorders the values that v holds, so it needs the same exclusive hold of v
// as Add.
func (v *Values) Rank(k int64, lo, hi float64) float64 {
	switch {
	case k < 0 || k >= v.Len() || v.fixed != nil:
		return math.NaN()
	case v.rough:
		return clamp(v.roughRank(k), lo, hi)
	}
	return selectRank(v.exact, int(k))
}

// AppendExact appends the values to dst in no particular order, and tells
// whether it could: from a sketch or from counts it appends nothing. A nil v has no values.
func (v *Values) AppendExact(dst []float64) ([]float64, bool) {
	if v == nil {
		return dst, true
	}
	if v.rough || v.fixed != nil {
		return dst, false
	}
	return append(dst, v.exact...), true
}
