package cell

import (
	"fmt"
	"math"
	"strings"
)

// Method is what is read from a cell, as rules name it. Methods compare with
// ==. The zero value is no method: its value is NaN, its name empty.
type Method uint64

// The methods that are no percentiles. Median is read as p50 is, under a name
// of its own.
const (
	Sum Method = 1 + iota
	Avg
	Min
	Max
	Count
	Last
	Median
	Stddev
	Variance
	Range

	numMethods

	// percentile marks the others; the bits below hold the fraction in
	// billionths.
	percentile Method = 1 << 32
)

var names = [numMethods]string{
	Sum: "sum", Avg: "avg", Min: "min", Max: "max", Count: "count", Last: "last",
	Median: "median", Stddev: "stddev", Variance: "variance", Range: "range",
}

// Methods returns what [ParseMethod] accepts, for messages.
func Methods() string {
	return strings.Join(names[1:], ", ") + ", or a percentile such as p50, p99, p99.9"
}

// decimals is how many decimals a percentile may have: with its two digits it
// is then a whole number of billionths.
const decimals = 7

// ParseMethod reads a method as it is written in rules, in lower case.
//
// A percentile is p and the percent, above 0 and below 100, with at most seven
// decimals. Without a dot the first two digits are the percent and further
// ones its decimals: p5 and p05 are 5, p50 is 50, p999 is 99.9, p0999 is 9.99.
func ParseMethod(s string) (Method, error) {
	for m, name := range names {
		if s == name && m > 0 {
			return Method(m), nil
		}
	}
	digits, ok := strings.CutPrefix(s, "p")
	if !ok || strings.Trim(digits, "0123456789.") != "" {
		return 0, fmt.Errorf("unknown method %q; accepted are %s", s, Methods())
	}
	return parsePercentile(s, digits)
}

func parsePercentile(s, digits string) (Method, error) {
	whole, frac, dot := strings.Cut(digits, ".")
	if !dot && len(whole) > 2 {
		whole, frac = whole[:2], whole[2:]
	}
	refuse := func(why string) (Method, error) {
		return 0, fmt.Errorf("bad percentile %q: %s; accepted are p and a percent such as p50, p99, p99.9 (also written p999)", s, why)
	}
	switch {
	case strings.Trim(whole, "0") == "" && strings.Trim(frac, "0") == "":
		if digits == "" {
			return refuse("no percent")
		}
		return refuse("the percent must be above 0, use min for the smallest value")
	case len(whole) > 2, !dot && strings.Trim(digits[1:], "0") == "" && len(digits) > 2:
		return refuse("the percent must be below 100, use max for the largest value")
	case whole == "", dot && frac == "", strings.Contains(frac, "."):
		return refuse("not a decimal number")
	case len(frac) > decimals:
		return refuse("more than 7 decimals")
	case !dot && len(digits) > 2 && strings.HasSuffix(digits, "0"):
		return refuse("without a dot its last decimal may not be 0")
	}
	var n Method
	for _, d := range whole + frac {
		n = n*10 + Method(d-'0')
	}
	for range decimals - len(frac) {
		n *= 10
	}
	return percentile | n, nil
}

// decimal returns the two digits of a percentile and its decimals, without
// zeros at the end.
func (m Method) decimal() (whole, frac string) {
	s := fmt.Sprintf("%09d", uint64(m&^percentile))
	return s[:2], strings.TrimRight(s[2:], "0")
}

// String returns the name of the method, a percentile as p99.9.
func (m Method) String() string {
	if m < percentile {
		if m < numMethods {
			return names[m]
		}
		return ""
	}
	whole, frac := m.decimal()
	whole = strings.TrimPrefix(whole, "0")
	if frac != "" {
		frac = "." + frac
	}
	return "p" + whole + frac
}

// Suffix returns the name as part of a metric, where a dot would separate: a
// percentile as p999. [ParseMethod] reads it.
func (m Method) Suffix() string {
	if m < percentile {
		return m.String()
	}
	whole, frac := m.decimal()
	if frac == "" {
		whole = strings.TrimPrefix(whole, "0")
	}
	return "p" + whole + frac
}

// NeedsValues tells whether the method reads [Values].
func (m Method) NeedsValues() bool { return m == Median || m >= percentile }

// Value reads the method from c and v, the values of c. v may be nil, and is
// only used, and then reordered, where [Method.NeedsValues]; a percentile
// without it is NaN. From an empty cell sum and count are 0, all else NaN.
func (m Method) Value(c *Cell, v *Values) float64 {
	switch {
	case m == Sum:
		return c.Total()
	case m == Count:
		return float64(c.Count)
	case c.Count == 0:
		return math.NaN()
	}
	switch m {
	case Avg:
		return c.Mean()
	case Min:
		return c.Min
	case Max:
		return c.Max
	case Last:
		return c.Last
	case Stddev:
		return c.Stddev()
	case Variance:
		return c.Variance()
	case Range:
		return c.span()
	case Median:
		return v.Quantile(0.5, c.Min, c.Max)
	}
	if m < percentile {
		return math.NaN()
	}
	// Both are exact, so the quotient is the float64 nearest to the fraction
	// as written: 0.999 for p99.9.
	return v.Quantile(float64(uint64(m&^percentile))/1e9, c.Min, c.Max)
}
