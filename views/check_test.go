package views

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestViewRefused(t *testing.T) {
	b := newBoard(t, nil)
	many := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprint("c", i))
		}
		return all
	}
	long := strings.Repeat("x", MaxName+1)
	distribution := func(bounds ...float64) Definition { return viewOf("v", "m", "", Distribution, bounds...) }
	described := viewOf("v", "m", "", Count)
	described.Description = text("\xff")
	wide := viewOf("v", "m", "", Count)
	wide.Columns = many(MaxColumns + 1)
	for name, c := range map[string]struct {
		def         Definition
		field, want string
	}{
		"no measure":        {viewOf("v", "", "", Count), "measure", `"" is no name; accepted: 1 to 255`},
		"long measure":      {viewOf("v", long, "", Count), "measure", `x" is no name`},
		"tagged measure":    {viewOf("v", "m;a=b", "", Count), "measure", `"m;a=b" has a ;`},
		"odd name":          {viewOf("ä", "m", "", Count), "name", `"ä" is no name; accepted: 1 to 255 characters of printable ASCII`},
		"control character": {viewOf("a\tb", "m", "", Count), "name", `"a\tb" is no name`},
		"DEL":               {viewOf("a\x7f", "m", "", Count), "name", `is no name`},
		"long name":         {viewOf(long, "m", "", Count), "name", "is no name"},
		"description":       {described, "description", "UTF-8"},
		"empty column":      {viewOf("v", "m", "a,,b", Count), "columns", `"" is no name`},
		"odd column":        {viewOf("v", "m", "a,ö", Count), "columns", `"ö" is no name`},
		"column twice":      {viewOf("v", "m", "b,a,b", Count), "columns", `"b" is there twice`},
		"columns alike":     {viewOf("v", "m", "a!b,a^b", Count), "columns", `"a!b" and "a^b" are both the tag a_b`},
		"column le":         {viewOf("v", "m", "le", Distribution, 1), "columns", `"le" is the tag of the buckets`},
		"many columns":      {wide, "columns", "there are 51; accepted: at most 50"},
		"mean":              {viewOf("v", "m", "", "mean"), "aggregation", "mean is none; accepted: distribution without bounds, which has count and mean"},
		"no aggregation":    {viewOf("v", "m", "", ""), "aggregation", `"" is none; accepted: count, sum, last_value, distribution`},
		"bounds of a sum":   {viewOf("v", "m", "", Sum, 1), "bounds", "sum has none"},
		"negative bound":    {distribution(-1, 2), "bounds", "-1 is below 0; accepted: finite numbers from 0 on, each above"},
		"bound twice":       {distribution(1, 1), "bounds", "1 is there twice"},
		"zero twice":        {distribution(0, 0, 1), "bounds", "0 is there twice"},
		"zero and -0":       {distribution(0, math.Copysign(0, -1), 1), "bounds", "-0 is there twice"},
		"unsorted":          {distribution(1, 3, 2), "bounds", "2 comes after 3"},
		"infinite":          {distribution(1, math.Inf(1)), "bounds", "+Inf is not finite"},
		"no number":         {distribution(math.NaN()), "bounds", "NaN is not finite"},
		"many bounds":       {distribution(make([]float64, MaxBounds+1)...), "bounds", "there are 257; accepted: at most 256"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := b.RegisterViews([]Definition{viewOf("first", "m", "", Count), c.def})
			e, ok := err.(*Error)
			if !ok || e.Kind != Invalid || e.Index != 1 || e.Field != c.field || !strings.HasPrefix(e.Msg, c.field+": ") || !strings.Contains(e.Msg, c.want) {
				t.Errorf("%+v, want %s: %s", err, c.field, c.want)
			}
		})
	}
	if len(b.Views()) > 0 || len(b.Measures()) > 0 || len(b.applied) > 0 {
		t.Errorf("views %v, measures %v", b.Views(), b.Measures())
	}
}

func TestMeasureRefused(t *testing.T) {
	b := newBoard(t, nil)
	for name, c := range map[string]struct {
		m           Measure
		field, want string
	}{
		"no name":      {Measure{Unit: "1", Type: Double}, "name", `"" is no name`},
		"odd name":     {Measure{Name: "a\n", Unit: "1", Type: Double}, "name", `"a\n" is no name`},
		"description":  {Measure{Name: "a", Description: strings.Repeat("x", MaxDescription+1), Unit: "1", Type: Double}, "description", "at most 4096"},
		"no unit":      {Measure{Name: "a", Type: Double}, "unit", `"" is no unit; accepted: 1 to 63`},
		"blank":        {Measure{Name: "a", Unit: "m s", Type: Double}, "unit", `"m s" is no unit`},
		"odd unit":     {Measure{Name: "a", Unit: "µs", Type: Double}, "unit", `"µs" is no unit`},
		"long unit":    {Measure{Name: "a", Unit: strings.Repeat("m", MaxUnit+1), Type: Double}, "unit", "is no unit"},
		"no type":      {Measure{Name: "a", Unit: "1"}, "type", `"" is no type of a measure; accepted: int64, double`},
		"unknown type": {Measure{Name: "a", Unit: "1", Type: "float"}, "type", `"float" is no type`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := b.RegisterMeasures([]Measure{{Name: "good", Unit: "1", Type: Double}, c.m})
			e, ok := err.(*Error)
			if !ok || e.Kind != Invalid || e.Index != 1 || e.Field != c.field || !strings.Contains(e.Msg, c.want) {
				t.Errorf("%+v, want %s: %s", err, c.field, c.want)
			}
		})
	}
	if len(b.Measures()) > 0 {
		t.Error(b.Measures())
	}
}

func TestNormalised(t *testing.T) {
	b := newBoard(t, nil)
	if got := b.registerMeasures(Measure{"m", "how long", "ms", Int64}); got != "created" {
		t.Fatal(got)
	}
	given := viewOf("", "m", "b,a", Distribution, 0, 0.01, 0.1, 1, 10, 1000, 10000)
	made, _, err := b.RegisterViews([]Definition{given, viewOf("plain", "other", "", Count)})
	want := []View{
		{"m", "how long", "m", []string{"a", "b"}, Aggregation{Distribution, []float64{0.01, 0.1, 1, 10, 1000, 10000}}},
		{"plain", "", "other", []string{}, Aggregation{Type: Count}},
	}
	if diff := cmp.Diff(want, made); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if diff := cmp.Diff(want, b.Views()); diff != "" {
		t.Error(diff)
	}
	if given.Columns[0] != "b" || given.Aggregation.Bounds[0] != 0 {
		t.Errorf("what was given has changed: %v", given)
	}
	if diff := cmp.Diff([]Measure{{"m", "how long", "ms", Int64}, {"other", "", "1", Double}}, b.Measures()); diff != "" {
		t.Error(diff)
	}
	if got := b.register(viewOf("none", "other", "", Distribution), viewOf("zero", "other", "", Distribution, 0)); got != "created" {
		t.Fatal(got)
	}
	for _, name := range []string{"none", "zero"} {
		if v, _ := b.View(name); v.Aggregation.Bounds == nil || len(v.Aggregation.Bounds) > 0 {
			t.Errorf("%s: %v", name, v.Aggregation)
		}
	}
}
