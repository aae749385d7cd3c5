package plaintext

import (
	"math"
	"strconv"
)

// Append appends the line `name value timestamp` and a newline.
func Append(dst, name []byte, value, time float64) []byte {
	dst = append(dst, name...)
	dst = append(dst, ' ')
	dst = AppendValue(dst, value)
	dst = append(dst, ' ')
	dst = AppendTime(dst, time)
	return append(dst, '\n')
}

// AppendValue appends the shortest decimal that parses back to the same value.
// Infinities and not-a-number are written as carbon writes them: inf, -inf, nan.
func AppendValue(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "nan"...)
	case math.IsInf(v, 1):
		return append(dst, "inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-inf"...)
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e15 && (v != 0 || !math.Signbit(v)) {
		return strconv.AppendInt(dst, int64(v), 10)
	}
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		n := len(dst)
		dst = strconv.AppendFloat(dst, v, 'e', -1, 64)
		// e-09 is written e-9, as every language's shortest form is.
		if k := len(dst); k-n >= 4 && dst[k-4] == 'e' && dst[k-2] == '0' {
			dst[k-2] = dst[k-1]
			dst = dst[:k-1]
		}
		return dst
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// AppendTime appends a Unix time, with decimals only where it has some.
func AppendTime(dst []byte, t float64) []byte {
	if t == math.Trunc(t) && math.Abs(t) < 1<<62 {
		return strconv.AppendInt(dst, int64(t), 10)
	}
	return strconv.AppendFloat(dst, t, 'f', -1, 64)
}
