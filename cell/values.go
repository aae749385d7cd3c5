package cell

import "slices"

// ValuesCap is how many values [Values] holds exactly. The cap is on the
// merged whole, not on each of its parts.
const ValuesCap = 1024

// Values holds the values of a cell for its percentiles: up to [ValuesCap]
// exactly, more in a sketch that finds a percentile within 1 %. What it holds
// depends on the values added to it and to what was merged into it, and not on
// their order or grouping. The zero value is empty.
type Values struct {
	exact  []float64 // in no particular order; empty once sketched
	rough  bool      // the values are in the fields below
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
	case len(v.exact) == ValuesCap:
		v.sketch()
		v.addRough(x)
	default:
		v.exact = append(grow(v.exact, 1, firstValues, ValuesCap), x)
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

// Merge adds all that o holds, and leaves o as it is. A nil o is empty.
func (v *Values) Merge(o *Values) {
	if o == nil {
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
	return v.n + int64(len(v.exact))
}

// Approximate tells whether percentiles come from the sketch.
func (v *Values) Approximate() bool { return v != nil && v.rough }

// Reset empties v and keeps its memory, at most 40 KiB.
func (v *Values) Reset() {
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
