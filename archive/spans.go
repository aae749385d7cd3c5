package archive

import (
	"math"
	"slices"
)

// Times after and before all others, such that sums of a few do not overflow.
const (
	forever = math.MaxInt64 / 4
	always  = -forever
)

// span is a stretch of time, to excluded, in Unix seconds.
type span struct{ from, to int64 }

func (s span) empty() bool { return s.to <= s.from }

// join returns the span that covers both.
func (s span) join(x span) span {
	switch {
	case s.empty():
		return x
	case x.empty():
		return s
	}
	return span{min(s.from, x.from), max(s.to, x.to)}
}

// maxSpans bounds how many lost spans are told apart. Beyond it those nearest to
// one another become one.
const maxSpans = 8

// spans are ascending and do not touch.
type spans []span

// add returns s with x included. It does not change s, which a view may share.
func (s spans) add(x span) spans {
	if x.empty() {
		return s
	}
	out := make(spans, 0, len(s)+1)
	for _, y := range s {
		if y.to < x.from || y.from > x.to {
			out = append(out, y)
		} else {
			x = x.join(y)
		}
	}
	out = append(out, x)
	slices.SortFunc(out, func(x, y span) int { return int(min(max(x.from-y.from, -1), 1)) })
	if len(out) > maxSpans {
		near := 0
		for i := range len(out) - 1 {
			if out[i+1].from-out[i].to < out[near+1].from-out[near].to {
				near = i
			}
		}
		out[near].to = out[near+1].to
		out = slices.Delete(out, near+1, near+2)
	}
	return out
}

// touches tells whether some of [from, to) is in s.
func (s spans) touches(from, to int64) bool {
	return slices.ContainsFunc(s, func(y span) bool { return y.from < to && from < y.to })
}

// after returns the spans that end after t.
func (s spans) after(t int64) spans {
	i := 0
	for i < len(s) && s[i].to <= t {
		i++
	}
	return s[i:]
}
