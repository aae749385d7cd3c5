package plot

import (
	"math"
	"strconv"
	"strings"
)

// prefixes of SI by thousands from 1e-24.
var prefixes = [...]string{"y", "z", "a", "f", "p", "n", "µ", "m", "", "k", "M", "G", "T", "P", "E", "Z", "Y"}

// prefix returns the prefix of a power of ten that is a multiple of three; ok is
// false where there is none.
func (f *frame) prefix(exponent int) (prefix string, ok bool) {
	i := exponent/3 + 8
	if i < 0 || i >= len(prefixes) {
		return "", false
	}
	if f.ASCII && prefixes[i] == "µ" {
		return "u", true
	}
	return prefixes[i], true
}

// decimals writes digits times ten to the exponent without an exponent.
func decimals(digits int64, exponent int) string {
	sign := ""
	if digits < 0 {
		sign, digits = "-", -digits
	}
	s := strconv.FormatInt(digits, 10)
	if exponent >= 0 {
		return sign + s + strings.Repeat("0", exponent)
	}
	if missing := -exponent - len(s) + 1; missing > 0 {
		s = strings.Repeat("0", missing) + s
	}
	return sign + s[:len(s)+exponent] + "." + s[len(s)+exponent:]
}

// significant returns how many digits of a value the legend shows: four, or more
// where the ticks of the axis differ in later ones.
func (a *valueAxis) significant() int {
	if len(a.ticks) == 0 {
		return 4
	}
	largest := exponentOf(max(math.Abs(a.lo), math.Abs(a.hi)))
	return min(max(largest-a.ticks[0].exponent+2, 4), 15)
}

// short writes a value with a prefix of SI. From a thousandth to a thousand there
// is none, for few people read 500m as a half.
func (f *frame) short(v float64) string {
	significant := f.values.significant()
	if v == 0 || math.IsInf(v, 0) {
		return strings.ToLower(strconv.FormatFloat(v, 'g', -1, 64))
	}
	// Rounded first: 999.96 is 1k.
	text := strconv.FormatFloat(v, 'e', significant-1, 64)
	mantissa, power, _ := strings.Cut(text, "e")
	digits, _ := strconv.ParseInt(strings.Replace(mantissa, ".", "", 1), 10, 64)
	exponent, _ := strconv.Atoi(power)
	scale := 0
	if exponent < -3 || exponent > 2 {
		scale = exponent - mod(exponent, 3)
	}
	prefix, ok := f.prefix(scale)
	if !ok {
		return shorten(mantissa) + "e" + power
	}
	return shorten(decimals(digits, exponent-significant+1-scale)) + prefix
}

// shorten removes zeros at the end of decimals.
func shorten(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
