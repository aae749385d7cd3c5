// Package periods remembers which periods the cells of a series came in with, where
// that has changed.
package periods

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Times before and after all others.
const (
	Always = math.MinInt64
	Never  = math.MaxInt64
)

// Max bounds the changes that are told apart.
const Max = 16

// Span is a time in which a series had a period.
type Span struct {
	Period      int64 // seconds
	From, Until int64 // of the starts of its cells, Unix seconds, Until excluded
}

// History is the periods that a series had, in order, the present one last. It is nil
// where there was but one, and never changed: methods return another. From is Never
// where the present one has no cell yet; the one before then has no end.
type History []Span

// Meet notes that a cell of a period begins at start, in a series that has a present
// period, and returns which one it has then. A cell of an earlier time than that of the
// present period changes nothing but how far its own period reaches.
func (h History) Meet(present, period, start int64) (int64, History) {
	if h == nil {
		if period == present {
			return present, nil
		}
		return period, History{{present, Always, start}, {period, start, Never}}
	}
	begin, settled := h.begin()
	switch {
	case period == present && begin == Never && start >= settled: // it was announced, and now it begins
		return present, h.began(start)
	case period != present && start >= begin && begin != Never:
		return period, h.Announce(present, period).began(start)
	}
	return present, h.reach(period, start)
}

// begin returns when the present period has taken over, Never where it is announced,
// and what is not after it in any case.
func (h History) begin() (begin, settled int64) {
	begin, settled = Always, Always
	for _, s := range h[:len(h)-1] {
		begin = max(begin, s.Until)
		if s.Until != Never {
			settled = max(settled, s.Until)
		} else {
			settled = max(settled, s.From)
		}
	}
	return begin, settled
}

// began notes when the cells of the present period begin.
func (h History) began(start int64) History {
	h = slices.Clone(h)
	for i := range h {
		h[i].Until = min(h[i].Until, max(start, h[i].From))
	}
	last := &h[len(h)-1]
	last.From, last.Until = min(last.From, start), Never
	return h
}

// reach has a period hold at a time.
func (h History) reach(period, start int64) History {
	at := -1
	for i, s := range h {
		switch last := i == len(h)-1; {
		case s.Period != period || s.From == Never:
		case s.From <= start && start < s.Until:
			return h
		case !last || at < 0:
			at = i
		}
	}
	h = slices.Clone(h)
	if at < 0 {
		return slices.Insert(h, 0, Span{period, start, start + 1}).bounded()
	}
	h[at].From, h[at].Until = min(h[at].From, start), max(h[at].Until, start+1)
	return h
}

// Announce notes that cells will come in with a period from now on.
func (h History) Announce(present, period int64) History {
	if period == present {
		return h
	}
	if h == nil {
		h = History{{present, Always, Never}}
	}
	h = slices.Clone(h)
	if n := len(h) - 1; h[n].From == Never { // nothing has come of it
		h = h[:n]
	}
	if last := h[len(h)-1]; last.Period != period || last.Until != Never {
		h = append(h, Span{period, Never, Never}).bounded()
	}
	if len(h) == 1 {
		return nil
	}
	return h
}

// Join adds what another one knows of earlier times; earlier is its present period.
func (h History) Join(present int64, of History, earlier int64) History {
	if h == nil && earlier == present {
		return of
	}
	if of == nil {
		of = History{{earlier, Always, Never}}
	}
	begin := int64(Never)
	if h == nil {
		h = History{{present, Always, Never}}
	} else if h[0].Period == earlier {
		begin = h[0].Until
		h = h[1:]
	} else if h[0].From != Never {
		begin = max(h[0].From, of[len(of)-1].From)
	}
	of = slices.Clone(of)
	of[len(of)-1].Until = begin
	return append(of, h...).bounded()
}

// Since returns h where nothing is known of before a time.
func (h History) Since(first int64) History {
	h = slices.Clone(h)
	for i := range h {
		h[i].From = max(h[i].From, first)
	}
	return h
}

// Follow returns the period and the history of a series that has a present period and
// h, when cells come to it with the periods of later.
func (h History) Follow(present int64, later History) (int64, History) {
	inOrder := slices.Clone(later)
	slices.SortStableFunc(inOrder, func(x, y Span) int { return cmp.Compare(x.From, y.From) })
	for _, s := range inOrder {
		present, h = h.Meet(present, s.Period, s.From)
		if s.Until != Never {
			present, h = h.Meet(present, s.Period, s.Until-1)
		}
	}
	begin, _ := later.begin()
	return h.Meet(present, later[len(later)-1].Period, begin)
}

// bounded makes one of two times of a period where h has too many, or forgets the first.
// It may change h.
func (h History) bounded() History {
	for len(h) > Max {
		first := 0
		for i := len(h) - 2; i > 0; i-- {
			if k := slices.IndexFunc(h[:i], func(s Span) bool { return s.Period == h[i].Period }); k >= 0 {
				h[i].From, h[i].Until = min(h[i].From, h[k].From), max(h[i].Until, h[k].Until)
				first = k
				break
			}
		}
		h = slices.Delete(h, first, first+1)
	}
	return h
}

// Within returns the periods of which there may be cells with from <= start < until, the
// newest last, in a series with a present one. There is always one.
func (h History) Within(present, from, until int64) []int64 {
	var in []int64
	for _, s := range h {
		if s.From < until && s.Until > from || s.From == Never {
			in = append(slices.DeleteFunc(in, func(p int64) bool { return p == s.Period }), s.Period)
		}
	}
	if in == nil {
		in = []int64{present}
	}
	return in
}

// String returns h as Parse reads it.
func (h History) String() string {
	var b []byte
	for i, s := range h {
		if i > 0 {
			b = append(b, ',')
		}
		for k, n := range [...]int64{s.Period, s.From, s.Until} {
			if k > 0 {
				b = append(b, ':')
			}
			b = strconv.AppendInt(b, n, 10)
		}
	}
	return string(b)
}

// Parse reads what String wrote. What it cannot read it leaves out: nothing but the
// choice of steps hangs on it.
func Parse(text string) History {
	if text == "" {
		return nil
	}
	var h History
	for part := range strings.SplitSeq(text, ",") {
		var n [3]int64
		fields := strings.Split(part, ":")
		ok := len(fields) == len(n)
		for k := 0; ok && k < len(n); k++ {
			var err error
			n[k], err = strconv.ParseInt(fields[k], 10, 64)
			ok = err == nil
		}
		if ok && n[0] > 0 {
			h = append(h, Span{n[0], n[1], n[2]})
		}
	}
	if len(h) < 2 {
		return nil
	}
	return h.bounded()
}
