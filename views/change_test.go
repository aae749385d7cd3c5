package views

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func inFile(t *testing.T) func(*Config) {
	return func(c *Config) { c.Path = filepath.Join(t.TempDir(), "views") }
}

func TestReopen(t *testing.T) {
	b := newBoard(t, inFile(t))
	ms := Measure{"m", `ä"<`, "ms", Int64}
	b.registerMeasures(ms, Measure{"gone", "", "1", Double})
	b.register(viewOf("v", "m", "b,a", Distribution, 0.1, 1e300), viewOf("gone", "m", "", Sum))
	b.register(viewOf("w", "other", "", Distribution))
	if err := b.DeleteView("gone"); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteMeasure("gone"); err != nil {
		t.Fatal(err)
	}
	views, all, id := b.Views(), b.Measures(), b.state.Load().views["v"].id
	b.reopen()
	if diff := cmp.Diff([]any{views, all}, []any{b.Views(), b.Measures()}); diff != "" {
		t.Error("(-before +after)\n", diff)
	}
	if len(b.Rules()) != 2 || b.log.Len() > 0 || b.state.Load().views["v"].id == id {
		t.Errorf("%d rules, log %s", len(b.Rules()), &b.log)
	}
	if got := b.register(viewOf("v", "m", "b,a", Distribution, 0.1, 1e300)); got != "known" {
		t.Error(got)
	}
}

// Wherever a crash cuts the file off, a batch is there as a whole or not at all.
func TestBatchIsWhole(t *testing.T) {
	b := newBoard(t, inFile(t))
	b.register(viewOf("a", "m", "", Count), viewOf("b", "m", "", Count))
	text, err := os.ReadFile(b.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(text) + 1 {
		if err := os.WriteFile(b.cfg.Path, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := ""
		if cut == len(text) {
			want = "a b"
		}
		b.reopen()
		if got := b.names(); got != want {
			t.Fatalf("cut at %d of %d: %q, want %q", cut, len(text), got, want)
		}
	}
}

// A change that the disk refuses is not made, and can be tried again.
func TestUnsaved(t *testing.T) {
	b := newBoard(t, inFile(t))
	b.register(viewOf("a", "m", "", Count))
	b.file.Close() // every write fails from now on
	_, _, err := b.RegisterViews([]Definition{viewOf("b", "m", "", Count)})
	if kindOf(err) != Unsaved || b.names() != "a" || len(b.applied) != 1 || !strings.Contains(b.log.String(), "could not be saved") {
		t.Error(err, b.names(), b.applied, &b.log)
	}
	// The file can be written anew.
	if got := b.register(viewOf("b", "m", "", Count)); got != "created" {
		t.Error(got)
	}
	b.reopen()
	if got := b.names(); got != "a b" {
		t.Error(got)
	}
}

// What the configuration has come to say otherwise keeps what was made from being
// in force, until it is deleted or the configuration has it no longer.
func TestAtOdds(t *testing.T) {
	b := newBoard(t, inFile(t))
	b.registerMeasures(Measure{"m", "", "ms", Int64}, Measure{"free", "", "s", Double})
	b.register(viewOf("v", "m", "a", Sum), viewOf("x.y", "m", "", Sum), viewOf("same", "m", "", Sum), viewOf("z", "m", "", Sum))
	before := b.Views()

	b.cfg.Measures = []Measure{{"m", "", "s", Int64}}
	b.cfg.Views = []Definition{viewOf("v", "m", "b", Sum), viewOf("x_y", "m", "", Sum), viewOf("same", "m", "", Sum)}
	b.reopen()
	if got := b.names(); got != "same v x_y z" {
		t.Error(got)
	}
	for _, part := range []string{`level=ERROR`, `measure=m`, `view=v `, `view=x.y`, "at odds with the configuration"} {
		if !strings.Contains(b.log.String(), part) {
			t.Errorf("no %q in %s", part, &b.log)
		}
	}
	if got := strings.Count(b.log.String(), "\n"); got != 3 {
		t.Errorf("%d lines: %s", got, &b.log)
	}
	if m, _ := b.Measure("m"); m.Unit != "s" {
		t.Error(m)
	}
	for _, name := range []string{"v", "same", "x_y"} {
		if err := b.DeleteView(name); kindOf(err) != Fixed {
			t.Errorf("%s: %v", name, err)
		}
	}

	b.cfg.Measures, b.cfg.Views = nil, nil
	b.reopen()
	if diff := cmp.Diff(before, b.Views()); diff != "" {
		t.Error(diff)
	}

	// A name in the file is taken, even where it is not in force.
	b.cfg.Views = []Definition{viewOf("x_y", "m", "", Sum)}
	b.reopen()
	if got := b.register(viewOf("x.y", "m", "", Sum)); !strings.HasPrefix(got, "refused: the series of view") {
		t.Error(got)
	}
	if err := b.DeleteView("x.y"); err != nil {
		t.Error(err)
	}
	b.cfg.Views = nil
	b.reopen()
	if got := b.names(); got != "same v z" {
		t.Error(got)
	}
}

// A definition that this version refuses is not in force, but not lost either.
func TestNoLongerUnderstood(t *testing.T) {
	b := newBoard(t, inFile(t))
	b.register(viewOf("v", "m", "", Count))
	v := View{Name: "old", Measure: "m", Columns: []string{}, Aggregation: Aggregation{Type: "median"}}
	if err := b.file.Append(record{Op: opAdd, Views: []View{v}}); err != nil {
		t.Fatal(err)
	}
	b.reopen()
	if got := b.names(); got != "v" || !strings.Contains(b.log.String(), "view=old") {
		t.Error(got, &b.log)
	}
	if got := b.register(viewOf("old", "m", "", Count)); !strings.Contains(got, "was registered before, and is not in force") {
		t.Error(got)
	}
	b.applied = nil
	if err := b.DeleteView("old"); err != nil || len(b.applied) > 0 {
		t.Error(err, b.applied)
	}
	if got := b.register(viewOf("old", "m", "", Count)); got != "created" {
		t.Error(got)
	}
}

// Whatever stands in a file, what is made of it can be written anew and read again.
func FuzzRecords(f *testing.F) {
	for _, r := range []record{
		{Op: opAdd, Measures: []Measure{{"m", "", "ms", Int64}}, Views: []View{{"v", "", "m", []string{"a"}, Aggregation{Distribution, []float64{1}}}}},
		{Op: opDeleteView, Name: "v"}, {Op: opDeleteMeasure, Name: "m"},
	} {
		text, _ := json.Marshal(r)
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var m made
		for _, text := range [][]byte{first, second} {
			var r record
			if json.Unmarshal(text, &r) == nil {
				m.take(&r)
			}
		}
		var again made
		for _, change := range m.all() {
			text, err := json.Marshal(change)
			var r record
			if err != nil || json.Unmarshal(text, &r) != nil || !again.take(&r) {
				t.Fatalf("%s, %v", text, err)
			}
		}
		if len(again.measures) != len(m.measures) || len(again.views) != len(m.views) {
			t.Fatalf("%+v, want %+v", again, m)
		}
	})
}
