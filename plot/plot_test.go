package plot

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the plots to testdata, to be looked at")

// start is 2023-11-14 22:00:00 UTC.
const start = 1699999200

var nan = math.NaN()

// every returns points a step apart, n of them.
func points(step int64, n int, value func(i int) float64) []Point {
	points := make([]Point, n)
	for i := range points {
		points[i] = Point{Time: start + int64(i)*step, Value: value(i)}
	}
	return points
}

func constant(v float64) func(int) float64 { return func(int) float64 { return v } }

func sine(amplitude, middle float64) func(int) float64 {
	return func(i int) float64 { return middle + amplitude*math.Sin(float64(i)/10) }
}

func spike(i int) float64 {
	if i == 40 {
		return 48_211
	}
	return 900 + 10*float64(i%7)
}

// gappy has a gap of several points, one of a single point, and a point alone.
func gappy(i int) float64 {
	if i >= 20 && i < 30 || i == 45 || i > 50 && i != 55 {
		return nan
	}
	return float64(i % 11)
}

func berlin(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func several(n int) []Series {
	var all []Series
	for i := range n {
		all = append(all, Series{Name: "aggregates.dc" + string(rune('a'+i)) + ".requests", Points: points(60, 60, sine(100, 100+60*float64(i)))})
	}
	return all
}

func plots(t testing.TB) map[string]struct {
	series []Series
	Options
} {
	one := func(p []Point) []Series { return []Series{{Name: "aggregates.prod.all.requests:sum", Points: p}} }
	type plot = struct {
		series []Series
		Options
	}
	return map[string]plot{
		"sine":            {one(points(60, 60, sine(1, 0))), Options{Width: 80, Height: 24}},
		"sine_ascii":      {one(points(60, 60, sine(1, 0))), Options{Width: 80, Height: 24, ASCII: true}},
		"spike":           {one(points(60, 60, spike)), Options{Width: 80, Height: 20}},
		"constant":        {one(points(60, 60, constant(12.5))), Options{Width: 80, Height: 16}},
		"zeros":           {one(points(60, 60, constant(0))), Options{Width: 60, Height: 12}},
		"one_point":       {one(points(60, 1, constant(42))), Options{Width: 60, Height: 14}},
		"all_null":        {one(points(60, 60, constant(nan))), Options{Width: 60, Height: 14}},
		"nothing":         {nil, Options{Width: 60, Height: 12}},
		"gaps":            {one(points(60, 60, gappy)), Options{Width: 80, Height: 20}},
		"gaps_ascii":      {one(points(60, 60, gappy)), Options{Width: 80, Height: 20, ASCII: true}},
		"huge":            {one(points(60, 60, func(i int) float64 { return math.Pow(10, float64(i%5)) * 1.7e304 })), Options{Width: 80, Height: 16}},
		"tiny":            {one(points(60, 60, sine(3e-6, 4e-6))), Options{Width: 80, Height: 16}},
		"tiny_ascii":      {one(points(60, 60, sine(3e-6, 4e-6))), Options{Width: 80, Height: 16, ASCII: true}},
		"negative":        {one(points(60, 60, sine(250, -1300))), Options{Width: 80, Height: 16}},
		"far_from_zero":   {one(points(60, 60, sine(3, 1_700_000_000_000))), Options{Width: 80, Height: 16}},
		"infinite":        {one(points(60, 60, func(i int) float64 { return map[bool]float64{true: math.Inf(1), false: float64(i)}[i == 30] })), Options{Width: 80, Height: 16}},
		"days":            {one(points(900, 7*96, sine(5e6, 7e6))), Options{Width: 100, Height: 20, Location: berlin(t)}},
		"across_midnight": {one(points(300, 60, sine(5, 5))), Options{Width: 80, Height: 14}},
		"seconds":         {one(points(1, 45, sine(5, 5))), Options{Width: 80, Height: 14}},
		"years":           {one(points(86400*7, 52*6, sine(5, 5))), Options{Width: 80, Height: 14}},
		"colours":         {several(4), Options{Width: 80, Height: 24, Color: true}},
		"several":         {several(4), Options{Width: 80, Height: 24}},
		"several_ascii":   {several(3), Options{Width: 80, Height: 24, ASCII: true, Color: true}},
		"many":            {several(20), Options{Width: 80, Height: 30}},
		"same":            {append(several(1), several(1)...), Options{Width: 80, Height: 14}},
		"narrow":          {[]Series{{Name: "aggregates.a.very.long.name.that.does.not.fit.requests", Points: points(60, 60, gappy)}, {Name: "\x1b[2Jé\xff", Points: points(60, 60, sine(4, 5))}}, Options{}},
	}
}

// The plots in testdata are as they should look; see -update.
func TestGolden(t *testing.T) {
	for name, c := range plots(t) {
		t.Run(name, func(t *testing.T) {
			got := Append(nil, c.series, c.Options)
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}
