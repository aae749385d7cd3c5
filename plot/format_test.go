package plot

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestShort(t *testing.T) {
	for _, c := range []struct {
		value float64
		want  string
	}{
		{0, "0"}, {1, "1"}, {-1, "-1"}, {0.5, "0.5"}, {0.25, "0.25"}, {999, "999"}, {999.94, "999.9"}, {999.96, "1k"}, {1000, "1k"}, {-1234.5, "-1.234k"},
		{12346, "12.35k"}, {123456, "123.5k"}, {999_960, "1M"}, {1e6, "1M"}, {1.5e9, "1.5G"}, {0.001, "0.001"}, {0.0012345, "0.001234"},
		{0.0009, "900µ"}, {2.5e-9, "2.5n"}, {1e24, "1Y"}, {1e27, "1e+27"}, {-1.5e300, "-1.5e+300"}, {1e-24, "1y"}, {1.25e-27, "1.25e-27"},
		{5e-324, "4.941e-324"}, {math.MaxFloat64, "1.798e+308"}, {math.Inf(1), "+inf"}, {math.Inf(-1), "-inf"},
	} {
		if got := new(frame).short(c.value); got != c.want {
			t.Errorf("%v is %q, want %q", c.value, got, c.want)
		}
	}
	ascii := &frame{Options: Options{ASCII: true}}
	if got := ascii.short(2e-5); got != "20u" {
		t.Errorf("in ASCII %q", got)
	}
}

func TestPrintable(t *testing.T) {
	for _, c := range []struct{ name, want, ascii string }{
		{"a.b;c=d e'f\\", "a.b;c=d e'f\\", "a.b;c=d e'f\\"},
		{"größe", "größe", `gr\u00f6\u00dfe`},
		{"\x1b[2J\n\x07", `\x1b[2J\n\a`, `\x1b[2J\n\a`},
		{"a\xffb\uFFFD", `a\xffb` + "\uFFFD", `a\xffb\ufffd`},
		{"\u202Eevil", `\u202eevil`, `\u202eevil`},
	} {
		if got := Printable(c.name, false); got != c.want {
			t.Errorf("%q is %q, want %q", c.name, got, c.want)
		}
		if got := Printable(c.name, true); got != c.ascii {
			t.Errorf("%q in ASCII is %q, want %q", c.name, got, c.ascii)
		}
	}
}

// Ticks are at round times of the zone, also where its clocks change.
func TestTimeTicks(t *testing.T) {
	loc := berlin(t)
	for name, c := range map[string]struct {
		from, until string // of the zone
		loc         *time.Location
		columns     int
		want        string
	}{
		"an hour":       {"2026-10-03 12:00:00", "2026-10-03 13:00:00", loc, 70, "12:00 12:10 12:20 12:30 12:40 12:50 13:00"},
		"odd seconds":   {"2026-10-03 12:00:07", "2026-10-03 12:00:42", loc, 70, "12:00:10 12:00:20 12:00:30 12:00:40"},
		"midnight":      {"2026-10-03 22:30:00", "2026-10-04 01:10:00", loc, 70, "22:30 23:00 23:30 Oct 04 00:30 01:00"},
		"weeks":         {"2026-10-03 22:30:00", "2026-11-25 01:10:00", loc, 70, "Oct 05 Oct 12 Oct 19 Oct 26 Nov 02 Nov 09 Nov 16 Nov 23"},
		"months":        {"2026-10-03 22:30:00", "2027-03-25 01:10:00", loc, 70, "Nov 2026 Dec 2026 Jan 2027 Feb 2027 Mar 2027"},
		"half hour":     {"2026-10-03 12:00:00", "2026-10-04 12:00:00", time.FixedZone("IST", 19800), 60, "12:00 18:00 Oct 04 06:00 12:00"},
		"spring, hours": {"2026-03-29 00:00:00", "2026-03-29 06:00:00", loc, 70, "Mar 29 01:00 03:00 04:00 05:00 06:00"},
		"spring, days":  {"2026-03-28 00:00:00", "2026-04-03 00:00:00", loc, 70, "Mar 28 Mar 29 Mar 30 Mar 31 Apr 01 Apr 02 Apr 03"},
		"autumn, hours": {"2026-10-25 00:00:00", "2026-10-25 06:00:00", loc, 90, "Oct 25 01:00 02:00 03:00 04:00 05:00 06:00"},
		"an instant":    {"2026-10-03 12:00:07", "2026-10-03 12:00:07", loc, 70, "12:00:07"},
		"everything":    {"0001-01-01 00:00:00", "9999-12-31 23:59:59", time.UTC, 70, "2000 4000 6000 8000"},
	} {
		t.Run(name, func(t *testing.T) {
			points := make([]Point, 2)
			for i, text := range []string{c.from, c.until} {
				at, err := time.ParseInLocation(time.DateTime, text, c.loc)
				if err != nil {
					t.Fatal(err)
				}
				points[i].Time = at.Unix()
			}
			a := newTimeAxis([]Series{{Points: points}}, c.loc)
			a.place(c.columns)
			var got []string
			for _, tick := range a.ticks {
				got = append(got, a.label(tick))
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("ticks %q, want %q", text, c.want)
			}
		})
	}
}

