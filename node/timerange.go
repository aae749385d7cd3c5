package node

import (
	"math"
	"strings"
	"time"
)

// span is a range of time in Unix seconds, half-open.
type span struct{ from, to float64 }

const (
	durations    = `a whole number above 0 and a unit of s, m, h, d or w, such as "90s", "5m" or "1h30m"`
	defaultRange = 3600
)

// timeRange returns the range of a request, and whether it names one.
func (f fields) timeRange(now time.Time) (s span, ok bool, err error) {
	raw, ok := f.get("time_range")
	if !ok {
		return recent(now, defaultRange), false, nil
	}
	if ends, isObject := fieldsOf(raw); isObject {
		s, err = ends.span()
		return s, true, err
	}
	t, isText := text(raw)
	if !isText {
		return s, false, bad(`time_range is %s; it must be %s, or {"from":...,"to":...} in Unix seconds`, clip(raw), durations)
	}
	seconds, ok := parseDuration(t)
	if !ok {
		return s, false, bad("time_range is %q; it must be %s", clip([]byte(t)), durations)
	}
	return recent(now, seconds), true, nil
}

// recent is the range that ends with the second now.
func recent(now time.Time, seconds int64) span {
	to := now.Unix() + 1
	return span{float64(to - seconds), float64(to)}
}

func (f fields) span() (s span, err error) {
	for key, t := range map[string]*float64{"from": &s.from, "to": &s.to} {
		var ok bool
		switch *t, ok, err = f.seconds(key); {
		case err != nil:
			return s, bad("time_range: %s", err)
		case !ok:
			return s, bad("time_range: %s is missing; from and to are Unix seconds", key)
		}
	}
	if s.from >= s.to {
		return s, bad("time_range: from is %s and to is %s; from must be before to",
			appendNumber(nil, s.from), appendNumber(nil, s.to))
	}
	return s, nil
}

// cut cuts s to what is kept; nothing may be left.
func (s span) cut(now time.Time, retention int64) span {
	s.from = max(s.from, float64(now.Unix()+1-retention))
	return s
}

// whole returns the whole seconds that s touches.
func (s span) whole() (from, until int64) {
	return int64(math.Floor(s.from)), int64(math.Ceil(s.to))
}

// holds tells whether a cell counts in s.
func (s span) holds(c *Cell, now int64) bool {
	from, until := s.whole()
	switch {
	case c.Start < floor(from, c.Step):
		return false
	case c.Start+c.Step > now: // it has not ended yet
		return c.Start < until
	}
	return c.Start < floor(int64(math.Floor(s.to)), c.Step)
}

// floor returns the multiple of step at or before t.
func floor(t, step int64) int64 {
	m := t % step
	if m < 0 {
		m += step
	}
	return t - m
}

// maxDuration stands for all that is longer, too. It is far above any retention.
const maxDuration = 1 << 50

// parseDuration reads a duration such as 1h30m, in seconds, above 0.
func parseDuration(s string) (seconds int64, ok bool) {
	for s != "" {
		digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
		if digits == 0 || digits == len(s) {
			return 0, false
		}
		var n int64
		for _, d := range s[:digits] {
			n = min(n*10+int64(d-'0'), maxDuration)
		}
		var unit int64
		switch s[digits] {
		case 's':
			unit = 1
		case 'm':
			unit = 60
		case 'h':
			unit = 3600
		case 'd':
			unit = 86400
		case 'w':
			unit = 7 * 86400
		default:
			return 0, false
		}
		if n > (maxDuration-seconds)/unit {
			seconds = maxDuration
		} else {
			seconds += n * unit
		}
		s = s[digits+1:]
	}
	return seconds, seconds > 0
}
