package node

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/coalesce-metrics/coalesce/cell"
)

// aggregator is what is read from the samples of a group.
type aggregator struct {
	name string
	read cell.Method // 0 for a percentile
	// A percentile is the value of rank n*num/den of n.
	num, den uint64
}

const aggregators = "sum, avg, min, max, count, rollup, or a percentile such as p50, p99, p999"

func parseAggregator(s string) (aggregator, error) {
	a := aggregator{name: s}
	m, err := cell.ParseMethod(s)
	switch m {
	case cell.Sum, cell.Avg, cell.Min, cell.Max, cell.Count:
		a.read = m
		return a, nil
	}
	if err != nil || !strings.HasPrefix(s, "p") {
		return a, faultf(notSupported, "unknown aggregator %q; accepted: %s", clip([]byte(s)), aggregators)
	}
	// The name of a percentile is p and its percent in decimals.
	whole, frac, _ := strings.Cut(m.String()[1:], ".")
	if a.num, err = strconv.ParseUint(whole+frac, 10, 64); err != nil {
		return a, err
	}
	a.den = 100
	for range len(frac) {
		a.den *= 10
	}
	return a, nil
}

// rank returns the rank of the percentile among n values, n above 0.
func (a *aggregator) rank(n int64) int64 {
	hi, lo := bits.Mul64(a.num, uint64(n))
	q, _ := bits.Div64(hi, lo, a.den) // num < den, so it fits
	return min(int64(q), n-1)
}

// maxExact is how many stored values one request gathers for its percentiles,
// 8 bytes each. Beyond it they are read from sketches.
const maxExact = 4 << 20

// samples accumulates what a group, or one of its buckets, is made of.
type samples struct {
	cell   cell.Cell
	exact  []float64 // all values, unless rough is there
	rough  *cell.Values
	sorted bool // exact is
	lack   bool // some values are held by nobody
}

// add counts one sample, with its value where keep is set.
func (s *samples) add(v float64, keep bool) {
	s.cell.Add(v, 0)
	if keep {
		s.exact = append(s.exact, v)
	}
}

// merge counts a stored cell, with its values where keep is set. room is how
// many values the request may still gather.
func (s *samples) merge(c *Cell, keep bool, room *int64) {
	switch {
	case !keep:
		s.cell.Merge(&c.Cell)
	case c.Values.Len() == c.Cell.Count:
		s.cell.Merge(&c.Cell)
		s.gather(c.Values, room)
	case c.Cell.Count == 1: // its value is known without
		s.cell.Merge(&c.Cell)
		one := new(cell.Values)
		one.Add(c.Cell.Min)
		s.gather(one, room)
	default:
		s.lack = true
	}
}

func (s *samples) gather(v *cell.Values, room *int64) {
	if s.rough == nil && v.Len() <= *room {
		exact, ok := v.AppendExact(s.exact)
		if ok {
			s.exact = exact
			*room -= v.Len()
			return
		}
	}
	if s.rough == nil {
		s.rough = new(cell.Values)
		for _, x := range s.exact {
			s.rough.Add(x)
		}
		*room += int64(len(s.exact))
		s.exact = nil
	}
	s.rough.Merge(v)
}

// value reads a from s, which is not empty. approximate marks what comes from a
// sketch.
func (s *samples) value(a *aggregator) (x float64, approximate bool) {
	if a.read != 0 {
		return a.read.Value(&s.cell, nil), false
	}
	k := a.rank(s.cell.Count)
	if s.rough != nil {
		return s.rough.Rank(k, s.cell.Min, s.cell.Max), s.rough.Approximate()
	}
	if !s.sorted {
		slices.Sort(s.exact)
		s.sorted = true
	}
	return s.exact[k], false
}
