package query

import "math"

var nan = math.NaN()

// Grid returns the points of a range by Graphite's rule: the multiples of step
// behind from, up to and with until; of a range without one, the next behind
// it. end is behind the last by one step. Times are Unix seconds from 0 on.
func Grid(from, until, step int64) (first, end int64) {
	first = from - from%step + step
	end = until - until%step + step
	if first == end {
		end += step
	}
	return first, end
}

// grid is the points of one series.
type grid struct {
	first, end, step int64
	until            int64 // what starts there or later is not asked for
}

// newGrid returns the points of a range, at most limit of them if that is above
// 0. Merged ones begin at multiples of their own step, so that they stay as
// they are when the range moves on; the points before the first such are left
// out, because it would be a part of a point only.
func newGrid(from, until, step int64, limit int) grid {
	first, end := Grid(from, until, step)
	g := grid{first: first, end: end, step: step, until: end}
	n := (end - first) / step
	switch {
	case limit <= 0 || n <= int64(limit):
		return g
	case limit == 1:
		g.step = end - first
		return g
	}
	g.step *= (n + int64(limit) - 1) / int64(limit)
	g.first = ceil(first, g.step)
	g.end = ceil(end, g.step)
	g.until = g.end // the last point is whole, as it is in a later request
	return g
}

func ceil(t, step int64) int64 { return t - 1 - (t-1)%step + step }

func (g *grid) points() int { return int((g.end - g.first) / g.step) }

// point returns where a cell that starts then lies, or -1. One whose step is
// another than the grid's, because cells are merged or the period has changed,
// counts where it begins.
func (g *grid) point(start int64) int {
	if start < g.first || start >= g.until {
		return -1
	}
	return int((start - g.first) / g.step)
}
