package rulebook

import (
	"bytes"
	"fmt"
	"hash/crc32"
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
	for _, part := range []string{"level=ERROR", "damaged", "lines=1 first=2 rules=2", path + ".damaged"} {
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
	text := appendLine(nil, addition(&Rule{"ID1", "k", "a.(", "aggregates.b", at}))
	text = appendLine(text, addition(&Rule{"ID2", "k", "a", "aggregates.b", at}))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newShelf(t, path)
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
	s.file.f.Close() // every write fails from now on
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

// History is thrown away.
func TestRewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules")
	s := newShelf(t, path)
	s.create("k", "stays", "b")
	for range slack/2 + 100 {
		if err := s.Delete("k", s.create("k", "comes.and.goes", "b")); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if lines := bytes.Count(text, []byte("\n")); err != nil || lines > slack/2 {
		t.Errorf("%d lines, %v", lines, err)
	}
	s.reopen()
	if diff := cmp.Diff([]string{"stays aggregates.b"}, s.listed("k")); diff != "" {
		t.Error(diff)
	}
}

func TestTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxFile+1); err != nil {
		t.Skip(err)
	}
	if _, err := Open(Config{Path: path}); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Error(err)
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

// Whatever stands in a file: it is read, what is read can be written anew, and
// what is made afterwards is kept.
func FuzzFile(f *testing.F) {
	at := time.Unix(1763811000, 0).UTC()
	good := appendLine(nil, addition(&Rule{"ID1", "k", "a.*", "aggregates.b", at}))
	f.Add(good)
	f.Add(append(bytes.Clone(good), good...))
	f.Add(appendLine(bytes.Clone(good), record{Op: opDelete, ID: "ID1"}))
	f.Add(append(bytes.Clone(good), "00000000 {}\nxyz"...))
	f.Add([]byte("\n\n\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		// A line of it with a right sum, too.
		if line, _, _ := bytes.Cut(text, []byte("\n")); len(line) > 0 {
			sum := fmt.Appendf(nil, "%08x ", crc32.Checksum(line, castagnoli))
			text = append(append(append(sum, line...), '\n'), text...)
		}
		h := readHistory(text)
		if len(h.rules)+h.damaged > h.lines || h.torn > len(text) || (h.first > 0) != (h.damaged > 0) {
			t.Fatalf("%+v", h)
		}
		var anew []byte
		for i := range h.rules {
			anew = appendLine(anew, addition(&h.rules[i]))
		}
		if again := readHistory(anew); !cmp.Equal(again.rules, h.rules) || again.damaged > 0 || again.torn > 0 {
			t.Fatalf("%+v, want %+v", again, h)
		}
		more := appendLine(bytes.Clone(text[:len(text)-h.torn]), addition(&Rule{"a new one", "k", "a.*", "aggregates.b", at}))
		if after := readHistory(more); len(after.rules) != len(h.rules)+1 || after.damaged != h.damaged || after.torn > 0 {
			t.Fatalf("%+v, before %+v", after, h)
		}
	})
}
