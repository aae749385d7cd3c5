package functions

import (
	"math"
	"slices"
)

// window holds the last values of a series. Values are removed in the order in
// which they were added; missing ones are no part of it.
type window interface {
	add(v float64)
	remove(v float64)
	present() int
	value() float64
}

func newWindow(by string) window {
	if by == "median" {
		return &ordered{}
	}
	return &queue{read: partReaders[by]}
}

// part is some values in a row, put together in a way that parts can be. Windows
// are made of parts that are only ever added to, because taking values back out
// of a sum leaves the error that they brought in.
type part struct {
	n                int
	sum, product     float64
	min, max         float64
	first, last      float64
	mean, deviations float64 // the sum of squared deviations from the mean
}

func single(v float64) part {
	return part{1, v, v, v, v, v, v, v, 0}
}

// then returns p with q behind it.
func (p part) then(q part) part {
	switch {
	case p.n == 0:
		return q
	case q.n == 0:
		return p
	}
	n, m := float64(p.n), float64(q.n)
	delta := q.mean - p.mean
	return part{
		n: p.n + q.n, sum: p.sum + q.sum, product: p.product * q.product,
		min: min(p.min, q.min), max: max(p.max, q.max), first: p.first, last: q.last,
		mean:       p.mean + delta*m/(n+m),
		deviations: p.deviations + q.deviations + delta*delta*n*m/(n+m),
	}
}

// partReaders have the aggregation functions over what is present.
var partReaders = map[string]func(p part) float64{
	"average": partAverage, "avg": partAverage, "avg_zero": partAverage,
	"sum": partSum, "total": partSum,
	"min":    func(p part) float64 { return p.min },
	"max":    func(p part) float64 { return p.max },
	"diff":   func(p part) float64 { return 2*p.first - p.sum },
	"stddev": func(p part) float64 { return math.Sqrt(p.deviations / float64(p.n)) },
	"count":  func(p part) float64 { return float64(p.n) },
	"range":  partRange, "rangeOf": partRange,
	"multiply": func(p part) float64 { return p.product },
	"last":     partLast, "current": partLast,
}

func partAverage(p part) float64 { return p.sum / float64(p.n) }
func partSum(p part) float64     { return p.sum }
func partRange(p part) float64   { return p.max - p.min }
func partLast(p part) float64    { return p.last }

// queue is a window of two stacks. The newer values are put together as they
// come; when the older ones are used up, the newer are put together from the
// end, so that each value is touched twice only.
type queue struct {
	read  func(p part) float64
	older []part // from the one on top each with all that came behind it
	newer []float64
	all   part // of newer
}

func (q *queue) add(v float64) {
	if !missing(v) {
		q.newer = append(q.newer, v)
		q.all = q.all.then(single(v))
	}
}

func (q *queue) remove(v float64) {
	if missing(v) {
		return
	}
	if len(q.older) == 0 {
		together := part{}
		for _, v := range slices.Backward(q.newer) {
			together = single(v).then(together)
			q.older = append(q.older, together)
		}
		q.newer, q.all = q.newer[:0], part{}
	}
	q.older = q.older[:len(q.older)-1]
}

func (q *queue) present() int { return len(q.older) + len(q.newer) }

func (q *queue) value() float64 {
	if len(q.older) == 0 {
		return q.read(q.all)
	}
	return q.read(q.older[len(q.older)-1].then(q.all))
}

// ordered is a window for the median.
type ordered struct {
	values []float64 // ascending
}

func (o *ordered) add(v float64) {
	if !missing(v) {
		i, _ := slices.BinarySearch(o.values, v)
		o.values = slices.Insert(o.values, i, v)
	}
}

func (o *ordered) remove(v float64) {
	if !missing(v) {
		i, _ := slices.BinarySearch(o.values, v)
		o.values = slices.Delete(o.values, i, i+1)
	}
}

func (o *ordered) present() int { return len(o.values) }

func (o *ordered) value() float64 {
	mid := len(o.values) / 2
	if len(o.values)%2 == 0 {
		return (o.values[mid-1] + o.values[mid]) / 2
	}
	return o.values[mid]
}
