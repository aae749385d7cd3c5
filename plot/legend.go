package plot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// minName is how many characters of a name the legend shows at least.
const minName = 8

// appendLegend appends one line for each series.
func (f *frame) appendLegend() {
	room := f.Width - len("xx ")
	names, stats := make([]string, len(f.series)), f.stats(room-minName)
	nameWidth, statsWidth := 0, 0
	for i, s := range f.series {
		names[i] = Printable(s.Name, f.ASCII)
		nameWidth = max(nameWidth, width(names[i]))
		statsWidth = max(statsWidth, width(stats[i]))
	}
	nameWidth = min(nameWidth, room-statsWidth)
	for i := range f.series {
		f.appendKey(i)
		name := f.cut(names[i], nameWidth)
		f.text(" " + name + strings.Repeat(" ", nameWidth-width(name)) + stats[i] + "\n")
	}
	if f.more > 0 {
		f.text(fmt.Sprintf("%d more series, not drawn\n", f.more))
	}
}

// appendKey appends what the line of a series looks like.
func (f *frame) appendKey(series int) {
	if !f.dotted() {
		f.rune(' ')
	}
	if f.Color {
		f.colour(series)
	}
	if f.dotted() {
		f.text("━━")
	} else {
		f.rune(rune(markers[series]))
	}
	if f.Color {
		f.colour(-1)
	}
}

// stats returns the last, the greatest and the least value of each series, one
// below the other, or as many of them as have room.
func (f *frame) stats(room int) []string {
	const kinds = 3
	numbers := make([][kinds]string, len(f.series))
	var widths [kinds]int
	for i, s := range f.series {
		last, greatest, least := math.NaN(), math.Inf(-1), math.Inf(1)
		for _, p := range s.Points {
			if !math.IsNaN(p.Value) {
				last, greatest, least = p.Value, max(greatest, p.Value), min(least, p.Value)
			}
		}
		if math.IsNaN(last) {
			continue
		}
		numbers[i] = [kinds]string{f.short(last), f.short(greatest), f.short(least)}
		for k, n := range numbers[i] {
			widths[k] = max(widths[k], width(n))
		}
	}
	lines := make([]string, len(f.series))
	for i, n := range numbers {
		if n[0] == "" {
			lines[i] = "  no values"
			continue
		}
		for k, kind := range [kinds]string{"last", "max", "min"} {
			item := "  " + kind + " " + strings.Repeat(" ", widths[k]-width(n[k])) + n[k]
			if width(lines[i]+item) > room {
				break
			}
			lines[i] += item
		}
		const behind = "  (behind others)"
		if !f.canvas.seen(i) && width(lines[i]+behind) <= room {
			lines[i] += behind
		}
	}
	return lines
}

// cut shortens a name to n characters. Its middle tells least.
func (f *frame) cut(name string, n int) string {
	r := []rune(name)
	if len(r) <= n {
		return name
	}
	mark := "…"
	if f.ASCII {
		mark = "..."
	}
	n -= width(mark)
	return string(r[:n/2]) + mark + string(r[len(r)-(n-n/2):])
}

// Printable returns a name as a terminal can show it, with what is not printable
// escaped as in Go: a terminal obeys none of it. With ascii, that is all but
// ASCII.
func Printable(name string, ascii bool) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(name[i:], string(r)):
			fmt.Fprintf(&b, `\x%02x`, name[i]) // not UTF-8
		case !unicode.IsPrint(r) || ascii && r > unicode.MaxASCII:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func width(s string) int { return utf8.RuneCountInString(s) }
