package query

import (
	"math"

	"github.com/coalesce-metrics/coalesce/aggregator"
)

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
	return g
}

func ceil(t, step int64) int64 { return t - 1 - (t-1)%step + step }

func (g *grid) points() int { return int((g.end - g.first) / g.step) }

// values puts buckets, ascending, on the grid. Buckets that share a point are
// merged, and the method of the newest is read from them.
func (g *grid) values(buckets []aggregator.Bucket) []float64 {
	values := make([]float64, g.points())
	for i := range values {
		values[i] = math.NaN()
	}
	var merged aggregator.Bucket
	at := -1
	for i := range buckets {
		b := &buckets[i]
		p := g.point(b)
		switch {
		case p < 0:
			continue
		case p != at:
			at, merged = p, *b
		default:
			merge(&merged, b)
		}
		if i+1 == len(buckets) || g.point(&buckets[i+1]) != at {
			values[at] = merged.Value()
		}
	}
	return values
}

// point returns where a bucket lies, or -1. One whose period is another than the
// step, because cells are merged or the rule has changed, counts where it begins.
func (g *grid) point(b *aggregator.Bucket) int {
	if b.Start < g.first || b.Start >= g.until {
		return -1
	}
	return int((b.Start - g.first) / g.step)
}

func merge(into, b *aggregator.Bucket) {
	into.Cell.Merge(&b.Cell)
	if into.Values == nil {
		into.Values = b.Values
	} else {
		into.Values.Merge(b.Values)
	}
	into.Method, into.Start = b.Method, b.Start
}
