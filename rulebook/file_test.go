package rulebook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReopen(t *testing.T) {
	s := newShelf(t, filepath.Join(t.TempDir(), "rules"))
	s.create("a", "x.<<r>>", "b.<r>")
	gone := s.create("a", "gone", "b")
	s.create("a", "<y>.\"ä&", "c")
	s.create("b", "x.<<r>>", "b.<r>")
	if err := s.Delete("a", gone); err != nil {
		t.Fatal(err)
	}
	a, b, force := s.List("a"), s.List("b"), outputs(s.Rules())
	s.reopen()
	if diff := cmp.Diff([]any{a, b, force}, []any{s.List("a"), s.List("b"), outputs(s.Rules())}); diff != "" {
		t.Error("(-before +after)\n", diff)
	}
	if s.log.Len() > 0 {
		t.Error(s.log.String())
	}
	if _, err := s.Create(t.Context(), "a", "x.<<r>>", "b.<r>"); kindOf(err) != Duplicate {
		t.Error(err)
	}
}

// Wherever a crash cuts the file off: every change that had come to its end is there.
func TestTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules")
	s := newShelf(t, path)
	ends := []int{0}
	var states [][]string
	note := func() {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		ends, states = append(ends, len(text)), append(states, s.listed("k"))
	}
	states = append(states, nil)
	first := s.create("k", "a", "b")
	note()
	s.create("k", "c", "d")
	note()
	if err := s.Delete("k", first); err != nil {
		t.Fatal(err)
	}
	note()
	text, _ := os.ReadFile(path)
	for cut, state := 0, 0; cut <= len(text); cut++ {
		if state+1 < len(ends) && cut == ends[state+1] {
			state++
		}
		other := newShelf(t, filepath.Join(t.TempDir(), "rules"))
		if err := os.WriteFile(other.cfg.Path, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		other.reopen()
		if diff := cmp.Diff(states[state], other.listed("k")); diff != "" {
			t.Fatalf("cut at %d of %d:\n%s", cut, len(text), diff)
		}
		if torn := cut > ends[state]; torn != strings.Contains(other.log.String(), "not written whole") {
			t.Fatalf("cut at %d of %d: %s", cut, len(text), &other.log)
		}
		other.create("k", "after", "x")
		other.reopen()
		if got := other.listed("k"); len(got) != len(states[state])+1 {
			t.Fatalf("cut at %d of %d: afterwards %q", cut, len(text), got)
		}
		other.Close()
	}
}

func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules")
	s := newShelf(t, path)
	for _, p := range []string{"a", "b", "c"} {
		s.create("k", p, "out."+p)
	}
	text, _ := os.ReadFile(path)
	damaged := bytes.Replace(text, []byte(`"b"`), []byte(`"x"`), 1)
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	s.reopen()
	want := []string{"a aggregates.out.a", "c aggregates.out.c"}
	if diff := cmp.Diff(want, s.listed("k")); diff != "" {
		t.Error(diff)
	}
	for _, part := range []string{"level=ERROR", "damaged", "lines=1 first=2 left=2", path + ".damaged"} {
		if !strings.Contains(s.log.String(), part) {
			t.Errorf("no %q in %s", part, &s.log)
		}
	}
	if copied, err := os.ReadFile(path + ".damaged"); err != nil || !bytes.Equal(copied, damaged) {
		t.Errorf("the copy has %q, %v", copied, err)
	}
	s.log.Reset()
	s.reopen()
	if diff := cmp.Diff(want, s.listed("k")); diff != "" || s.log.Len() > 0 {
		t.Error(diff, s.log.String())
	}
}

// A rule that this version refuses is not in force, but not lost either.
func TestNoLongerUnderstood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules")
	at := time.Unix(1763811000, 0)
	s := newShelf(t, path)
	for _, r := range []Rule{{"ID1", "k", "a.(", "aggregates.b", at}, {"ID2", "k", "a", "aggregates.b", at}} {
		if err := s.file.Append(addition(&r)); err != nil {
			t.Fatal(err)
		}
	}
	s.reopen()
	if len(s.List("k")) != 2 || len(s.Rules()) != 1 || !strings.Contains(s.log.String(), "id=ID1") {
		t.Errorf("%v, %v, %s", s.List("k"), outputs(s.Rules()), &s.log)
	}
	s.applied = nil
	if err := s.Delete("k", "ID1"); err != nil || len(s.applied) > 0 {
		t.Error(err, s.applied)
	}
	s.reopen()
	if got := s.listed("k"); len(got) != 1 {
		t.Error(got)
	}
}

