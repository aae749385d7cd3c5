package views

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRegister(t *testing.T) {
	b := newBoard(t, nil)
	base := viewOf("v", "m", "a,b", Distribution, 1, 10)
	if got := b.register(base); got != "created" {
		t.Fatal(got)
	}
	id := b.state.Load().views["v"].id
	described := base
	described.Description = text("other")
	for name, c := range map[string]struct {
		def  Definition
		want string
	}{
		"the same":          {base, "known"},
		"columns reordered": {viewOf("v", "m", "b,a", Distribution, 1, 10), "known"},
		"leading zero":      {viewOf("v", "m", "a,b", Distribution, 0, 1, 10), "known"},
		"other measure":     {viewOf("v", "n", "a,b", Distribution, 1, 10), `measure "m", not "n"`},
		"fewer columns":     {viewOf("v", "m", "a", Distribution, 1, 10), `columns ["a","b"], not ["a"]`},
		"columns joined":    {viewOf("v", "m", "a b", Distribution, 1, 10), `columns ["a","b"], not ["a b"]`},
		"other aggregation": {viewOf("v", "m", "a,b", Sum), `aggregation distribution, not sum`},
		"other bounds":      {viewOf("v", "m", "a,b", Distribution, 1, 11), `bounds [1 10], not [1 11]`},
		"no bounds":         {viewOf("v", "m", "a,b", Distribution), `bounds [1 10], not []`},
		"other description": {described, `description "", not "other"`},
	} {
		t.Run(name, func(t *testing.T) {
			got := b.register(c.def)
			if got != c.want && !strings.Contains(got, c.want+"; accepted: the same") {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	if got := b.register(viewOf("v!", "m", "", Count)); got != "created" {
		t.Error(got)
	}
	if got := b.register(viewOf("v?", "m", "", Count)); !strings.Contains(got, `the series of view "v?" would be called as those of "v!", which is v_, too`) {
		t.Error(got)
	}
	if b.state.Load().views["v"].id != id {
		t.Error("v was registered anew")
	}
	if diff := cmp.Diff([][]string{{"m"}, {"m", "m"}}, b.applied); diff != "" {
		t.Error("put in force (-want +got):\n", diff)
	}
	if err := b.DeleteView("v!"); err != nil {
		t.Fatal(err)
	}
	if got := b.register(viewOf("v?", "m", "", Count)); got != "created" {
		t.Error(got)
	}
}

// All of a batch, or nothing.
func TestBatch(t *testing.T) {
	b := newBoard(t, nil)
	v := viewOf("v", "m", "", Count)
	for _, c := range []struct {
		list []Definition
		want string
	}{
		{[]Definition{v, viewOf("v", "m", "", Sum)}, "refused: view \"v\" is registered with aggregation count, not sum"},
		{[]Definition{v, viewOf("v", "a, not b", "", Count)}, `refused: view "v" is registered with measure "m", not "a, not b"; `},
		{[]Definition{v, viewOf("bad", "m", "", "mean")}, "refused: aggregation: mean"},
		{[]Definition{v, v}, "created"},
		{[]Definition{v, viewOf("w", "m", "", Count)}, "created"},
		{[]Definition{v, viewOf("w", "m", "", Count)}, "known"},
		{[]Definition{viewOf("x", "m", "", Count), viewOf("w", "n", "", Count)}, "refused: view \"w\""},
		{[]Definition{viewOf("x", "n", "", Count), viewOf("y", "m", "", Count), viewOf("z", "m", "", Count), viewOf("zz", "m", "", Count)},
			"refused: there would be 6 views; accepted: at most 5 (views.max)"},
	} {
		if got := b.register(c.list...); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if got := b.names(); got != "v w" {
		t.Error(got)
	}
	if len(b.applied) != 2 || len(b.Measures()) != 1 {
		t.Errorf("%d changes, measures %v", len(b.applied), b.Measures())
	}
}

func TestMeasures(t *testing.T) {
	b := newBoard(t, nil)
	ms := Measure{"m", "first", "ms", Int64}
	for _, c := range []struct {
		m    []Measure
		want string
	}{
		{[]Measure{ms}, "created"},
		{[]Measure{ms}, "known"},
		{[]Measure{{"m", "another", "ms", Int64}}, "known"},
		{[]Measure{{"m", "first", "s", Int64}}, `refused: measure "m" has the unit "ms", not "s"`},
		{[]Measure{{"m", "first", "ms", Double}}, `refused: measure "m" is of type int64, not double`},
		{[]Measure{{"n", "", "1", Double}, {"m", "", "s", Int64}}, "refused"},
		{[]Measure{{"n", "", "1", Double}, {"n", "", "1", Int64}}, "refused"},
		{[]Measure{{"n", "", "1", Double}, ms}, "created"},
	} {
		if got := b.registerMeasures(c.m...); !strings.HasPrefix(got, c.want) {
			t.Errorf("%v: %s, want %s", c.m, got, c.want)
		}
	}
	if diff := cmp.Diff([]Measure{ms, {"n", "", "1", Double}}, b.Measures()); diff != "" {
		t.Error(diff)
	}
	for i := range 3 {
		b.registerMeasures(Measure{fmt.Sprint("x", i), "", "1", Double})
	}
	if got := b.registerMeasures(Measure{"y", "", "1", Double}); got != "refused: there would be 6 measures; accepted: at most 5 (views.max)" {
		t.Error(got)
	}

	// Those that views name are there for as long as these are.
	b.register(viewOf("v", "implied", "", Count), viewOf("w", "implied", "", Count))
	if got := b.registerMeasures(Measure{"implied", "", "ms", Double}); !strings.HasPrefix(got, `refused: measure "implied" has the unit "1"`) {
		t.Error(got)
	}
	for _, name := range []string{"v", "w"} {
		if m, ok := b.Measure("implied"); !ok || m != (Measure{"implied", "", "1", Double}) {
			t.Errorf("%v, %v", m, ok)
		}
		if err := b.DeleteMeasure("implied"); kindOf(err) != Fixed {
			t.Error(err)
		}
		if err := b.DeleteView(name); err != nil {
			t.Fatal(err)
		}
	}
	if m, ok := b.Measure("implied"); ok {
		t.Error(m)
	}
	if err := b.DeleteMeasure("implied"); kindOf(err) != Unknown {
		t.Error(err)
	}
	if err := b.DeleteMeasure("n"); err != nil {
		t.Error(err)
	}
	if got := b.registerMeasures(Measure{"n", "", "s", Int64}); got != "created" {
		t.Error(got)
	}
}

// A measure that is registered behind its views belongs to them.
func TestMeasureAfterView(t *testing.T) {
	b := newBoard(t, nil)
	v := viewOf("v", "m", "", Count)
	b.register(v)
	if got := b.registerMeasures(Measure{"m", "late", "1", Double}); got != "known" {
		t.Error(got)
	}
	if m, _ := b.Measure("m"); m.Description != "late" {
		t.Error(m)
	}
	if got := b.register(v); got != "known" {
		t.Error(got)
	}
	if v, _ := b.View("v"); v.Description != "" {
		t.Error(v)
	}
}

func TestDelete(t *testing.T) {
	b := newBoard(t, nil)
	v := viewOf("v", "m", "", Count)
	b.register(v)
	first := b.state.Load().views["v"].id
	if err := b.DeleteView("w"); kindOf(err) != Unknown || !strings.Contains(err.Error(), `"w"`) {
		t.Error(err)
	}
	if err := b.DeleteView("v"); err != nil {
		t.Error(err)
	}
	if err := b.DeleteView("v"); kindOf(err) != Unknown {
		t.Error(err)
	}
	if _, ok := b.View("v"); ok || b.names() != "" {
		t.Error(b.Views())
	}
	if got := b.register(viewOf("v", "n", "a", Sum)); got != "created" {
		t.Error("the name is not free:", got)
	}
	if b.state.Load().views["v"].id == first {
		t.Error("the rows of the first registration are those of the second")
	}
	if diff := cmp.Diff([][]string{{"m"}, {}, {"n"}}, b.applied); diff != "" {
		t.Error(diff)
	}
}

// What the configuration says stays.
func TestFixed(t *testing.T) {
	b := newBoard(t, func(c *Config) {
		c.Measures = []Measure{{"m", "", "ms", Int64}}
		c.Views = []Definition{viewOf("v", "m", "a", Sum), viewOf("", "other", "", Count)}
	})
	if got := b.names(); got != "other v" {
		t.Error(got)
	}
	if len(b.Rules()) != 2 || len(b.applied) > 0 {
		t.Errorf("%d rules, %v", len(b.Rules()), b.applied)
	}
	for what, err := range map[string]error{"view": b.DeleteView("v"), "measure": b.DeleteMeasure("m")} {
		if kindOf(err) != Fixed || !strings.Contains(err.Error(), "is of the configuration") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := b.register(viewOf("v", "m", "a", Sum)); got != "known" {
		t.Error(got)
	}
	if got := b.register(viewOf("v", "m", "b", Sum)); !strings.HasPrefix(got, "refused") {
		t.Error(got)
	}
	if got := b.registerMeasures(Measure{"m", "", "ms", Int64}); got != "known" || len(b.made.measures)+len(b.made.views) > 0 {
		t.Error(got, b.made)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   []Error
	}{
		"measures": {func(c *Config) {
			c.Measures = []Measure{{"a", "", "1", Int64}, {"b", "", "1", "x"}, {"a", "", "s", Int64}}
		}, []Error{{Invalid, "measure", 1, "type", ""}, {Conflict, "measure", 2, "unit", ""}}},
		"views": {func(c *Config) {
			c.Measures = []Measure{{"a", "", "1", "x"}}
			c.Views = []Definition{viewOf("v", "m", "", "mean"), viewOf("a.b", "m", "", Count), viewOf("a_b", "m", "", Count)}
		}, []Error{{Invalid, "measure", 0, "type", ""}, {Invalid, "view", 0, "aggregation", ""}, {Conflict, "view", 2, "name", ""}}},
		"many": {func(c *Config) { c.Views = slices.Repeat([]Definition{viewOf("v", "m", "", Count)}, 6) }, []Error{{Full, "view", 5, "", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Max: 5, MaxRows: 1, Now: time.Now, Path: filepath.Join(t.TempDir(), "views")}
			c.change(&cfg)
			var got []Error
			for _, err := range Check(cfg) {
				if err.Msg == "" {
					t.Error("no message")
				}
				err.Msg = ""
				got = append(got, *err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if _, err := Open(cfg); kindOf(err) != c.want[0].Kind {
				t.Error(err)
			}
		})
	}
	if _, err := Open(Config{Path: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "views made over HTTP") {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	b := newBoard(t, func(c *Config) { c.Path = filepath.Join(t.TempDir(), "views") })
	b.register(viewOf("v", "m", "", Count))
	b.put("v", row("-", nil, 1))
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.sent(); got != "p.v 1 1700000000" {
		t.Error(got)
	}
	_, _, err := b.RegisterViews([]Definition{viewOf("w", "m", "", Count)})
	_, _, errMeasure := b.RegisterMeasures([]Measure{{"x", "", "1", Int64}})
	for what, err := range map[string]error{"register": err, "register measure": errMeasure, "delete": b.DeleteView("v")} {
		if kindOf(err) != Unsaved {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	if got := b.register(viewOf("v", "m", "", Count)); got != "known" || b.names() != "v" {
		t.Error(got, b.names())
	}
}