// The range tells both zones where the clocks change between, and has lines for
// what does not fit.
func TestRangeLines(t *testing.T) {
	for _, c := range []struct {
		from, until int64
		room        int
		want        []string
	}{
		{1792886400, 1792890000, 80, []string{"2026-10-25 02:00:00 CEST to 02:00:00 CET, a point every 1h"}},
		{1792886400, 1792972800, 80, []string{"2026-10-25 02:00:00 CEST to 2026-10-26 01:00:00 CET, a point every 1d"}},
		{1792972800, 1792976400, 80, []string{"2026-10-26 01:00:00 to 02:00:00 CET, a point every 1h"}},
		{1792972800, 1792972800, 80, []string{"2026-10-26 01:00:00 CET"}},
		{1792972800, 1792976400, 40, []string{"2026-10-26 01:00:00 to 02:00:00 CET", "a point every 1h"}},
		{1792886400, 1792972800, 40, []string{"2026-10-25 02:00:00 CEST", "to 2026-10-26 01:00:00 CET", "a point every 1d"}},
		{1792886400, 1792972800, 45, []string{"2026-10-25 02:00:00 CEST", "to 2026-10-26 01:00:00 CET, a point every 1d"}},
	} {
		a := newTimeAxis([]Series{{Points: []Point{{Time: c.from}, {Time: c.until}}}}, berlin(t))
		if got := a.rangeLines(c.room); !slices.Equal(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// How far points are apart is told where it is the same for all.
func TestEvery(t *testing.T) {
	of := func(times ...int64) (s Series) {
		for _, at := range times {
			s.Points = append(s.Points, Point{Time: at})
		}
		return s
	}
	for _, c := range []struct {
		series []Series
		want   string
	}{
		{nil, ""},
		{[]Series{of(5)}, ""},
		{[]Series{of(5, 15, 25), of(), of(7), of(20, 30)}, "10s"},
		{[]Series{of(5, 15, 35)}, ""},
		{[]Series{of(5, 15), of(5, 65)}, ""},
		{[]Series{of(5, 5)}, ""},
		{[]Series{of(5, 4)}, ""},
		{[]Series{of(math.MinInt64, math.MaxInt64)}, ""},
		{[]Series{of(math.MinInt64, 5)}, ""},
		{[]Series{of(0, 90)}, "1m30s"},
		{[]Series{of(0, 3600)}, "1h"},
		{[]Series{of(0, 36*3600)}, "1d12h"},
	} {
		if got := every(c.series); got != c.want {
			t.Errorf("%v: %q, want %q", c.series, got, c.want)
		}
	}
}
