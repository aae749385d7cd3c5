package aggregator

import "slices"

// maxSpans bounds what an output remembers of the buckets that it emitted and
// forgot. Beyond it the two oldest spans are joined: the buckets between them
// then count as emitted, which refuses data rather than risk a wrong overwrite.
const maxSpans = 32

// noSpan is the hull of nothing.
var noSpan = span{forever, always}

// span is a range of bucket starts, both ends included.
type span struct{ from, to int64 }

// join returns the span that covers both.
func (s span) join(x span) span { return span{min(s.from, x.from), max(s.to, x.to)} }

// spans is a set of bucket starts as ascending, disjoint ranges.
type spans []span

// add includes start, where period is the distance to its neighbours.
func (s *spans) add(start, period int64) {
	i, found := slices.BinarySearchFunc(*s, start, func(p span, x int64) int {
		switch {
		case p.to < x:
			return -1
		case p.from > x:
			return 1
		}
		return 0
	})
	if found {
		return
	}
	left := i > 0 && (*s)[i-1].to >= start-period
	right := i < len(*s) && (*s)[i].from <= start+period
	switch {
	case left && right:
		(*s)[i-1].to = (*s)[i].to
		*s = slices.Delete(*s, i, i+1)
	case left:
		(*s)[i-1].to = start
	case right:
		(*s)[i].from = start
	default:
		*s = slices.Insert(*s, i, span{start, start})
		if len(*s) > maxSpans {
			(*s)[1].from = (*s)[0].from
			*s = slices.Delete(*s, 0, 1)
		}
	}
}

func (s spans) contains(start int64) bool {
	for i := len(s) - 1; i >= 0; i-- { // the newest are asked for most
		if s[i].from <= start {
			return start <= s[i].to
		}
	}
	return false
}

// hull returns the one span that covers all.
func (s spans) hull() (span, bool) {
	if len(s) == 0 {
		return noSpan, false
	}
	return span{s[0].from, s[len(s)-1].to}, true
}
