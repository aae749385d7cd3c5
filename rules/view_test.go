package rules

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
)

func viewRule(t testing.TB, v View) *Rule {
	t.Helper()
	if v.MaxRows == 0 {
		v.MaxRows = 10
	}
	r, err := NewView(v)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNewViewRefuses(t *testing.T) {
	good := View{ID: "v", Measure: "m", Columns: []string{"a", "b"}, Distribution: true, Bounds: []float64{0, 1}, MaxRows: 1}
	if _, err := NewView(good); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*View)
		says   string
	}{
		"no ID":             {func(v *View) { v.ID = "" }, "ID"},
		"ID of two lines":   {func(v *View) { v.ID = "a\nb" }, "ID"},
		"no measure":        {func(v *View) { v.Measure = "" }, "measure"},
		"long measure":      {func(v *View) { v.Measure = strings.Repeat("m", MaxOutput+1) }, "measure"},
		"measure with tags": {func(v *View) { v.Measure = "m;a=b" }, "without tags"},
		"columns unsorted":  {func(v *View) { v.Columns = []string{"b", "a"} }, "sorted"},
		"columns twice":     {func(v *View) { v.Columns = []string{"a", "a"} }, "once"},
		"no column":         {func(v *View) { v.Columns = []string{""} }, "column"},
		"column with =":     {func(v *View) { v.Columns = []string{"a=b"} }, "a=b"},
		"too many columns":  {func(v *View) { v.Columns = make([]string, MaxColumns+1) }, "65 columns"},
		"bounds of none":    {func(v *View) { v.Distribution = false }, "without a distribution"},
		"bounds falling":    {func(v *View) { v.Bounds = []float64{1, 0} }, "bound 0 after 1"},
		"bounds infinite":   {func(v *View) { v.Bounds = []float64{math.Inf(1)} }, "Inf"},
		"no rows":           {func(v *View) { v.MaxRows = 0 }, "rows"},
		"too many rows":     {func(v *View) { v.MaxRows = MaxRows + 1 }, "rows"},
	} {
		v := good
		tc.change(&v)
		if _, err := NewView(v); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: error %v, want one with %q", name, err, tc.says)
		}
	}
}

func TestViewsMatch(t *testing.T) {
	for name, tc := range map[string]struct {
		columns []string
		metric  string
		tags    []string // nil: no match
	}{
		"no columns":            {nil, "m.n", []string{}},
		"no columns, tags":      {nil, "m.n;a=1", []string{}},
		"another name":          {nil, "m.nn;a=1", nil},
		"part of the name":      {nil, "m;n=1", nil},
		"a tag":                 {[]string{"a"}, "m.n;a=1;b=2", []string{"1"}},
		"in another order":      {[]string{"a", "b"}, "m.n;b=2;c=3;a=1", []string{"1", "2"}},
		"a missing tag":         {[]string{"a", "b"}, "m.n;b=2", []string{"", "2"}},
		"no tags at all":        {[]string{"a", "b"}, "m.n", []string{"", ""}},
		"an empty tag":          {[]string{"a"}, "m.n;a=", []string{""}},
		"of two the last":       {[]string{"a"}, "m.n;a=1;a=2", []string{"2"}},
		"what is no tag":        {[]string{"a"}, "m.n;junk;a=1", []string{"1"}},
		"values with dots":      {[]string{"a"}, "m.n;a=1.2.3", []string{"1.2.3"}},
		"values with lengths":   {[]string{"a", "b"}, "m.n;a=1:;b=:2", []string{"1:", ":2"}},
		"a value of no ASCII":   {[]string{"a"}, "m.n;a=é", []string{"é"}},
		"a key within another":  {[]string{"a"}, "m.n;aa=1;ba=2", []string{""}},
		"NUL in a value":        {[]string{"a"}, "m.n;a=1\x00", nil},
		"a line feed":           {[]string{"a"}, "m.n;a=1\n", nil},
		"more tags than are":    {[]string{"a"}, "m.n" + strings.Repeat(";x=1", MaxTags) + ";a=1", nil},
		"as many tags as match": {[]string{"a"}, "m.n" + strings.Repeat(";x=1", MaxTags-1) + ";a=1", []string{"1"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := viewRule(t, View{ID: "v", Measure: "m.n", Columns: tc.columns})
			for with, text := range map[string]string{
				"alone": "", "beside plain rules": "x (60) = sum m.*\n", "beside tags": "x (60) = sum m.n;b=<b>\ny (60) = sum zz;k=1\n",
			} {
				var m Matcher
				set := NewSet(append(slices.Clone(mustParse(t, text, Options{})), r))
				found := set.Match(&m, []byte(tc.metric))
				i := slices.IndexFunc(found, func(x Match) bool { return x.Rule == r })
				if any := set.Any(&m, []byte(tc.metric)); any != (len(found) > 0) {
					t.Errorf("%s: any %v, but %d match", with, any, len(found))
				}
				if (i < 0) != (tc.tags == nil) || i >= 0 && i != len(found)-1 {
					t.Fatalf("%s: matches %v", with, found)
				}
				if i < 0 {
					continue
				}
				if got := ViewTags(r, found[i].Output); !slices.Equal(got, tc.tags) {
					t.Errorf("%s: the row is of %q, want %q", with, got, tc.tags)
				}
			}
		})
	}
}

