// Package cell accumulates the datapoints of one output in one bucket.
//
// A [Cell] holds what every method but the percentiles needs, in one cache
// line. [Values] holds the values themselves, for the outputs that are asked
// for percentiles. Both merge, so that parts counted by several lanes, or by
// several machines, give what one of them would have given alone. A [Method]
// reads one number from the two.
//
// Nothing here locks: a cell belongs to one goroutine at a time.
package cell

import "math"

// Cell is the accumulator of one output in one bucket. The zero value is the
// empty cell.
//
// Sum and Comp together are the sum, see [Cell.Total]. M2 is the sum of the
// squared deviations from the mean; NaN says that it is unknown, which spreads
// to every cell merged with this one. Last is the value with the latest
// timestamp, LastTime that timestamp in Unix seconds.
//
// A Cell is 64 bytes without pointers. Make slices of them rather than single
// ones: an aligned slice then keeps each in a cache line of its own.
type Cell struct {
	Count          int64
	Sum, Comp      float64
	Min, Max       float64
	M2             float64
	Last, LastTime float64
}

// Add counts the value v with the timestamp t in Unix seconds. Neither may be
// NaN; infinities are counted as what they are. Of equal values the first
// stays minimum and maximum (0 and -0 are equal), of equal timestamps the
// later call is the last.
func (c *Cell) Add(v, t float64) {
	if c.Count == 0 {
		// A sum begins at 0 as in carbon, so that -0 alone gives 0. One by one,
		// as a composite literal would be built on the stack first.
		c.Count, c.Sum, c.Comp = 1, 0+v, 0
		c.Min, c.Max = v, v
		c.M2 = v - v // NaN for an infinity
		c.Last, c.LastTime = v, t
		return
	}

	// Knuth's two-sum gives what the addition rounds away. Neumaier's form of
	// it branches on the larger operand, which is twice as slow where that
	// cannot be foretold.
	s := c.Sum
	sum := s + v
	b := sum - s
	lost := (s - (sum - b)) + (v - b)
	c.Sum = sum

	// Welford's update, with d n times the distance from the mean so far. The
	// distance itself would cost a division more and, for a value that never
	// changes, leave a deviation of a rounding instead of 0.
	n := float64(c.Count)
	d := float64(n*v) - (s + c.Comp) // rounded first: fused it would not be 0
	c.M2 += d / (n*n + n) * d        // d*d might overflow
	c.Comp += lost
	c.Count++

	// Choices between integers become conditional moves; those between floats
	// would be branches, which newly filled cells mispredict. The builtin min
	// would put -0 before 0.
	bits := math.Float64bits(v)
	lo, hi := math.Float64bits(c.Min), math.Float64bits(c.Max)
	if v < c.Min {
		lo = bits
	}
	if v > c.Max {
		hi = bits
	}
	c.Min, c.Max = math.Float64frombits(lo), math.Float64frombits(hi)

	var later uint64 // a mask, as a pair of moves would become a branch
	if t >= c.LastTime {
		later = ^later
	}
	last, at := math.Float64bits(c.Last), math.Float64bits(c.LastTime)
	c.Last = math.Float64frombits(last ^ (last^bits)&later)
	c.LastTime = math.Float64frombits(at ^ (at^math.Float64bits(t))&later)
}

// Merge adds all that o has counted, and leaves o as it is. It is associative
// and commutative but for the rounding of sums (and sums that overflow on the
// way) and for ties: of equal minima and maxima that of c stays, of equal
// timestamps that of o is the last. What would take the count beyond MaxInt64 is
// left out.
func (c *Cell) Merge(o *Cell) {
	if o.Count == 0 || o.Count > math.MaxInt64-c.Count {
		return
	}
	if c.Count == 0 {
		*c = *o
		return
	}
	n, m := float64(c.Count), float64(o.Count)
	d := o.Total()/m - c.Total()/n
	if c.Min == o.Max && c.Max == o.Min {
		d = 0 // all values are one, only its means may be rounded apart
	}
	c.M2 += o.M2 + d*d*(n*m/(n+m))

	sum := c.Sum + o.Sum
	b := sum - c.Sum
	c.Comp += o.Comp + ((c.Sum - (sum - b)) + (o.Sum - b))
	c.Sum = sum
	c.Count += o.Count

	if o.Min < c.Min {
		c.Min = o.Min
	}
	if o.Max > c.Max {
		c.Max = o.Max
	}
	if o.LastTime >= c.LastTime {
		c.Last, c.LastTime = o.Last, o.LastTime
	}
}
