package cell

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"
)

// MaxBounds is how many bounds [NewBounded] takes.
const MaxBounds = 1024

// bounded counts values between bounds. counts[i] has those from bounds[i-1] to
// below bounds[i], the first those below all, the last those from the last on.
type bounded struct {
	bounds      []float64 // ascending and finite; never changed
	counts      []int64   // one more
	n           int64     // their sum
	approximate bool
}

// CheckBounds says whether bounds are such as [NewBounded] takes: finite,
// ascending and at most [MaxBounds].
func CheckBounds(bounds []float64) error {
	if len(bounds) > MaxBounds {
		return fmt.Errorf("%d bounds, more than the %d accepted", len(bounds), MaxBounds)
	}
	for i, b := range bounds {
		switch {
		case b-b != 0:
			return fmt.Errorf("bound %v: expected a finite number", b)
		case i > 0 && b <= bounds[i-1]:
			return fmt.Errorf("bound %v after %v: expected each above the one before", b, bounds[i-1])
		}
	}
	return nil
}

// NewBounded returns Values that hold how many of them lie between bounds, and
// nothing else of them: a bound is the lowest value of what it begins. bounds
// must be such as [CheckBounds] takes; none is one count for all. The slice is
// kept and must not change.
func NewBounded(bounds []float64) *Values {
	if err := CheckBounds(bounds); err != nil {
		panic("cell: " + err.Error())
	}
	return &Values{fixed: &bounded{bounds: bounds, counts: make([]int64, len(bounds)+1)}}
}

// Counts returns how many values lie between the bounds, one more than there are
// bounds; nil for Values without. The slice is v's own, and only to be read.
func (v *Values) Counts() []int64 {
	if v == nil || v.fixed == nil {
		return nil
	}
	return v.fixed.counts
}

// add counts n times x, which is not NaN.
func (b *bounded) add(x float64, n int64) {
	i := sort.Search(len(b.bounds), func(i int) bool { return b.bounds[i] > x })
	b.counts[i] += n
	b.n += n
}

func (b *bounded) reset() {
	clear(b.counts)
	b.n, b.approximate = 0, false
}

func (b *bounded) clone() *bounded {
	c := *b
	c.counts = slices.Clone(b.counts)
	return &c
}

// mergeFixed is Merge where one of the two has bounds.
func (v *Values) mergeFixed(o *Values) {
	switch {
	case v.fixed == nil:
		if v.Len() == 0 && !v.rough {
			v.exact, v.fixed = nil, o.fixed.clone() // Add looks for room first
		}
	case o.fixed == nil:
		for _, x := range o.exact {
			v.fixed.add(x, 1)
		}
	case slices.Equal(v.fixed.bounds, o.fixed.bounds):
		for i, n := range o.fixed.counts {
			v.fixed.counts[i] += n
		}
		v.fixed.n += o.fixed.n
		v.fixed.approximate = v.fixed.approximate || o.fixed.approximate
	}
}

func (b *bounded) append(dst []byte) []byte {
	approximate := byte(0)
	if b.approximate {
		approximate = 1
	}
	dst = append(dst, approximate)
	dst = binary.AppendUvarint(dst, uint64(len(b.bounds)))
	for _, x := range b.bounds {
		dst = appendFloat(dst, x)
	}
	for _, n := range b.counts {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

func (d *decoder) bounded() *Values {
	b := &bounded{approximate: d.upTo(1) == 1}
	n := int(d.upTo(MaxBounds))
	if n > len(d.b) { // a bound takes a byte or more
		d.fail(errShort)
		return nil
	}
	b.bounds, b.counts = make([]float64, n), make([]int64, n+1)
	for i := range b.bounds {
		b.bounds[i] = d.float()
	}
	for i := range b.counts {
		b.counts[i] = d.upTo(math.MaxInt64 - b.n)
		b.n += b.counts[i]
	}
	if CheckBounds(b.bounds) != nil {
		d.fail(errDamaged)
	}
	return &Values{fixed: b}
}
