package functions

import (
	"math"
	"strconv"
	"strings"
)

// short writes a number as %g does, with six digits, which Python's and Go's
// have in common.
func short(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// whole writes a number as Python's %d does.
func whole(v float64) string { return strconv.FormatFloat(math.Trunc(v), 'f', -1, 64) }

// repr writes a number as Python's str does. integer is whether Python has it as
// an int.
func repr(v float64, integer bool) string {
	switch {
	case missing(v):
		return "None"
	case integer:
		return whole(v)
	case math.IsInf(v, 0):
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+"))
	}
	exp := 0
	if v != 0 {
		text := strconv.FormatFloat(v, 'e', -1, 64)
		exp, _ = strconv.Atoi(text[strings.IndexByte(text, 'e')+1:])
	}
	if exp < -4 || exp >= 16 {
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// roundTo returns v rounded to a number of decimal places as Python's round does:
// by its exact value, and halves to even.
func roundTo(v float64, places int) float64 {
	switch {
	case missing(v) || math.IsInf(v, 0) || places > 22 && math.Abs(v) > 1e-300:
		return v
	case places < -308:
		return 0
	case places < 0:
		unit := math.Pow10(-places)
		return math.RoundToEven(v/unit) * unit
	case math.Abs(v) >= 1<<53:
		return v
	}
	var buf [64]byte
	rounded, err := strconv.ParseFloat(string(strconv.AppendFloat(buf[:0], v, 'f', min(places, 323), 64)), 64)
	if err != nil {
		return v
	}
	return rounded
}
