package query

import (
	"strconv"
	"strings"
	"time"
)

// parseDay reads what is left of a reference behind the time of day; nothing is
// today.
func parseDay(s string, now time.Time) (year int, month time.Month, day int, ok bool) {
	year, month, day = now.Date()
	switch s {
	case "", "today":
		return year, month, day, true
	case "yesterday":
		return year, month, day - 1, true
	case "tomorrow":
		return year, month, day + 1, true
	}
	switch {
	case strings.Contains(s, "/"):
		return parseSlashes(s)
	case len(s) == 8 && isDigits(s):
		return checkDate(s[:4], s[4:6], s[6:])
	}
	word := strings.TrimRight(s, "0123456789")
	number := s[len(word):]
	if len(word) < 3 {
		return 0, 0, 0, false
	}
	for m := time.January; m <= time.December; m++ {
		if strings.HasPrefix(strings.ToLower(m.String()), word) {
			return checkDate(strconv.Itoa(year), strconv.Itoa(int(m)), number)
		}
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if number == "" && strings.HasPrefix(strings.ToLower(d.String()), word) {
			// The last such day, today included.
			return year, month, day - int(now.Weekday()-d+7)%7, true
		}
	}
	return 0, 0, 0, false
}

// parseSlashes reads MM/DD/YY or MM/DD/YYYY. Years of two digits are from 1970
// to 2069.
func parseSlashes(s string) (year int, month time.Month, day int, ok bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return 0, 0, 0, false
	}
	switch y := parts[2]; {
	case len(y) == 2 && y < "70":
		parts[2] = "20" + y
	case len(y) == 2:
		parts[2] = "19" + y
	case len(y) != 4:
		return 0, 0, 0, false
	}
	return checkDate(parts[2], parts[0], parts[1])
}

// checkDate returns a date that there is in the calendar.
func checkDate(year, month, day string) (int, time.Month, int, bool) {
	if !isDigits(year) || !isDigits(month) || !isDigits(day) || len(month) > 2 || len(day) > 2 {
		return 0, 0, 0, false
	}
	y, _ := strconv.Atoi(year)
	m, _ := strconv.Atoi(month)
	d, _ := strconv.Atoi(day)
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	ok := t.Year() == y && int(t.Month()) == m && t.Day() == d
	return y, time.Month(m), d, ok
}
