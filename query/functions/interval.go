package functions

import (
	"errors"
	"strconv"
	"strings"
)

const acceptedIntervals = "such as 30s, 5min, 1h30min, -7d, 2w, 1mon or 1y"

// maxInterval is the longest, in seconds: 100 years.
const maxInterval = 100 * 365 * 86400

var errInterval = errors.New("not a time")

// parseInterval reads a sign, and counts with units that the sign is for, and
// returns seconds. A month has 30 days, a year 365.
func parseInterval(text string) (int64, error) {
	s := strings.ToLower(text)
	if s == "" || len(s) > 64 {
		return 0, errInterval
	}
	sign := int64(1)
	switch s[0] {
	case '-':
		sign, s = -1, s[1:]
	case '+':
		s = s[1:]
	}
	seconds := int64(0)
	for more := true; more; more = s != "" {
		rest := strings.TrimLeft(s, "0123456789")
		n, err := strconv.ParseInt(s[:len(s)-len(rest)], 10, 64)
		s = strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz")
		unit := unitSeconds(rest[:len(rest)-len(s)])
		if err != nil || unit == 0 || n > maxInterval/unit {
			return 0, errInterval
		}
		if seconds += n * unit; seconds > maxInterval {
			return 0, errInterval
		}
	}
	return sign * seconds, nil
}

// unitSeconds knows a unit by how it begins; m alone could be two.
func unitSeconds(name string) int64 {
	for _, u := range [...]struct {
		prefix  string
		seconds int64
	}{{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}, {"w", 7 * 86400}, {"mon", 30 * 86400}, {"y", 365 * 86400}} {
		if strings.HasPrefix(name, u.prefix) {
			return u.seconds
		}
	}
	return 0
}

// seconds returns the i-th parameter, an interval.
func (c *call) seconds(i int, absent string) int64 {
	// bind has refused what is none.
	n, _ := parseInterval(c.text(i, absent))
	return n
}

// period is seconds for a parameter that points are put together by.
func (c *call) period(i int) (int64, error) {
	n := c.seconds(i, "")
	if n <= 0 {
		return 0, refuse("%s: %s must be a time above 0 in quotes (%s), got %q", c.fn.name, c.fn.params[i].Name, acceptedIntervals, c.text(i, ""))
	}
	return n, nil
}
