package wire

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/query/functions"
)

// AppendRenderJSON appends the series as JSON. With noNulls, points without a
// value are left out, as are series that have no point left. A series without
// tags has its name as the tag "name".
func AppendRenderJSON(dst []byte, series []*functions.Series, noNulls bool) []byte {
	const perPoint = 24 // typical
	dst = slices.Grow(dst, perPoint*points(series))
	dst = append(dst, '[')
	empty := len(dst)
	for _, s := range series {
		before := len(dst)
		if before > empty {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"target":`...)
		dst = AppendString(dst, s.Name)
		dst = append(dst, `,"tags":`...)
		dst = appendTags(dst, s)
		dst = append(dst, `,"datapoints":[`...)
		var n int
		dst, n = appendPoints(dst, s, noNulls)
		dst = append(dst, "]}"...)
		if noNulls && n == 0 {
			dst = dst[:before]
		}
	}
	return append(dst, ']')
}

func points(series []*functions.Series) int {
	n := 0
	for _, s := range series {
		n += len(s.Values)
	}
	return n
}

func appendTags(dst []byte, s *functions.Series) []byte {
	if len(s.Tags) == 0 {
		dst = append(dst, `{"name":`...)
		return append(AppendString(dst, s.Name), '}')
	}
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(s.Tags)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, key), ':')
		dst = AppendString(dst, s.Tags[key])
	}
	return append(dst, '}')
}

// appendPoints appends the points and returns how many.
func appendPoints(dst []byte, s *functions.Series, noNulls bool) ([]byte, int) {
	n := 0
	for i, v := range s.Values {
		if noNulls && math.IsNaN(v) {
			continue
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = appendNumber(dst, v)
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, s.Start+int64(i)*s.Step, 10)
		dst = append(dst, ']')
	}
	return dst, n
}

// appendNumber writes what JSON has no number for as Graphite does.
func appendNumber(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "null"...)
	case math.IsInf(v, 1):
		return append(dst, "1e9999"...)
	case math.IsInf(v, -1):
		return append(dst, "-1e9999"...)
	}
	return plaintext.AppendValue(dst, v)
}

// AppendString appends a string of JSON. <, > and & stay as they are: the
// answer is no HTML.
func AppendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return appendEscaped(dst, s)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic("wire: BUG: a string that JSON cannot hold: " + err.Error())
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// AppendRenderRaw appends a line for each series: name,start,end,step|values.
func AppendRenderRaw(dst []byte, series []*functions.Series) []byte {
	const perPoint = 10 // typical
	dst = slices.Grow(dst, perPoint*points(series))
	for _, s := range series {
		dst = append(dst, valid(s.Name)...)
		for _, n := range [...]int64{s.Start, s.End, s.Step} {
			dst = append(dst, ',')
			dst = strconv.AppendInt(dst, n, 10)
		}
		sep := byte('|')
		for _, v := range s.Values {
			dst = append(dst, sep)
			sep = ','
			if math.IsNaN(v) {
				dst = append(dst, "None"...)
			} else {
				dst = appendRepr(dst, v)
			}
		}
		if len(s.Values) == 0 {
			dst = append(dst, sep)
		}
		dst = append(dst, '\n')
	}
	return dst
}

// AppendRenderCSV appends a row for each point: name, time in loc, value, empty
// where there is none.
func AppendRenderCSV(dst []byte, series []*functions.Series, loc *time.Location) []byte {
	const perPoint = 32 // besides the name, typical
	size := 0
	for _, s := range series {
		size += (len(s.Name) + perPoint) * len(s.Values)
	}
	dst = slices.Grow(dst, size)
	for _, s := range series {
		name := appendField(nil, valid(s.Name))
		for i, v := range s.Values {
			dst = append(dst, name...)
			dst = append(dst, ',')
			dst = time.Unix(s.Start+int64(i)*s.Step, 0).In(loc).AppendFormat(dst, time.DateTime)
			dst = append(dst, ',')
			if !math.IsNaN(v) {
				dst = appendRepr(dst, v)
			}
			dst = append(dst, "\r\n"...)
		}
	}
	return dst
}

// appendField quotes a field of a row as Python's csv does.
func appendField(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(s, `"`, `""`)...)
	return append(dst, '"')
}

// appendRepr appends a number, not NaN, as Python writes a float.
func appendRepr(dst []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(dst, "inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-inf"...)
	}
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, v, 'f', -1, 64)
	if !slices.Contains(dst[n:], '.') {
		dst = append(dst, ".0"...)
	}
	return dst
}
