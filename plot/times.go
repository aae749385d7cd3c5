package plot

import (
	"strconv"
	"strings"
	"time"
)

// The first and the last second of the years that are written with four digits.
const (
	minTime = -62135596800
	maxTime = 253402300799
)

// at returns a time, within the years that are written with four digits.
func at(t int64, loc *time.Location) time.Time {
	return time.Unix(min(max(t, minTime), maxTime), 0).In(loc)
}

// timeAxis maps times to places across the canvas.
type timeAxis struct {
	from, until int64
	known       bool   // there are points
	every       string // says how far they are apart, "" where that differs
	loc         *time.Location
	step        timeStep
	ticks       []int64
}

type unit int

const (
	seconds unit = iota
	days
	months
)

// timeStep is a distance of ticks that people count in.
type timeStep struct {
	n    int
	unit unit
}

const (
	minute = 60
	hour   = 60 * minute
	day    = 24 * hour
	month  = 30 * day
	year   = 12 // months
)

var timeSteps = []timeStep{
	{1, seconds}, {2, seconds}, {5, seconds}, {10, seconds}, {15, seconds}, {30, seconds},
	{minute, seconds}, {2 * minute, seconds}, {5 * minute, seconds}, {10 * minute, seconds}, {15 * minute, seconds}, {30 * minute, seconds},
	{hour, seconds}, {2 * hour, seconds}, {3 * hour, seconds}, {6 * hour, seconds}, {12 * hour, seconds},
	{1, days}, {2, days}, {7, days}, {14, days},
	{1, months}, {2, months}, {3, months}, {6, months},
	{year, months}, {2 * year, months}, {5 * year, months}, {10 * year, months}, {20 * year, months}, {50 * year, months},
	{100 * year, months}, {200 * year, months}, {500 * year, months}, {1000 * year, months}, {2000 * year, months}, {5000 * year, months},
}

// length returns about how many seconds a step has.
func (s timeStep) length() int64 {
	return int64(s.n) * [...]int64{seconds: 1, days: day, months: month}[s.unit]
}

// newTimeAxis returns an axis over all points, without ticks.
func newTimeAxis(series []Series, loc *time.Location) timeAxis {
	a := timeAxis{loc: loc, from: maxTime, until: minTime}
	for _, s := range series {
		for _, p := range s.Points {
			t := min(max(p.Time, minTime), maxTime)
			a.from, a.until = min(a.from, t), max(a.until, t)
			a.known = true
		}
	}
	if step := every(series); step != "" {
		a.every = ", a point every " + step
	}
	return a
}

// place chooses the ticks for a width.
func (a *timeAxis) place(columns int) {
	if !a.known {
		return
	}
	for _, a.step = range timeSteps {
		if (a.until-a.from)/a.step.length() <= int64(columns/(a.step.width()+4)) {
			break
		}
	}
	a.addTicks()
}

// every returns how far the points of all series are apart, or "" where that
// differs.
func every(series []Series) string {
	step := int64(0)
	for _, s := range series {
		for i := 1; i < len(s.Points); i++ {
			switch d := s.Points[i].Time - s.Points[i-1].Time; {
			case d <= 0 || d > maxTime || step != 0 && d != step:
				return ""
			default:
				step = d
			}
		}
	}
	return spell(step)
}

// spell writes seconds as 1d12h, and none as "".
func spell(n int64) string {
	var b strings.Builder
	for _, u := range []struct {
		size int64
		name string
	}{{day, "d"}, {hour, "h"}, {minute, "m"}, {1, "s"}} {
		if n >= u.size {
			b.WriteString(strconv.FormatInt(n/u.size, 10) + u.name)
			n %= u.size
		}
	}
	return b.String()
}

// addTicks adds the round times of the zone. Those that a change of its offset
// skips are left out.
func (a *timeAxis) addTicks() {
	for i := 0; ; i++ {
		switch t := a.round(i); {
		case t > a.until:
			if len(a.ticks) == 0 {
				a.ticks, a.step = []int64{a.from}, timeSteps[0]
			}
			return
		case t >= a.from && (len(a.ticks) == 0 || t > a.ticks[len(a.ticks)-1]):
			a.ticks = append(a.ticks, t)
		}
	}
}

