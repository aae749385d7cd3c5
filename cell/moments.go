package cell

import "math"

// Total returns the sum of the values, compensated for rounding; 0 when c is
// empty. With an infinity among them, or an overflow on the way, it is what
// plain additions give: an infinity, or NaN for opposite ones.
func (c *Cell) Total() float64 {
	if t := c.Sum + c.Comp; t-t == 0 {
		return t
	}
	return c.Sum
}

// Mean returns the average, NaN when c is empty.
func (c *Cell) Mean() float64 { return c.Total() / float64(c.Count) }

// Variance returns the population variance. It is NaN when c is empty, when
// the squared deviations of a part of it are unknown, and when the sum is not
// finite.
func (c *Cell) Variance() float64 {
	if c.Sum-c.Sum != 0 {
		return math.NaN()
	}
	return c.M2 / float64(c.Count)
}

// Stddev returns the population standard deviation, NaN where [Cell.Variance] is.
func (c *Cell) Stddev() float64 { return math.Sqrt(c.Variance()) }

// span returns the distance from minimum to maximum.
func (c *Cell) span() float64 { return c.Max - c.Min }
