package plot

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// reading is what a person sees of a plot of one series: the rows with a label,
// and which characters have something in them.
type reading struct {
	rows    [][]rune
	columns int
	labels  map[int]float64 // by row
}

// axis has a label, a character of the axis and the row.
var axis = regexp.MustCompile(`^(?:(.*?) )?([│┤|+└])(.*)$`)

func read(t *rapid.T, text string) reading {
	var r reading
	r.labels = make(map[int]float64)
	for i, line := range strings.Split(text, "\n") {
		parts := axis.FindStringSubmatch(line)
		if parts == nil {
			t.Fatalf("no axis in %q", line)
		}
		label, mark, rest := strings.TrimSpace(parts[1]), parts[2], []rune(parts[3])
		if mark == "└" || mark == "+" && label == "" {
			r.columns = len(rest)
			return r
		}
		r.rows = append(r.rows, rest)
		if label != "" {
			r.labels[i] = number(t, label)
		}
	}
	t.Fatal("no axis of time")
	return r
}

// number reads a number with a prefix of SI.
func number(t *rapid.T, s string) float64 {
	exponents := map[string]string{"y": "e-24", "z": "e-21", "a": "e-18", "f": "e-15", "p": "e-12", "n": "e-9", "µ": "e-6", "u": "e-6", "m": "e-3",
		"k": "e3", "M": "e6", "G": "e9", "T": "e12", "P": "e15", "E": "e18", "Z": "e21", "Y": "e24"}
	for prefix, e := range exponents {
		if base, ok := strings.CutSuffix(s, prefix); ok {
			s = base + e
			break
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("label: %v", err)
	}
	return v
}

// inked tells whether there is anything within a row and a column of a place.
func (r *reading) inked(row, col float64) bool {
	for y := int(math.Floor(row - 1)); y <= int(math.Ceil(row+1)); y++ {
		for x := int(math.Floor(col - 1)); x <= int(math.Ceil(col+1)); x++ {
			if y >= 0 && y < len(r.rows) && x >= 0 && x < len(r.rows[y]) && r.rows[y][x] != ' ' && r.rows[y][x] != '┄' && r.rows[y][x] != '-' {
				return true
			}
		}
	}
	return false
}

func values() *rapid.Generator[float64] {
	return rapid.Custom(func(t *rapid.T) float64 {
		size := math.Pow(10, float64(rapid.IntRange(-200, 200).Draw(t, "exponent")))
		return rapid.Float64Range(-1, 1).Draw(t, "mantissa") * size
	})
}

func randomPoints(value *rapid.Generator[float64]) *rapid.Generator[[]Point] {
	return rapid.Custom(func(t *rapid.T) []Point {
		at := rapid.Int64Range(0, 2_000_000_000).Draw(t, "start")
		step := rapid.Int64Range(1, 100_000).Draw(t, "step")
		var all []Point
		for range rapid.IntRange(1, 200).Draw(t, "points") {
			p := Point{Time: at, Value: math.NaN()}
			if rapid.IntRange(0, 4).Draw(t, "gap") > 0 {
				p.Value = value.Draw(t, "value")
			}
			all = append(all, p)
			at += step
		}
		return all
	})
}

// Every point is within the frame, where the labels say, and nothing is drawn
// outside.
func TestPointsAreWhereTheLabelsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := values()
		if rapid.Bool().Draw(t, "narrow") {
			middle := value.Draw(t, "middle")
			value = rapid.Map(rapid.Float64Range(-1, 1), func(v float64) float64 { return middle + middle*v/1000 })
		}
		p := randomPoints(value).Draw(t, "series")
		o := Options{
			Width: rapid.IntRange(0, 250).Draw(t, "width"), Height: rapid.IntRange(0, 60).Draw(t, "height"), ASCII: rapid.Bool().Draw(t, "ascii"),
		}
		text := string(Append(nil, []Series{{Name: "a", Points: p}}, o))
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(line) - 1; n > max(o.Width, minWidth) {
				t.Fatalf("%d characters in %q\n%s", n, line, text)
			}
		}
		if n := strings.Count(text, "\n"); n > max(o.Height, minHeight) {
			t.Fatalf("%d lines\n%s", n, text)
		}
		r := read(t, text)
		low, high := -1, -1
		for row := range r.rows {
			if _, ok := r.labels[row]; ok {
				low = row
				if high < 0 {
					high = row
				}
			}
		}
		first, last := p[0].Time, p[len(p)-1].Time
		for _, p := range p {
			if math.IsNaN(p.Value) {
				continue
			}
			slack := 1e-8 * (r.labels[high] - r.labels[low])
			if high < 0 || r.labels[high] < p.Value-slack || r.labels[low] > p.Value+slack {
				if math.Abs(p.Value) > 1e-290 {
					t.Fatalf("%v is not within the labels %v\n%s", p.Value, r.labels, text)
				}
			}
			row := float64(high) + (r.labels[high]-p.Value)/(r.labels[high]-r.labels[low])*float64(low-high)
			col := 0.5 * float64(r.columns-1)
			if first < last {
				col = float64(p.Time-first) / float64(last-first) * float64(r.columns-1)
			}
			if !r.inked(row, col) {
				t.Fatalf("nothing near row %.2f, column %.2f for %v at %d\n%s", row, col, p.Value, p.Time, text)
			}
		}
	})
}

// Anything can be drawn.
func TestAnything(t *testing.T) {
	value := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1),
		math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64}))
	point := rapid.Custom(func(t *rapid.T) Point {
		return Point{Time: rapid.Int64().Draw(t, "time"), Value: value.Draw(t, "value")}
	})
	one := rapid.Custom(func(t *rapid.T) Series {
		return Series{Name: rapid.String().Draw(t, "name"), Points: rapid.SliceOfN(point, 0, 20).Draw(t, "points")}
	})
	rapid.Check(t, func(t *rapid.T) {
		series := rapid.SliceOfN(one, 0, 15).Draw(t, "series")
		o := Options{Width: rapid.IntRange(-1, 120).Draw(t, "width"), Height: rapid.IntRange(-1, 50).Draw(t, "height"), ASCII: rapid.Bool().Draw(t, "ascii")}
		text := string(Append([]byte("before\n"), series, o))
		if !strings.HasPrefix(text, "before\n") || !strings.HasSuffix(text, "\n") {
			t.Fatalf("%q", text)
		}
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(line) - 1; n > max(o.Width, minWidth) {
				t.Fatalf("%d characters in %q\n%s", n, line, text)
			}
			for _, r := range strings.TrimSuffix(line, "\n") {
				if r < ' ' || o.ASCII && r > '~' {
					t.Fatalf("%q in\n%s", r, text)
				}
			}
		}
	})
}

// A gap of one point is seen where each has a character or more.
func TestGapsAreSeen(t *testing.T) {
	for _, ascii := range []bool{false, true} {
		p := points(60, 30, constant(5))
		p[10].Value = nan
		text := string(Append(nil, []Series{{Points: p}}, Options{Width: 80, Height: 12, ASCII: ascii}))
		lines := 0
		for line := range strings.Lines(text) {
			if parts := axis.FindStringSubmatch(strings.TrimSpace(line)); parts != nil && strings.ContainsAny(parts[3], "⣀⠤⠒⠉*") {
				lines = len(strings.Fields(parts[3]))
			}
		}
		if lines != 2 {
			t.Errorf("%d lines, want 2 with a gap between\n%s", lines, text)
		}
	}
}