// round returns the i-th round time, counted from about the beginning.
func (a *timeAxis) round(i int) int64 {
	from := at(a.from, a.loc)
	y, m, d := from.Date()
	n := a.step.n
	switch a.step.unit {
	case seconds:
		since := (from.Hour()*60+from.Minute())*60 + from.Second()
		return time.Date(y, m, d, 0, 0, (since/n+i)*n, 0, a.loc).Unix()
	case days:
		// Weeks begin on Mondays, of which 5 January 1970 is one.
		n0 := int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()/day) - 4
		return time.Date(1970, 1, 5+n0-mod(n0, n)+i*n, 0, 0, 0, 0, a.loc).Unix()
	default:
		n0 := y*year + int(m) - 1
		return time.Date(0, time.Month(n0-n0%n+i*n+1), 1, 0, 0, 0, 0, a.loc).Unix()
	}
}

// at returns the place of a time, from 0 to 1 within the axis.
func (a *timeAxis) at(t int64) float64 {
	if a.from == a.until {
		return 0.5
	}
	return float64(min(max(t, a.from), a.until)-a.from) / float64(a.until-a.from)
}

func (s timeStep) width() int { return max(len(s.layout()), len("Jan 02")) }

func (s timeStep) layout() string {
	switch {
	case s.unit == months && s.n >= year:
		return "2006"
	case s.unit == months:
		return "Jan 2006"
	case s.unit == days:
		return "Jan 02"
	case s.n < minute:
		return "15:04:05"
	}
	return "15:04"
}

// label returns the label of a tick. Midnight is where a new date begins.
func (a *timeAxis) label(tick int64) string {
	t := at(tick, a.loc)
	layout := a.step.layout()
	if h, m, s := t.Clock(); a.step.unit == seconds && h == 0 && m == 0 && s == 0 {
		layout = "Jan 02"
	}
	return t.Format(layout)
}

// rangeLines says what the axis spans, with the date and the zone, and how much
// time a point stands for: a sum is the larger, the longer that is. It is one
// line if that has room.
func (a *timeAxis) rangeLines(room int) []string {
	const date, clock, zone = "2006-01-02", "15:04:05", " MST"
	if !a.known {
		return nil
	}
	from, until := at(a.from, a.loc), at(a.until, a.loc)
	text := from.Format(date + " " + clock)
	was, is := from.Format(zone), until.Format(zone)
	if a.from == a.until {
		return []string{text + is}
	}
	if was != is {
		text += was
	}
	layout := " to " + clock + zone
	if from.Format(date) != until.Format(date) {
		layout = " to " + date + " " + clock + zone
	}
	lines := []string{text}
	for _, more := range []string{until.Format(layout), a.every} {
		last := &lines[len(lines)-1]
		if len(*last)+len(more) <= room {
			*last += more
		} else {
			lines = append(lines, strings.TrimLeft(more, ", "))
		}
	}
	return lines
}

// appendTimes appends the time axis: a line with ticks, their labels, the range.
func (f *frame) appendTimes() {
	line := []rune(strings.Repeat(string(f.glyph('─', '-')), f.canvas.columns))
	labels := []rune(strings.Repeat(" ", f.canvas.columns))
	free := 0
	for _, t := range f.times.ticks {
		col := dot(f.times.at(t), f.canvas.columns*f.canvas.perColumn) / f.canvas.perColumn
		label := f.times.label(t)
		start := min(max(col-len(label)/2, 0), f.canvas.columns-len(label))
		if start < free {
			continue // no tick without its label
		}
		copy(labels[start:], []rune(label))
		free = start + len(label) + 2
		line[col] = f.glyph('┬', '+')
	}
	indent := strings.Repeat(" ", f.gutter)
	if f.gutter > 0 {
		indent += " "
	}
	f.text(indent)
	f.rune(f.glyph('└', '+'))
	f.text(string(line) + "\n")
	if !f.times.known {
		return
	}
	f.text(indent + " " + string(labels))
	f.endLine()
	for _, line := range f.times.rangeLines(f.Width) {
		f.text(strings.Repeat(" ", max(0, min(f.Width-len(line), len(indent)+1))) + line + "\n")
	}
}
