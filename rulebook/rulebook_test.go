package rulebook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/rules"
)

// shelf is a book with what it is told and tells.
type shelf struct {
	*Book
	t       testing.TB
	cfg     Config
	names   []string
	applied [][]string // outputs of the rules in force, at each change
	log     bytes.Buffer
	clock   time.Time
}

func newShelf(t testing.TB, path string) *shelf {
	s := &shelf{t: t, clock: time.Unix(1763811000, 0)}
	s.cfg = Config{
		Path: path, Period: 30, MaxPerOwner: 3, MaxOutputs: 5,
		Names: func() []string { return s.names },
		Apply: func(list []*rules.Rule) { s.applied = append(s.applied, outputs(list)) },
		Now: func() time.Time {
			s.clock = s.clock.Add(time.Second)
			return s.clock
		},
		Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
	}
	s.open()
	return s
}

func (s *shelf) open() {
	s.t.Helper()
	var err error
	if s.Book, err = Open(s.cfg); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.Close() })
}

// reopen ends the book as a crash would, and reads it again.
func (s *shelf) reopen() {
	s.t.Helper()
	if s.file != nil {
		s.file.Close()
	}
	s.open()
}

func (s *shelf) create(owner, pattern, output string) string {
	s.t.Helper()
	r, err := s.Create(context.Background(), owner, pattern, output)
	if err != nil {
		s.t.Fatalf("%s → %s: %v", pattern, output, err)
	}
	return r.ID
}

func outputs(list []*rules.Rule) []string {
	out := []string{}
	for _, r := range list {
		out = append(out, r.Output)
	}
	return out
}

func (s *shelf) listed(owner string) (all []string) {
	for _, r := range s.List(owner) {
		all = append(all, r.Pattern+" "+r.Output)
	}
	return all
}

func kindOf(err error) Kind {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Kind
	}
	return -1
}

func TestRefusals(t *testing.T) {
	s := newShelf(t, "")
	for i := range 20 {
		s.names = append(s.names, fmt.Sprintf("wide.h%d.x", i))
	}
	s.create("k", "servers.*.requests.<code>", "servers.all.requests.<code>")
	type refusal struct {
		pattern, output string
		kind            Kind
		msg             string
	}
	check := func(t *testing.T, c refusal) {
		_, err := s.Create(t.Context(), "k", c.pattern, c.output)
		if kindOf(err) != c.kind || !strings.Contains(err.Error(), c.msg) {
			t.Errorf("Create: kind %d, %v; want %d, %q", kindOf(err), err, c.kind, c.msg)
		}
		trial, err := s.Try(t.Context(), "k", c.pattern, c.output)
		if err != nil || trial.Refusal == nil || trial.Refusal.Kind != c.kind || !strings.Contains(trial.Refusal.Msg, c.msg) {
			t.Errorf("Try: %+v, %v; want %d, %q", trial.Refusal, err, c.kind, c.msg)
		}
	}
	dear := "<<a>>.<<b>>.<<c>>"
	for name, c := range map[string]refusal{
		"captured twice":       {"a.<x>.<x>", "b", Invalid, "pattern, column"},
		"open group":           {"a.(", "b", Invalid, "pattern, column 3"},
		"unknown field":        {"a.<x>", "b.<y>", Invalid, `output, column 3: unknown field "y": known are <x>`},
		"method":               {"a.<x>", "b.<method>", Invalid, "unknown field \"method\""},
		"empty node":           {"a..b", "b", Invalid, "pattern, column 3"},
		"no last node":         {"a.", "b", Invalid, "pattern, column 3"},
		"choice":               {"a.b|c", "b", Invalid, "pattern, column 4"},
		"odd field":            {"a.<ä>", "b", Invalid, "pattern, column 4: field ä"},
		"lookahead":            {"a.(?=b)b", "b", Invalid, "pattern, column 3"},
		"back-reference":       {`a.(b)\1`, "b", Invalid, "pattern, column"},
		"blank":                {"a b", "b", Invalid, "pattern, column 2"},
		"blank in output":      {"a", "b c", Invalid, "output, column 2"},
		"long pattern":         {strings.Repeat("a", 1025), "b", Invalid, "1024"},
		"long output":          {"a", strings.Repeat("b", 512), Invalid, "512"},
		"nodes":                {strings.Repeat("a.", 64) + "a", "b", Invalid, "64"},
		"not UTF-8":            {"a\xff", "b", Invalid, "pattern is not UTF-8"},
		"three wide fields":    {dear, "b", Expensive, "at most 2"},
		"a wide field in tags": {"<<a>>.<<b>>;k=<<c>>", "b", Expensive, "at most 2"},
		"large program":        {"a.((b{1,50}){1,50}){1,50}", "b", Expensive, "too expensive"},
		"many outputs":         {"wide.<h>.x", "all.<h>", Expensive, "more than 5 outputs"},
		"duplicate":            {"servers.*.requests.<code>", "servers.all.requests.<code>", Duplicate, "are those of the rule"},
		"prefixed duplicate":   {"servers.*.requests.<code>", "aggregates.servers.all.requests.<code>", Duplicate, "are those of the rule"},
	} {
		t.Run(name, func(t *testing.T) { check(t, c) })
	}
	s.create("k", "two", "b")
	s.create("k", "three", "aggregates.b")
	if len(s.applied) != 3 {
		t.Fatalf("%d changes, want 3", len(s.applied))
	}
	// At the limit the order of the checks shows.
	for name, c := range map[string]refusal{
		"limit":                  {"four", "b", Full, "limit of 3 rules"},
		"limit before cost":      {"wide.<h>.x", "all.<h>", Full, "limit"},
		"limit before program":   {dear, "b", Full, "limit"},
		"limit before size":      {"a.((b{1,50}){1,50}){1,50}", "b", Full, "limit"},
		"syntax before limit":    {"a.(", "b", Invalid, ""},
		"duplicate before limit": {"two", "aggregates.b", Duplicate, ""},
	} {
		t.Run(name, func(t *testing.T) { check(t, c) })
	}
	if _, err := s.Create(t.Context(), "another", "four", "b"); err != nil {
		t.Error("the limit of one owner is another's:", err)
	}
}

