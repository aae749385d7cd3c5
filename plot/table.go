package plot

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// TableOptions say what a table may look like.
type TableOptions struct {
	// Width is that of the screen in characters; 0 is no limit.
	Width int
	// ASCII keeps to ASCII characters.
	ASCII bool
	// Location is the time zone of the times; nil is UTC.
	Location *time.Location
}

// maxColumns is how many series have a column each.
const maxColumns = 8

// table is a table while it is laid out.
type table struct {
	TableOptions
	series []Series
	names  []string
	first  int    // width of the column of times
	widths []int  // of the columns of series
	zone   string // of all times, "" where they have several
	out    []byte
}

// AppendTable appends the series as a table: a column for the time, one for each
// series. Where these are too many for the width, or more than eight, there is a
// line for each point instead, with the time, the series and the value. Values
// are the shortest decimals that are exact, gaps are "-".
//
// It keeps nothing of series and changes nothing in them.
func AppendTable(dst []byte, series []Series, o TableOptions) []byte {
	if o.Location == nil {
		o.Location = time.UTC
	}
	t := &table{TableOptions: o, series: series, out: dst}
	t.findZone()
	t.first = len(t.head())
	for _, s := range series {
		name := Printable(s.Name, o.ASCII)
		w := width(name)
		for _, p := range s.Points {
			w = max(w, len(value(p.Value)))
			t.first = max(t.first, len(t.time(p.Time)))
		}
		t.names, t.widths = append(t.names, name), append(t.widths, w)
	}
	total := t.first
	for _, w := range t.widths {
		total += 2 + w
	}
	if len(series) <= 1 || len(series) <= maxColumns && (o.Width == 0 || total <= o.Width) {
		t.appendWide()
	} else {
		t.appendLong()
	}
	return t.out
}

// findZone finds the zone of all times.
func (t *table) findZone() {
	for _, s := range t.series {
		for _, p := range s.Points {
			zone := at(p.Time, t.Location).Format("MST")
			if t.zone != "" && zone != t.zone {
				t.zone = ""
				return
			}
			t.zone = zone
		}
	}
}

// time returns a time as the first column has it.
func (t *table) time(unix int64) string {
	const layout = "2006-01-02 15:04:05"
	if t.zone != "" {
		return at(unix, t.Location).Format(layout)
	}
	return at(unix, t.Location).Format(layout + " MST")
}

// head returns the head of the first column.
func (t *table) head() string {
	if t.zone != "" {
		return "time (" + t.zone + ")"
	}
	return "time"
}

// value returns a value as the table has it.
func value(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return string(plaintext.AppendValue(nil, v))
}

// appendWide appends a column for each series.
func (t *table) appendWide() {
	var times []int64
	for _, s := range t.series {
		for _, p := range s.Points {
			times = append(times, p.Time)
		}
	}
	slices.Sort(times)
	times = slices.Compact(times)
	t.left(t.head(), t.first)
	for i, name := range t.names {
		t.right(name, t.widths[i])
	}
	t.text("\n")
	next := make([]int, len(t.series)) // the first point that is not before the row
	for _, unix := range times {
		t.left(t.time(unix), t.first)
		for i, s := range t.series {
			v := math.NaN()
			for ; next[i] < len(s.Points) && s.Points[next[i]].Time <= unix; next[i]++ {
				v = s.Points[next[i]].Value
			}
			t.right(value(v), t.widths[i])
		}
		t.text("\n")
	}
}

// appendLong appends a line for each point.
func (t *table) appendLong() {
	second, third := len("series"), len("value")
	for i, s := range t.series {
		second = max(second, width(t.names[i]))
		for _, p := range s.Points {
			third = max(third, len(value(p.Value)))
		}
	}
	t.left(t.head(), t.first)
	t.text("  ")
	t.left("series", second)
	t.right("value", third)
	t.text("\n")
	for i, s := range t.series {
		for _, p := range s.Points {
			t.left(t.time(p.Time), t.first)
			t.text("  ")
			t.left(t.names[i], second)
			t.right(value(p.Value), third)
			t.text("\n")
		}
	}
}

func (t *table) text(s string) { t.out = append(t.out, s...) }

// left appends a text with blanks up to n characters behind.
func (t *table) left(s string, n int) { t.text(s + strings.Repeat(" ", n-width(s))) }

// right appends a text with blanks up to n characters before, and two more.
func (t *table) right(s string, n int) { t.text("  " + strings.Repeat(" ", n-width(s)) + s) }