func TestViewsBesideOtherRules(t *testing.T) {
	base := View{ID: "v", Measure: "m", Columns: []string{"a"}}
	again := base
	again.ID = "w"
	input, err := NewInput("keep", 0, "m;a=1", 10, false)
	if err != nil {
		t.Fatal(err)
	}
	collected, err := NewInput("collected", 0, "", 10, false)
	if err != nil {
		t.Fatal(err)
	}
	v, w := viewRule(t, base), viewRule(t, again)
	all := []*Rule{v, input, w, collected}
	set := NewSet(all)
	var m Matcher
	if got := set.MatchCollected(&m, []byte("m;a=1")); len(got) != 3 || got[0].Rule != v || got[1].Rule != input || got[2].Rule != w {
		t.Errorf("matches %v", got)
	} else if bytes.Equal(got[0].Output, got[2].Output) {
		t.Errorf("two views have the row %q", got[0].Output)
	}
	if got := set.MatchCollected(&m, []byte("m;a=2")); len(got) != 3 || got[2].Rule != collected {
		t.Errorf("matches %v", got)
	}
	if warnings := Check(append(mustParse(t, "m (60) = sum x\n", Options{}), v, w, v)); len(warnings) > 0 {
		t.Errorf("warnings %v", warnings)
	}
	d := Diff(all, []*Rule{viewRule(t, base), input, collected, viewRule(t, View{ID: "x", Measure: "m"})})
	if len(d.Removed) != 1 || d.Removed[0] != w || len(d.Added) != 1 || d.Added[0].View.ID != "x" || d.Reordered {
		t.Errorf("the change is %+v", d)
	}
}

// Whatever differs makes another rule.
func TestViewIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range []View{
		{ID: "v", Measure: "m"}, {ID: "v", Measure: "n"}, {ID: "w", Measure: "m"}, {ID: "v", Measure: "m", Columns: []string{"a"}},
		{ID: "v", Measure: "m", Columns: []string{"a", "b"}}, {ID: "v", Measure: "m", Columns: []string{`a" "b`}},
		{ID: "v", Measure: "m", Distribution: true}, {ID: "v", Measure: "m", Distribution: true, Bounds: []float64{1}},
		{ID: "v", Measure: "m", Integral: true}, {ID: "v", Measure: "m", MaxRows: 3}, {ID: `v" = "m`, Measure: "m"},
	} {
		id := viewRule(t, v).ID
		if seen[id] {
			t.Errorf("%+v has the ID %q of another", v, id)
		}
		seen[id] = true
	}
}

// FuzzViewRows holds the rows against splitting the name at each semicolon.
func FuzzViewRows(f *testing.F) {
	f.Add("m;a=1;b=2", "m;b=2;a=1")
	f.Add("m;a=1:;b=:", "m;a=1;b=::")
	f.Add("m;a=", "m")
	f.Add("m;a;=b;a=;;", "m;a=1;a=2")
	columns := []string{"a", "b"}
	tags := func(name string) (tags [2]string) {
		for _, part := range strings.Split(name, ";")[1:] {
			if key, value, ok := strings.Cut(part, "="); ok {
				if i := slices.Index(columns, key); i >= 0 {
					tags[i] = value
				}
			}
		}
		return tags
	}
	f.Fuzz(func(t *testing.T, x, y string) {
		r := viewRule(t, View{ID: "v", Measure: "m", Columns: columns})
		set := NewSet([]*Rule{r})
		var outputs []string
		for _, name := range []string{x, y} {
			var m Matcher
			found := set.Match(&m, []byte(name))
			if len(found) == 0 {
				return
			}
			want := tags(name)
			if got := ViewTags(r, found[0].Output); !slices.Equal(got, want[:]) {
				t.Fatalf("%q is of %q, want %q", name, got, want)
			}
			outputs = append(outputs, string(found[0].Output))
			if set.Any(&m, found[0].Output) {
				t.Fatalf("%q matches by itself", found[0].Output)
			}
		}
		if (outputs[0] == outputs[1]) != (tags(x) == tags(y)) {
			t.Fatalf("%q and %q have the rows %q", x, y, outputs)
		}
	})
}
