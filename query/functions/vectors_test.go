package functions

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/query/target"
)

// vectors is what testdata/record.py has recorded.
type vectors struct {
	Metrics map[string]struct {
		Step   int64
		Values []*float64
	}
	Paths     map[string][]string
	Functions map[string]struct {
		Group  string
		Params []struct {
			Name, Type         string
			Required, Multiple bool
			Default            any
		}
	}
	Cases []struct {
		Target      string
		From, Until int64
		Want        []recorded
		Error       string
	}
}

type recorded struct {
	Name, Path, Consolidate string
	Tags                    map[string]string
	Start, Step             int64
	Xff                     *float64
	Values                  []*float64
}

func readVectors(tb testing.TB) *vectors {
	tb.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatal(err)
	}
	return &v
}

// fetch repeats the values of metrics for ever, as record.py does.
func (v *vectors) fetch(path string, from, until int64) ([]*Series, error) {
	names, ok := v.Paths[path]
	if !ok {
		return nil, fmt.Errorf("path %q is not in the vectors", path)
	}
	var list []*Series
	for _, name := range names {
		m := v.Metrics[name]
		s := &Series{Name: name, Step: m.Step, Start: from - from%m.Step + m.Step, Consolidate: "average"}
		s.End = until - until%m.Step + m.Step
		if s.End == s.Start {
			s.End += m.Step
		}
		for t := s.Start; t < s.End; t += m.Step {
			s.Values = append(s.Values, deref(m.Values[t/m.Step%int64(len(m.Values))]))
		}
		list = append(list, s)
	}
	return list, nil
}

func deref(v *float64) float64 {
	if v == nil {
		return nan
	}
	return *v
}

func evaluate(v *vectors, text string, from, until int64) ([]*Series, error) {
	e, err := target.Parse(text)
	if err != nil {
		return nil, err
	}
	return Eval(&Context{From: from, Until: until, Location: time.UTC, Fetch: v.fetch}, e)
}

// better has the targets for which graphite-web answers with an error of its
// own, or drops what is wrong, and we do not.
var better = map[string]string{
	"asPercent(a.*.cpu,b.*.mem,1)":              "fails on a variable that is not set",
	"nonNegativeDerivative(c.falls,255)":        "compares None with a number",
	"nonNegativeDerivative(c.falls,100,5)":      "compares None with a number",
	"nonNegativeDerivative(c.falls,minValue=6)": "compares None with a number",
	"perSecond(c.falls,255)":                    "compares None with a number",
	`movingAverage(m.fast,"45s")`:               "moves points off the steps of their series",
	"aliasByNode(constantLine(5),0)":            "writes 5 as 5.0",
	"threshold(7)":                              "writes 7 as 7.0",
	`threshold(7,"line")`:                       "writes 7 as 7.0",
	"scale(factor=2,seriesList=a.x.cpu)":        "wants the list without a name",
}

func TestLikeGraphite(t *testing.T) {
	v := readVectors(t)
	used := map[string]bool{}
	for _, c := range v.Cases {
		for name := range byName {
			if strings.Contains(c.Target, name+"(") {
				used[name] = true
			}
		}
		t.Run(c.Target, func(t *testing.T) {
			got, err := evaluate(v, c.Target, c.From, c.Until)
			if reason := better[c.Target]; reason != "" {
				if err != nil || len(got) == 0 {
					t.Errorf("%d series, error %v; graphite-web %s", len(got), err, reason)
				}
				return
			}
			if (err != nil) != (c.Error != "") {
				t.Fatalf("error %v; graphite-web: %q", err, c.Error)
			}
			if len(got) != len(c.Want) {
				t.Fatalf("%d series, want %d", len(got), len(c.Want))
			}
			for i := range got {
				if diff := got[i].differs(&c.Want[i]); diff != "" {
					t.Errorf("series %d: %s", i, diff)
				}
			}
		})
	}
	for name := range byName {
		if !used[name] && name != "timeSlice" {
			t.Errorf("no vector has %s", name)
		}
	}
}

func (s *Series) differs(want *recorded) string {
	switch {
	case s.Name != want.Name || s.Path != want.Path:
		return fmt.Sprintf("name %q for %q, want %q for %q", s.Name, s.Path, want.Name, want.Path)
	case !maps.Equal(s.Tags, want.Tags):
		return fmt.Sprintf("tags %v, want %v", s.Tags, want.Tags)
	case s.Start != want.Start || s.Step != want.Step || len(s.Values) != len(want.Values):
		return fmt.Sprintf("%d values from %d each %d s, want %d from %d each %d s",
			len(s.Values), s.Start, s.Step, len(want.Values), want.Start, want.Step)
	case s.End != s.Start+int64(len(s.Values))*s.Step:
		return fmt.Sprintf("%d values from %d each %d s end at %d", len(s.Values), s.Start, s.Step, s.End)
	case s.Consolidate != want.Consolidate:
		return fmt.Sprintf("consolidated by %q, want %q", s.Consolidate, want.Consolidate)
	case want.Xff != nil && s.XFilesFactor != *want.Xff:
		return fmt.Sprintf("xFilesFactor %g, want %g", s.XFilesFactor, *want.Xff)
	}
	values := make([]float64, len(want.Values))
	for i, v := range want.Values {
		values[i] = deref(v)
	}
	if !slices.EqualFunc(s.Values, values, alike) {
		return fmt.Sprintf("values %v, want %v", s.Values, values)
	}
	return ""
}

// alike allows for another order of additions.
func alike(a, b float64) bool {
	return missing(a) && missing(b) || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b)) || math.Abs(a-b) < 1e-12
}