// A change that the disk refuses is not made, and can be tried again.
func TestUnsaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules")
	s := newShelf(t, path)
	id := s.create("k", "a", "b")
	s.file.Close() // every write fails from now on
	if _, err := s.Create(t.Context(), "k", "c", "d"); kindOf(err) != Unsaved {
		t.Fatal(err)
	}
	if got := s.listed("k"); len(got) != 1 || len(s.applied) != 1 {
		t.Fatal(got, s.applied)
	}
	// The file is written anew, if that can be done.
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete("k", id); kindOf(err) != Unsaved || len(s.List("k")) != 1 {
		t.Fatal(err)
	}
	if err := os.RemoveAll(path + ".new"); err != nil {
		t.Fatal(err)
	}
	s.create("k", "c", "d")
	want := s.listed("k")
	s.reopen()
	if diff := cmp.Diff(want, s.listed("k")); diff != "" || len(want) != 2 {
		t.Error(want, diff)
	}
}

// Any sequence of changes and crashes leaves what a list would have.
func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := newShelf(t, filepath.Join(t.TempDir(), "rules"))
		s.cfg.MaxPerOwner = 8
		s.reopen()
		type made struct{ id, text string }
		model := map[string][]made{}
		for range 200 {
			owner := string(rune('a' + rng.IntN(3)))
			mine := model[owner]
			switch n := rng.IntN(10); {
			case n == 0:
				s.reopen()
			case n < 5 && len(mine) > 0:
				i := rng.IntN(len(mine))
				if err := s.Delete(owner, mine[i].id); err != nil {
					t.Fatal(err)
				}
				model[owner] = append(mine[:i:i], mine[i+1:]...)
			default:
				pattern, output := fmt.Sprintf("p%d.*", rng.IntN(12)), fmt.Sprintf("aggregates.o%d", rng.IntN(2))
				text := pattern + " " + output
				want := Kind(-1)
				for _, m := range mine {
					if m.text == text {
						want = Duplicate
					}
				}
				if want < 0 && len(mine) == 8 {
					want = Full
				}
				r, err := s.Create(t.Context(), owner, pattern, output)
				if kindOf(err) != want {
					t.Fatalf("%s: %v, want kind %d", text, err, want)
				}
				if err == nil {
					model[owner] = append(mine, made{r.ID, text})
				}
			}
			force := map[string]bool{}
			for _, owner := range []string{"a", "b", "c"} {
				var want []string
				for _, m := range model[owner] {
					want = append(want, m.text)
					force[m.text] = true
				}
				if diff := cmp.Diff(want, s.listed(owner)); diff != "" {
					t.Fatal(diff)
				}
			}
			got := map[string]bool{}
			for _, r := range s.Rules() {
				got[r.Pattern+" "+r.Output] = true
			}
			if diff := cmp.Diff(force, got); diff != "" || len(s.Rules()) != len(force) {
				t.Fatalf("in force: %s", diff)
			}
		}
	}
}

// Whatever stands in a file, what is made of it can be written anew and read again.
func FuzzRecords(f *testing.F) {
	at := time.Unix(1763811000, 0).UTC()
	good, _ := json.Marshal(addition(&Rule{"ID1", "k", "a.*", "aggregates.b", at}))
	f.Add(good, good)
	f.Add(good, []byte(`{"op":"delete","id":"ID1"}`))
	f.Add([]byte(`{"op":"delete","id":"ID1"}`), []byte("{}"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		book, _ := Open(Config{})
		book.take(first)
		book.take(second)
		again, _ := Open(Config{})
		for _, change := range book.records() {
			text, err := json.Marshal(change)
			if err != nil || !again.take(text) {
				t.Fatalf("%s, %v", text, err)
			}
		}
		if diff := cmp.Diff(book.records(), again.records()); diff != "" || book.len() != len(book.entries()) {
			t.Fatal(diff)
		}
	})
}
