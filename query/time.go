package query

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Times are from 1970 to 9999, in Unix seconds.
const (
	minTime = 0
	maxTime = 253402300799
)

// maxTimeText is the longest text of a time, in bytes.
const maxTimeText = 64

const acceptedTimes = "accepted: Unix seconds, now, -1h, now-30min, -1d2h (units s, min, h, d, w, mon, y), today, yesterday, " +
	"tomorrow, noon, midnight, teatime, HH:MM, HH:MM_YYYYMMDD, YYYYMMDD, MM/DD/YY, weekdays, and months with a day such as Jan 5"

// ParseRange reads the two ends of a range, by default the last 24 hours. The
// literal undefined counts as absent, because Grafana sends it. A reversed range
// is turned round, an empty one refused with an *[Error].
func ParseRange(from, until string, now time.Time) (int64, int64, error) {
	f, err := parseEnd("from", from, "-24h", now)
	if err != nil {
		return 0, 0, err
	}
	u, err := parseEnd("until", until, "now", now)
	if err != nil {
		return 0, 0, err
	}
	if f == u {
		return 0, 0, refuse("from and until are both %d, which is an empty range; from must be earlier", f)
	}
	return min(f, u), max(f, u), nil
}

func parseEnd(key, text, absent string, now time.Time) (int64, error) {
	if text == "" || text == "undefined" {
		text = absent
	}
	t, err := ParseTime(text, now)
	if err != nil {
		return 0, refuse("%s: %s", key, err)
	}
	return t, nil
}

// ParseTime reads a time as Graphite does and returns it in Unix seconds. What
// is relative is so to now; days are those of now's time zone. The error is an
// *[Error].
func ParseTime(text string, now time.Time) (int64, error) {
	if len(text) > maxTimeText {
		return 0, refuse("a time of %d bytes, longer than %d; %s", len(text), maxTimeText, acceptedTimes)
	}
	s := strings.Map(func(r rune) rune {
		if r == '_' || r == ',' || unicode.IsSpace(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, text)
	t, ok := parseTime(s, now)
	switch {
	case s == "" || !ok:
		return 0, refuse("%q is not a time; %s", text, acceptedTimes)
	case t < minTime || t > maxTime:
		return 0, refuse("%q is before 1970 or after 9999; Unix times are in seconds", text)
	}
	return t, nil
}

func parseTime(s string, now time.Time) (int64, bool) {
	if isDigits(s) && !isDate(s) {
		t, err := strconv.ParseInt(s, 10, 64)
		return t, err == nil
	}
	offset := ""
	// The first sign that stands anywhere: a plus goes before a minus.
	if i := strings.IndexByte(s, '+'); i >= 0 {
		s, offset = s[:i], s[i:]
	} else if i := strings.IndexByte(s, '-'); i >= 0 {
		s, offset = s[:i], s[i:]
	}
	t, ok := parseReference(s, now)
	if !ok {
		return 0, false
	}
	seconds, ok := parseOffset(offset)
	return t + seconds, ok
}

// isDate tells YYYYMMDD from Unix seconds in 1970.
func isDate(s string) bool {
	return len(s) == 8 && s[:4] > "1900" && s[4:6] < "13" && s[6:] < "32"
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// parseOffset reads a sign and any number of counts with units; the sign is for
// all of them.
func parseOffset(s string) (seconds int64, ok bool) {
	if s == "" {
		return 0, true
	}
	sign := int64(1)
	if s[0] == '-' {
		sign = -1
	}
	s = s[1:]
	for more := true; more; more = s != "" {
		digits := s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
		s = s[len(digits):]
		name := s[:len(s)-len(strings.TrimLeft(s, "abcdefghijklmnopqrstuvwxyz"))]
		s = s[len(name):]
		n, err := strconv.ParseInt(digits, 10, 64)
		unit := unitSeconds(name)
		if err != nil || unit == 0 || n > maxTime/unit {
			return 0, false
		}
		if seconds += n * unit; seconds > maxTime {
			return 0, false
		}
	}
	return sign * seconds, true
}

// unitSeconds knows a unit by how it begins; m alone could be two.
func unitSeconds(name string) int64 {
	for _, u := range []struct {
		prefix  string
		seconds int64
	}{{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}, {"w", 7 * 86400}, {"mon", 30 * 86400}, {"y", 365 * 86400}} {
		if strings.HasPrefix(name, u.prefix) {
			return u.seconds
		}
	}
	return 0
}

// parseReference reads a time of day, a day, or both in this order. A time of
// day alone is of today, a day alone begins at midnight.
func parseReference(s string, now time.Time) (int64, bool) {
	if s == "" || s == "now" {
		return now.Unix(), true
	}
	hour, minute, rest, ok := parseClock(s)
	if !ok {
		return 0, false
	}
	year, month, day, ok := parseDay(rest, now)
	if !ok {
		return 0, false
	}
	date := time.Date(year, month, day, hour, minute, 0, 0, now.Location())
	return date.Unix(), true
}

// parseClock takes a time of day off the start of s.
func parseClock(s string) (hour, minute int, rest string, ok bool) {
	for _, word := range []struct {
		name string
		hour int
	}{{"noon", 12}, {"midnight", 0}, {"teatime", 16}} {
		if rest, ok := strings.CutPrefix(s, word.name); ok {
			return word.hour, 0, rest, true
		}
	}
	digits := s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
	rest = s[len(digits):]
	if len(digits) < 1 || len(digits) > 2 || strings.HasPrefix(rest, "/") {
		return 0, 0, s, true
	}
	hour, _ = strconv.Atoi(digits)
	colon := strings.HasPrefix(rest, ":")
	if colon {
		if len(rest) < 3 || !isDigits(rest[1:3]) {
			return 0, 0, "", false
		}
		minute, _ = strconv.Atoi(rest[1:3])
		rest = rest[3:]
	}
	half := strings.HasPrefix(rest, "am") || strings.HasPrefix(rest, "pm")
	if half {
		if hour < 1 || hour > 12 {
			return 0, 0, "", false
		}
		if hour %= 12; rest[0] == 'p' {
			hour += 12
		}
		rest = rest[2:]
	}
	return hour, minute, rest, (colon || half) && hour < 24 && minute < 60
}
