package cell

import (
	"math"
	"slices"
)

// ValuesCap is how many values [Values] holds exactly. The cap is on the
// merged whole, not on each of its parts.
const ValuesCap = 1024

// Values holds the values of a cell for its percentiles: up to [ValuesCap]
// exactly, more in a sketch that finds a percentile within 1 %. One made by
// [NewBounded] counts them between fixed bounds instead. What it holds depends on
// the values added to it and to what was merged into it, and not on their order
// or grouping. The zero value is empty.
type Values struct {
	exact  []float64 // in no particular order; empty once sketched
	rough  bool      // the values are in the fields below
	fixed  *bounded  // they are in there instead; nil without bounds
	n      int64     // values in the fields below
	zero   int64
	negInf int64
	posInf int64
	neg    bins // by magnitude
	pos    bins
}

// Add counts x. A NaN is ignored: nothing lies below or above it.
func (v *Values) Add(x float64) {
	if v.rough {
		v.addRough(x)
		return
	}
	if len(v.exact) < cap(v.exact) && x == x {
		v.exact = append(v.exact, x)
		return
	}
	v.addSlow(x)
}

// firstValues is the room made for the first value; it doubles from there.
const firstValues = 8

func (v *Values) addSlow(x float64) {
	switch {
	case x != x:
	case v.fixed != nil: // exact has no room then
		v.fixed.add(x, 1)
	case len(v.exact) == ValuesCap:
		v.sketch()
		v.addRough(x)
	default:
		v.exact = append(grow(v.exact, 1, firstValues, ValuesCap), x)
	}
}

// AddN counts n values of which the mean alone is known, as n times the mean.
// With more than one [Values.Approximate] is true from then on, since where they
// really lie is not known; without bounds they are held in the sketch. It costs
// the same for any n, below 1 nothing is added.
func (v *Values) AddN(mean float64, n int64) {
	switch {
	case n == 1:
		v.Add(mean)
	case n < 1 || mean != mean || n > math.MaxInt64-v.Len():
	case v.fixed != nil:
		v.fixed.add(mean, n)
		v.fixed.approximate = true
	default:
		if !v.rough {
			v.sketch()
		}
		v.addRoughN(mean, n)
	}
}

// sketch moves the exact values into the sketch and keeps their room for the
// time after a Reset.
func (v *Values) sketch() {
	v.rough = true
	for _, x := range v.exact {
		v.addRough(x)
	}
	v.exact = v.exact[:0]
}

// Merge adds all that o holds, and leaves o as it is. A nil o is empty. An empty
// v without bounds takes over those of o; what was counted between other bounds,
// or cannot be counted between those of v, is left out, as are values beyond the
// MaxInt64th: Len is then less than the count of the cell.
func (v *Values) Merge(o *Values) {
	if o == nil || o.Len() > math.MaxInt64-v.Len() {
		return
	}
	if v.fixed != nil || o.fixed != nil {
		v.mergeFixed(o)
		return
	}
	if !v.rough && (o.rough || len(v.exact)+len(o.exact) > ValuesCap) {
		v.sketch()
	}
	if !v.rough {
		v.exact = append(grow(v.exact, len(o.exact), firstValues, ValuesCap), o.exact...)
		return
	}
	for _, x := range o.exact {
		v.addRough(x)
	}
	v.n += o.n
	v.zero += o.zero
	v.negInf += o.negInf
	v.posInf += o.posInf
	v.neg.merge(&o.neg)
	v.pos.merge(&o.pos)
}

// Len returns how many values v holds; 0 for nil.
func (v *Values) Len() int64 {
	if v == nil {
		return 0
	}
	if v.fixed != nil {
		return v.fixed.n
	}
	return v.n + int64(len(v.exact))
}

// Approximate tells whether percentiles come from the sketch, or counts from the
// means of several values.
func (v *Values) Approximate() bool {
	return v != nil && (v.rough || v.fixed != nil && v.fixed.approximate)
}

// Reset empties v and keeps its bounds and its memory, at most 40 KiB.
func (v *Values) Reset() {
	if v.fixed != nil {
		v.fixed.reset()
		return
	}
	*v = Values{
		exact: v.exact[:0],
		neg:   bins{counts: v.neg.counts[:0]},
		pos:   bins{counts: v.pos.counts[:0]},
	}
}

// Clone returns a copy that shares nothing with v; nil for nil.
func (v *Values) Clone() *Values {
	if v == nil {
		return nil
	}
	c := *v
	c.exact = slices.Clone(v.exact)
	c.neg.counts = slices.Clone(v.neg.counts)
	c.pos.counts = slices.Clone(v.pos.counts)
	if v.fixed != nil {
		c.fixed = v.fixed.clone()
	}
	return &c
}

// grow returns s with room for n more elements. It at least doubles the room,
// from first on, and stops at limit, which the elements must not exceed.
func grow[T any](s []T, n, first, limit int) []T {
	need := len(s) + n
	if need <= cap(s) {
		return s
	}
	room := min(max(need, 2*cap(s), first), limit)
	return append(make([]T, 0, room), s...)
}
