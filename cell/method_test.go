package cell

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestParseMethod(t *testing.T) {
	for _, tc := range []struct{ in, name, suffix string }{
		{"sum", "sum", "sum"},
		{"avg", "avg", "avg"},
		{"min", "min", "min"},
		{"max", "max", "max"},
		{"count", "count", "count"},
		{"last", "last", "last"},
		{"median", "median", "median"},
		{"stddev", "stddev", "stddev"},
		{"variance", "variance", "variance"},
		{"range", "range", "range"},
		{"p50", "p50", "p50"},
		{"p5", "p5", "p5"},
		{"p05", "p5", "p5"},
		{"p10", "p10", "p10"},
		{"p99", "p99", "p99"},
		{"p99.9", "p99.9", "p999"},
		{"p999", "p99.9", "p999"}, // as carbon writes it
		{"p9999", "p99.99", "p9999"},
		{"p99.90", "p99.9", "p999"},
		{"p50.0", "p50", "p50"},
		{"p9.99", "p9.99", "p0999"},
		{"p0999", "p9.99", "p0999"},
		{"p0.1", "p0.1", "p001"},
		{"p001", "p0.1", "p001"},
		{"p101", "p10.1", "p101"},
		{"p99.9999999", "p99.9999999", "p999999999"},
		{"p0.0000001", "p0.0000001", "p000000001"},
	} {
		t.Run(tc.in, func(t *testing.T) {
			m, err := ParseMethod(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if m.String() != tc.name || m.Suffix() != tc.suffix {
				t.Errorf("is %q with suffix %q, want %q and %q", m, m.Suffix(), tc.name, tc.suffix)
			}
			for _, s := range []string{m.String(), m.Suffix()} {
				if back, err := ParseMethod(s); back != m || err != nil {
					t.Errorf("%q is read back as %v, %v", s, back, err)
				}
			}
			if want := tc.in[0] == 'p' || tc.in == "median"; m.NeedsValues() != want {
				t.Errorf("NeedsValues is %v", !want)
			}
		})
	}
}

func TestParseMethodRefuses(t *testing.T) {
	for _, tc := range []struct{ in, why string }{
		{"", "unknown method"},
		{"SUM", "unknown method"},
		{" sum", "unknown method"},
		{"first", "accepted are sum, avg"},
		{"P99", "unknown method"},
		{"p-5", "unknown method"},
		{"p9e1", "unknown method"},
		{"percentile", "unknown method"},
		{"p", "no percent"},
		{"p0", "use min"},
		{"p00", "use min"},
		{"p0.0", "use min"},
		{"p100", "use max"},
		{"p100.0", "use max"},
		{"p1000", "use max"},
		{"p101.5", "use max"},
		{"p990", "last decimal"},
		{"p.5", "not a decimal"},
		{"p99.", "not a decimal"},
		{"p9.9.9", "not a decimal"},
		{"p99.12345678", "decimals"},
		{"p" + strings.Repeat("9", 1000), "decimals"},
	} {
		t.Run(tc.in, func(t *testing.T) {
			m, err := ParseMethod(tc.in)
			if err == nil {
				t.Fatalf("read as %v", m)
			}
			for _, s := range []string{tc.why, `"` + tc.in + `"`, "p99.9"} {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error lacks %q: %v", s, err)
				}
			}
		})
	}
}

func TestMethodValue(t *testing.T) {
	nan := math.NaN()
	values := []float64{2, 4, 4, 4, 5, 5, 7, 9}
	for _, tc := range []struct {
		method          string
		full, one, none float64
	}{
		{"sum", 40, -3, 0},
		{"count", 8, 1, 0},
		{"avg", 5, -3, nan},
		{"min", 2, -3, nan},
		{"max", 9, -3, nan},
		{"last", 9, -3, nan},
		{"median", 4.5, -3, nan},
		{"p50", 4.5, -3, nan},
		{"p25", 4, -3, nan},
		{"stddev", 2, 0, nan},
		{"variance", 4, 0, nan},
		{"range", 7, 0, nan},
	} {
		t.Run(tc.method, func(t *testing.T) {
			m, err := ParseMethod(tc.method)
			if err != nil {
				t.Fatal(err)
			}
			read := func(xs ...float64) float64 {
				var v *Values
				if m.NeedsValues() {
					v = valuesOf(xs...)
				}
				return m.Value(of(xs...), v)
			}
			if got := read(values...); !identical(got, tc.full) {
				t.Errorf("of %v: %v, want %v", values, got, tc.full)
			}
			if got := read(-3); !identical(got, tc.one) {
				t.Errorf("of -3: %v, want %v", got, tc.one)
			}
			if got := read(); !identical(got, tc.none) {
				t.Errorf("of nothing: %v, want %v", got, tc.none)
			}
		})
	}
	if got := Method(0).Value(of(1), nil); got == got {
		t.Errorf("no method gives %v", got)
	}
	if got := Median.Value(of(1), nil); got == got {
		t.Errorf("a percentile without values gives %v", got)
	}
	if s := Method(0).String(); s != "" {
		t.Errorf("no method is called %q", s)
	}
}

// TestPercentileFraction expects the fractions that a literal would give.
func TestPercentileFraction(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	values := make([]float64, 777)
	for i := range values {
		values[i] = r.NormFloat64()
	}
	for name, q := range map[string]float64{"p50": .50, "p75": .75, "p80": .80, "p90": .90, "p95": .95,
		"p99": .99, "p999": .999, "p0.1": .001, "p33.3333333": .333333333, "p7": .07, "p99.99": .9999} {
		m, err := ParseMethod(name)
		if err != nil {
			t.Fatal(err)
		}
		c := of(values...)
		if got, want := m.Value(c, valuesOf(values...)), naive(values, q); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func FuzzParseMethod(f *testing.F) {
	for _, s := range []string{"sum", "p99.9", "p999", "p05", "p0.1", "p100", "median"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMethod(s)
		if err != nil {
			if m != 0 {
				t.Errorf("%v beside %v", m, err)
			}
			return
		}
		for _, s := range []string{m.String(), m.Suffix()} {
			if back, err := ParseMethod(s); back != m || err != nil {
				t.Errorf("%q is read back as %v, %v", s, back, err)
			}
		}
		if strings.Contains(m.Suffix(), ".") {
			t.Errorf("suffix %q", m.Suffix())
		}
	})
}
