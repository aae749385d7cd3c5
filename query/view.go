package query

import (
	"math"
	"strconv"
	"strings"

	"github.com/coalesce-metrics/coalesce/cell"
)

// View is a number that is read from a cell, as the part of a name behind its
// last colon says. The zero View is the method of the cell's rule.
type View struct {
	// Text is the suffix without the colon.
	Text   string
	method cell.Method
	// per is the seconds that a rate is for; 0 is no rate.
	per float64
	// percent is that of a percentile, 1 to 99, or 0.
	percent int
}

var plainViews = map[string]View{
	"avg": {method: cell.Avg}, "sum": {method: cell.Sum}, "min": {method: cell.Min}, "max": {method: cell.Max},
	"obvs": {method: cell.Count}, "count": {method: cell.Count}, "last": {method: cell.Last}, "stddev": {method: cell.Stddev},
	"sumrate": {method: cell.Sum, per: 1}, "obvsrate": {method: cell.Count, per: 1},
}

// maxRate is the most seconds in a view such as sum60.
const maxRate = 1_000_000_000

// ParseView reads a suffix such as avg, sum60 or 95pct.
func ParseView(text string) (View, bool) {
	v, ok := plainViews[text]
	if n, is := strings.CutPrefix(text, "sum"); !ok && is && isDigits(n) {
		per, err := strconv.Atoi(n)
		v, ok = View{method: cell.Sum, per: float64(per)}, err == nil && per >= 1 && per <= maxRate
	}
	if n, is := strings.CutSuffix(text, "pct"); !ok && is && len(n) == 2 && isDigits(n) {
		percent, _ := strconv.Atoi(n)
		v, ok = View{percent: percent}, percent > 0
	}
	v.Text = text
	return v, ok
}

// Value reads the view from a cell that is width seconds long, whose rule has a
// method. It is NaN where there is nothing to read it from.
func (v View) Value(c *cell.Cell, values *cell.Values, method cell.Method, width int64) float64 {
	if c.Count == 0 {
		return math.NaN()
	}
	if values.Len() != c.Count {
		values = nil // a part of the cell had none
	}
	if v.percent > 0 {
		if values == nil {
			return math.NaN()
		}
		return values.Quantile(float64(v.percent)/100, c.Min, c.Max)
	}
	if v.method != 0 {
		method = v.method
	}
	x := method.Value(c, values)
	if v.per > 0 {
		x = x / float64(width) * v.per
	}
	return x
}

// merging returns how others are to merge points of the view, as
// [Series].Consolidate says it. Views that cannot be merged are averages.
func (v View) merging(method cell.Method) string {
	if v.method != 0 {
		method = v.method
	}
	switch {
	case v.percent > 0 || v.per > 0:
		return "average"
	case method == cell.Sum || method == cell.Count:
		return "sum"
	case method == cell.Min || method == cell.Max || method == cell.Last:
		return method.String()
	}
	return "average"
}

// cutView takes the view from the end of a name.
func cutView(name string) (base string, v View, ok bool) {
	i := strings.LastIndexByte(name, ':')
	if i <= 0 {
		return name, View{}, false
	}
	v, ok = ParseView(name[i+1:])
	return name[:i], v, ok
}
