package cell

import "math"

// The sketch is a histogram whose bins are 64 equal parts of each power of
// two: the exponent and the upper six bits of the fraction of a float64 are
// the number of its bin. A bin is read as its middle. With e the power of two
// and k the part, values from e(1+k/64) to e(1+(k+1)/64) are read as
// e(1+(2k+1)/128), at most e/128 away; the smallest of them being e or more,
// that is at most 1/128 = 0.78 % of the value.
//
// A bin array keeps at most maxBins, 32 powers of two, from its highest bin
// down; what would lie lower is counted in the lowest bin. Since lowering the
// number of a value's bin bound by bound gives the same as by the last bound
// alone, the state is max(bin, highest-maxBins+1) for each value in whatever
// order they came, and merging adds no error. Values that small, beside the
// largest, are read as too large, but by less than a 2^32nd of the largest.
const (
	binShift = 52 - 6
	binsPer  = 1 << 6 // bins in a power of two
	maxBins  = 2048

	// subnormal is how far the bins of subnormal values lie below those that
	// the exponent alone would give them: each of their 52 powers of two gets
	// bins of its own, so that the error holds for them too.
	subnormal = 52 * binsPer

	topBin = 0x7fe*binsPer + binsPer - 1 + subnormal // of MaxFloat64
	expInf = 0x7ff
)

// bins counts values of one sign by magnitude. counts[k] is the bin number
// top-k; first and last are never 0.
type bins struct {
	top    int
	counts []int64
}

// addRough counts x in the sketch.
func (v *Values) addRough(x float64) {
	bits := math.Float64bits(x)
	abs := bits &^ (1 << 63)
	b := &v.pos
	if bits != abs {
		b = &v.neg
	}
	k := uint(b.top - int(abs>>binShift) - subnormal)
	if e := abs >> 52; e-1 < expInf-1 && k < uint(len(b.counts)) {
		b.counts[k]++
		v.n++
		return
	}
	v.addRoughSlow(x)
}

func (v *Values) addRoughSlow(x float64) {
	if x == x {
		v.addRoughN(x, 1)
	}
}

// addRoughN counts n times x, which is not NaN, in the sketch.
func (v *Values) addRoughN(x float64, n int64) {
	switch {
	case x == 0:
		v.zero += n
	case math.IsInf(x, 1):
		v.posInf += n
	case math.IsInf(x, -1):
		v.negInf += n
	case x < 0:
		v.neg.add(binOf(-x), n)
	default:
		v.pos.add(binOf(x), n)
	}
	v.n += n
}

// binOf returns the number of the bin of x, which is finite and above 0.
func binOf(x float64) int {
	if bits := math.Float64bits(x); bits>>52 > 0 {
		return int(bits>>binShift) + subnormal
	}
	// Scaled by 2^52 every subnormal is normal.
	return int(math.Float64bits(x*(1<<52))>>binShift) + subnormal - 52*binsPer
}

// binValue returns the middle of bin i.
func binValue(i int) float64 {
	if i -= subnormal; i >= binsPer {
		return math.Float64frombits(uint64(i)<<binShift | 1<<(binShift-1))
	}
	// Here a bin may hold one value only, so the middle is rounded down to one
	// that it does hold. A subnormal is a multiple of 2^-1074.
	scaled := math.Float64frombits(uint64(i+52*binsPer)<<binShift | 1<<(binShift-1))
	return math.Float64frombits(uint64(math.Ldexp(scaled, 1074-52)))
}

// add counts n values, more than 0, in bin i.
func (b *bins) add(i int, n int64) {
	if len(b.counts) == 0 {
		b.top = i
	}
	if i > b.top {
		b.raise(i)
	}
	k := min(b.top-i, maxBins-1)
	b.extend(k + 1)
	b.counts[k] += n
}

// extend makes b hold at least n bins.
func (b *bins) extend(n int) {
	if more := n - len(b.counts); more > 0 {
		old := len(b.counts)
		b.counts = grow(b.counts, more, binsPer, maxBins)[:n]
		clear(b.counts[old:])
	}
}

// raise makes top the highest bin; the caller counts something there.
func (b *bins) raise(top int) {
	shift := top - b.top
	b.top = top
	kept := min(len(b.counts), max(maxBins-shift, 0))
	var low int64 // what falls below the lowest bin
	for _, n := range b.counts[kept:] {
		low += n
	}
	b.counts = b.counts[:kept]
	b.extend(min(kept+shift, maxBins))
	if shift < maxBins {
		copy(b.counts[shift:], b.counts[:kept])
	}
	clear(b.counts[:min(shift, maxBins)])
	if low > 0 {
		b.counts[maxBins-1] += low
	}
}

// merge adds what o counts.
func (b *bins) merge(o *bins) {
	for k, n := range o.counts {
		if n > 0 {
			b.add(o.top-k, n)
		}
	}
}
