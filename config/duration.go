package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time that is never negative, in nanoseconds as
// [time.Duration]. In a file it is a string such as "5s", "1h30m" or "1d".
type Duration time.Duration

// Spans for literals.
const (
	Millisecond = Duration(time.Millisecond)
	Second      = Duration(time.Second)
	Minute      = Duration(time.Minute)
	Hour        = Duration(time.Hour)
	Day         = 24 * Hour
)

var errDuration = errors.New(`not a duration; accepted: a string of numbers with the units d, h, m, s, ms, us or ns, ` +
	`such as "5s", "1h30m" or "1d", not negative`)

// UnmarshalText reads one or more decimal numbers, each with a unit, the
// largest unit first: d (24 hours), h, m, s, ms, us, ns. "0" needs no unit. On
// an error, which says what is accepted, d is unchanged.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if strings.ContainsAny(s, "+-") {
		return errDuration
	}
	var total time.Duration
	if days, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		// Only digits and a point: ParseFloat knows exponents, hex and "inf".
		if err != nil || strings.Trim(days, "0123456789.") != "" || n > 106_000 {
			return errDuration
		}
		total = time.Duration(n * float64(Day))
		s = rest
	}
	if s != "" || total == 0 && len(text) == 0 {
		rest, err := time.ParseDuration(s)
		if err != nil || total+rest < 0 {
			return errDuration
		}
		total += rest
	}
	*d = Duration(total)
	return nil
}

// UnmarshalTOML reads the string form; every other TOML type is an error. It
// implements [toml.Unmarshaler].
func (d *Duration) UnmarshalTOML(value any) error {
	s, ok := value.(string)
	if !ok {
		return errDuration
	}
	return d.UnmarshalText([]byte(s))
}

// String returns the shortest form that UnmarshalText reads back, such as "5s",
// "1h30m" or "1d".
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, unit := range []struct {
		name string
		size Duration
	}{{"d", Day}, {"h", Hour}, {"m", Minute}, {"s", Second}, {"ms", Millisecond}, {"us", Millisecond / 1000}, {"ns", 1}} {
		if n := d / unit.size; n != 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10))
			b.WriteString(unit.name)
			d %= unit.size
		}
	}
	return b.String()
}
