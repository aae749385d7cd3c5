// Package plot draws series as text for a terminal.
package plot

import (
	"math"
	"strings"
	"time"
)

// Point is one value of a series.
type Point struct {
	// Time is in Unix seconds; outside of the years 1 to 9999 it is drawn at the
	// edge.
	Time int64
	// Value is NaN for a gap. An infinite one, or one beyond 4e307, is drawn at the
	// edge.
	Value float64
}

// Series is what is drawn as one line.
type Series struct {
	// Name is shown in the legend; see [Printable].
	Name string
	// Points are in order of time. Gaps count for the range of the time axis.
	Points []Point
}

// Options say for what screen a plot is drawn.
type Options struct {
	// Width and Height are those of the whole plot with its axes and legend, in
	// characters. Less than 40 by 11 is taken as that. Where axes and legend need
	// it, the plot is higher.
	Width, Height int
	// ASCII keeps to ASCII characters.
	ASCII bool
	// Color tells series apart by colours of ANSI. Without, several series are
	// drawn with a character each, which is coarser than the dots of a single one.
	Color bool
	// Location is the time zone of the time axis; nil is UTC.
	Location *time.Location
}

// MaxSeries is how many series are drawn; the legend tells how many are not.
const MaxSeries = len(markers)

const (
	minWidth, minHeight = 40, 11
	minRows             = 5
)

// frame is a plot while it is laid out.
type frame struct {
	Options
	series []Series // those that are drawn
	more   int      // how many are not
	canvas *canvas
	values valueAxis
	times  timeAxis
	gutter int // width of the values' labels
	out    []byte
}

// Append appends the plot of the series, first in front, as lines that each end
// in a newline. It keeps nothing of series and changes nothing in them.
func Append(dst []byte, series []Series, o Options) []byte {
	o.Width, o.Height = max(o.Width, minWidth), max(o.Height, minHeight)
	if o.Location == nil {
		o.Location = time.UTC
	}
	f := &frame{Options: o, series: series[:min(len(series), MaxSeries)], out: dst}
	f.more = len(series) - len(f.series)
	f.times = newTimeAxis(f.series, o.Location)
	rows := o.Height - 2 - len(f.times.rangeLines(o.Width)) - len(f.series)
	if f.more > 0 {
		rows--
	}
	rows = max(rows, minRows)
	f.values = newValueAxis(f.series, rows)
	for _, t := range f.values.ticks {
		f.gutter = max(f.gutter, width(f.label(t)))
	}
	columns := o.Width - f.gutter - 2
	f.canvas = newCanvas(columns, rows, f.dotted())
	f.times.place(columns)
	f.draw()
	f.appendCanvas()
	f.appendTimes()
	f.appendLegend()
	return f.out
}

// dotted tells whether series are drawn with braille dots, which nothing but
// colour tells apart.
func (f *frame) dotted() bool { return !f.ASCII && (f.Color || len(f.series) == 1) }

// draw puts the series on the canvas.
func (f *frame) draw() {
	for i, s := range f.series {
		pen := f.canvas.pen(i)
		for _, p := range s.Points {
			if math.IsNaN(p.Value) {
				pen.lift()
				continue
			}
			pen.to(f.times.at(p.Time), f.values.at(p.Value))
		}
		pen.lift()
	}
}

// appendCanvas appends the rows of the canvas, with the axis of values before.
func (f *frame) appendCanvas() {
	labels := make([]string, f.canvas.rows)
	zero := -1
	for _, t := range f.values.ticks {
		row := f.canvas.row(f.values.at(t.value))
		labels[row] = f.label(t)
		if t.value == 0 && f.values.lo < 0 && f.values.hi > 0 {
			zero = row
		}
	}
	for row, label := range labels {
		f.appendLabel(label)
		blank := f.glyph(' ', ' ')
		switch {
		case row == zero:
			blank = f.glyph('┄', '-')
		case f.values.ticks == nil && row == f.canvas.rows/2:
			f.text(" no values")
			f.text("\n")
			continue
		}
		f.appendRow(row, blank)
		f.endLine()
	}
}

func (f *frame) appendLabel(label string) {
	f.text(strings.Repeat(" ", f.gutter-width(label)))
	f.text(label)
	if f.gutter > 0 {
		f.text(" ")
	}
	f.rune(map[bool]rune{false: f.glyph('│', '|'), true: f.glyph('┤', '+')}[label != ""])
}

// appendRow appends one row of the canvas.
func (f *frame) appendRow(row int, blank rune) {
	colour := -1
	for col := range f.canvas.columns {
		dots, owner := f.canvas.cell(col, row)
		if owner != colour && f.Color {
			f.colour(owner)
		}
		colour = owner
		switch {
		case owner < 0:
			f.rune(blank)
		case f.dotted():
			f.rune(0x2800 + rune(dots))
		default:
			f.rune(rune(markers[owner]))
		}
	}
	if colour >= 0 && f.Color {
		f.colour(-1)
	}
}

// markers are the characters of series where dots cannot tell them apart: such
// as cannot be taken for an axis.
const markers = "*ox#@%&=$~^!"

// colours of ANSI: none of black, white and grey, one of which is the ground.
var colours = [MaxSeries]string{"32", "33", "36", "35", "34", "31", "92", "93", "96", "95", "94", "91"}

// colour begins the colour of a series; that of -1 is the default.
func (f *frame) colour(series int) {
	code := "0"
	if series >= 0 {
		code = colours[series]
	}
	f.text("\x1b[" + code + "m")
}

// glyph chooses by what the screen can show.
func (f *frame) glyph(unicode, ascii rune) rune {
	if f.ASCII {
		return ascii
	}
	return unicode
}

func (f *frame) text(s string) { f.out = append(f.out, s...) }

func (f *frame) rune(r rune) { f.out = append(f.out, string(r)...) }

// endLine ends a line, without blanks at its end.
func (f *frame) endLine() {
	for len(f.out) > 0 && f.out[len(f.out)-1] == ' ' {
		f.out = f.out[:len(f.out)-1]
	}
	f.text("\n")
}