func TestOwners(t *testing.T) {
	s := newShelf(t, "")
	a := s.create("a", "x.*", "shared")
	s.create("a", "y.*", "second")
	b := s.create("b", "x.*", "aggregates.shared")
	if diff := cmp.Diff([]string{"x.* aggregates.shared", "y.* aggregates.second"}, s.listed("a")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"a": 2, "b": 1}, s.Owners()); diff != "" {
		t.Error(diff)
	}
	if _, ok := s.Get("b", a); ok {
		t.Error("b sees a rule of a")
	}
	if err := s.Delete("b", a); kindOf(err) != Unknown {
		t.Errorf("b deletes a rule of a: %v", err)
	}
	if r, ok := s.Get("b", b); !ok || r.Pattern != "x.*" || r.Output != "aggregates.shared" || r.Owner != "b" {
		t.Errorf("%+v, %v", r, ok)
	}
	// What two have stays in its place until both have removed it.
	for _, step := range []struct {
		owner, id string
		force     []string
	}{
		{"a", a, []string{"aggregates.shared", "aggregates.second"}},
		{"b", b, []string{"aggregates.second"}},
	} {
		if err := s.Delete(step.owner, step.id); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.force, outputs(s.Rules())); diff != "" {
			t.Error(diff)
		}
		if err := s.Delete(step.owner, step.id); kindOf(err) != Unknown {
			t.Errorf("deleted twice: %v", err)
		}
	}
	want := [][]string{
		{"aggregates.shared"}, {"aggregates.shared", "aggregates.second"}, {"aggregates.second"},
	}
	if diff := cmp.Diff(want, s.applied); diff != "" {
		t.Error("put in force (-want +got):\n", diff)
	}
	if s.List("b") == nil || len(s.List("b")) != 0 {
		t.Error("no empty list")
	}
}

func TestTry(t *testing.T) {
	s := newShelf(t, "")
	s.names = []string{"a.1.x", "a.2.x", "a.3.y", "b.1.x", "a.1.x.z"}
	got, err := s.Try(t.Context(), "k", "a.*.<what>", "all.<what>")
	if err != nil {
		t.Fatal(err)
	}
	if got.Program < 5 || got.Program > rules.MaxProgram || got.Refusal != nil || got.Looked != 5 || got.Matches != 3 || got.Made != 2 ||
		!slices.Equal(got.Names, []string{"a.1.x", "a.2.x", "a.3.y"}) ||
		!slices.Equal(got.Outputs, []Output{{"aggregates.all.x", 2}, {"aggregates.all.y", 1}}) {
		t.Errorf("%+v", got)
	}
	if len(s.Rules()) > 0 || len(s.applied) > 0 {
		t.Error("it has made a rule")
	}
	s.names = nil
	for i := range 1000 {
		s.names = append(s.names, fmt.Sprintf("a.%d.x", i))
	}
	if got, _ = s.Try(t.Context(), "k", "a.*.<what>", "all.<what>"); len(got.Names) != maxShown || got.Matches != 1000 {
		t.Errorf("%d of %d names", len(got.Names), got.Matches)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Try(ended, "k", "a.*.<what>", "all.<what>"); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
	for range 2 { // the second time without a name to try it on
		if _, err := s.Create(ended, "k", "a.*.<what>", "all.<what>"); !errors.Is(err, context.Canceled) || len(s.Rules()) > 0 {
			t.Errorf("after its end: %v", err)
		}
		s.names = nil
	}
}

func TestIDs(t *testing.T) {
	s := newShelf(t, filepath.Join(t.TempDir(), "rules"))
	seen := map[string]bool{}
	for range 50 {
		id := s.create("k", "a.*", "b")
		if len(id) < 16 || len(id) > 32 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
		if err := s.Delete("k", id); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClose(t *testing.T) {
	s := newShelf(t, filepath.Join(t.TempDir(), "rules"))
	id := s.create("k", "a.*", "b")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), "k", "b.*", "b"); kindOf(err) != Unsaved {
		t.Errorf("Create after Close: %v", err)
	}
	if err := s.Delete("k", id); kindOf(err) != Unsaved || len(s.Rules()) != 1 {
		t.Errorf("Delete after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
