package cell

import (
	"math"
	"slices"
)

// Quantile returns the value at the fraction q, 0 to 1, of the values in
// order, interpolated between the two nearest ranks as carbon does. lo and hi
// are the smallest and largest value: the Min and Max of the cell. It is NaN
// when v is empty or made by [NewBounded], and for any other q.
//
// While the values are exact the result is carbon's to the last bit. From the
// sketch it is never outside lo and hi, and within 1 % of the larger of the two
// neighbours, but for those smaller than a 2^32nd of the largest value. It
// reorders the values that v holds, so it needs the same exclusive hold of v as
// Add.
func (v *Values) Quantile(q, lo, hi float64) float64 {
	n := v.Len()
	if n == 0 || v.fixed != nil || !(q >= 0 && q <= 1) {
		return math.NaN()
	}
	rank := q * float64(n-1)
	l, u := math.Floor(rank), math.Ceil(rank)
	x := v.rank(int64(l))
	if l != u {
		// Each product is rounded by itself, as in carbon, on every machine.
		x = float64(x*(u-rank)) + float64(v.after(int64(u))*(rank-l))
	}
	if v.rough {
		return clamp(x, lo, hi)
	}
	return x
}

// rank returns the value of the given rank, from 0.
func (v *Values) rank(r int64) float64 {
	if v.rough {
		return v.roughRank(r)
	}
	return selectRank(v.exact, int(r))
}

// after returns the value of rank r, just after rank found the one before.
func (v *Values) after(r int64) float64 {
	if v.rough {
		return v.roughRank(r)
	}
	return slices.Min(v.exact[r:])
}

func clamp(x, lo, hi float64) float64 {
	switch {
	case x < lo:
		return lo
	case x > hi:
		return hi
	}
	return x
}

// roughRank returns the value of the given rank, from 0, by the sketch.
func (v *Values) roughRank(rank int64) float64 {
	if rank -= v.negInf; rank < 0 {
		return math.Inf(-1)
	}
	for k, n := range v.neg.counts {
		if rank -= n; rank < 0 {
			return -binValue(v.neg.top - k)
		}
	}
	if rank -= v.zero; rank < 0 {
		return 0
	}
	for k, n := range slices.Backward(v.pos.counts) {
		if rank -= n; rank < 0 {
			return binValue(v.pos.top - k)
		}
	}
	return math.Inf(1)
}

// selectRank returns the element of the given rank, and leaves nothing larger
// before it and nothing smaller after it.
func selectRank(a []float64, rank int) float64 {
	lo, hi := 0, len(a)-1
	for rounds := 0; lo < hi; rounds++ {
		if rounds == 64 { // the values defeat the choice of pivots
			slices.Sort(a[lo : hi+1])
			break
		}
		p := median3(a[lo], a[lo+(hi-lo)/2], a[hi])
		i, j := lo, hi
		for i <= j {
			for a[i] < p {
				i++
			}
			for a[j] > p {
				j--
			}
			if i <= j {
				a[i], a[j] = a[j], a[i]
				i++
				j--
			}
		}
		switch {
		case rank <= j:
			hi = j
		case rank >= i:
			lo = i
		default:
			return a[rank]
		}
	}
	return a[rank]
}

func median3(a, b, c float64) float64 {
	if b < a {
		a, b = b, a
	}
	if c < b {
		b = max(a, c)
	}
	return b
}
