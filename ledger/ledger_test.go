package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// set is what the changes of these tests are of: texts that are added and removed.
type set struct {
	*File
	t    testing.TB
	path string
	list []string
	log  bytes.Buffer
}

type change struct {
	Op   string `json:"op"`
	Text string `json:"text"`
}

func newSet(t testing.TB, path string) *set {
	s := &set{t: t, path: path}
	s.open()
	return s
}

func (s *set) config() Config {
	return Config{
		Path: s.path, What: "texts", Take: s.take, Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
		All: func() (all []any) {
			for _, text := range s.list {
				all = append(all, change{"add", text})
			}
			return all
		},
		Len: func() int { return len(s.list) },
	}
}

// open reads the file as after a crash.
func (s *set) open() {
	s.t.Helper()
	s.list = nil
	if s.File != nil {
		s.f.Close()
	}
	var err error
	if s.File, err = Open(s.config()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.f.Close() })
}

func (s *set) take(text []byte) bool {
	var c change
	if json.Unmarshal(text, &c) != nil || c.Text == "" {
		return false
	}
	s.apply(c)
	return true
}

func (s *set) apply(c change) {
	s.list = slices.DeleteFunc(s.list, func(x string) bool { return x == c.Text })
	if c.Op == "add" {
		s.list = append(s.list, c.Text)
	}
}

func (s *set) change(op, text string) error {
	c := change{op, text}
	if err := s.Append(c); err != nil {
		return err
	}
	s.apply(c)
	return nil
}

func (s *set) must(op, text string) {
	s.t.Helper()
	if err := s.change(op, text); err != nil {
		s.t.Fatal(err)
	}
}

// Wherever a crash cuts the file off: every change that had come to its end is there.
func TestTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "texts")
	s := newSet(t, path)
	ends, states := []int{0}, [][]string{nil}
	for _, c := range []change{{"add", "a"}, {"add", `ä"<&>`}, {"remove", "a"}} {
		s.must(c.Op, c.Text)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		ends, states = append(ends, len(text)), append(states, slices.Clone(s.list))
	}
	text, _ := os.ReadFile(path)
	for cut, state := 0, 0; cut <= len(text); cut++ {
		if state+1 < len(ends) && cut == ends[state+1] {
			state++
		}
		other := newSet(t, filepath.Join(t.TempDir(), "texts"))
		if err := os.WriteFile(other.path, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		other.open()
		if !slices.Equal(states[state], other.list) {
			t.Fatalf("cut at %d of %d: %q, want %q", cut, len(text), other.list, states[state])
		}
		if torn := cut > ends[state]; torn != strings.Contains(other.log.String(), "not written whole") {
			t.Fatalf("cut at %d of %d: %s", cut, len(text), &other.log)
		}
		other.must("add", "after")
		other.open()
		if !slices.Contains(other.list, "after") || len(other.list) != len(states[state])+1 {
			t.Fatalf("cut at %d of %d: afterwards %q", cut, len(text), other.list)
		}
		other.Close()
	}
}

func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "texts")
	s := newSet(t, path)
	for _, text := range []string{"a", "b", "c"} {
		s.must("add", text)
	}
	text, _ := os.ReadFile(path)
	damaged := bytes.Replace(text, []byte(`"b"`), []byte(`"x"`), 1)
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	s.open()
	if diff := cmp.Diff([]string{"a", "c"}, s.list); diff != "" {
		t.Error(diff)
	}
	for _, part := range []string{"level=ERROR", "the file of texts is damaged", "lines=1 first=2 left=2", path + ".damaged"} {
		if !strings.Contains(s.log.String(), part) {
			t.Errorf("no %q in %s", part, &s.log)
		}
	}
	if copied, err := os.ReadFile(path + ".damaged"); err != nil || !bytes.Equal(copied, damaged) {
		t.Errorf("the copy has %q, %v", copied, err)
	}
	s.log.Reset()
	s.open()
	if diff := cmp.Diff([]string{"a", "c"}, s.list); diff != "" || s.log.Len() > 0 {
		t.Error(diff, s.log.String())
	}
	// A copy that cannot be made keeps the file as it is.
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + ".damaged"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(path+".damaged/x", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.config()); err == nil || !strings.Contains(err.Error(), "no copy of it can be made") {
		t.Error(err)
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(now, damaged) {
		t.Error("the file has changed")
	}
}

// A change that the disk refuses is not made, and can be tried again.
func TestUnsaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "texts")
	s := newSet(t, path)
	s.must("add", "a")
	s.f.Close() // every write fails from now on
	if err := s.change("add", "b"); err == nil {
		t.Fatal("nothing failed")
	}
	// The file is written anew, if that can be done.
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.change("remove", "a"); err == nil {
		t.Fatal("nothing failed")
	}
	if err := os.RemoveAll(path + ".new"); err != nil {
		t.Fatal(err)
	}
	s.must("add", "b")
	s.open()
	if diff := cmp.Diff([]string{"a", "b"}, s.list); diff != "" {
		t.Error(diff)
	}
}

// History is thrown away.
func TestRewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "texts")
	s := newSet(t, path)
	s.must("add", "stays")
	for range slack/2 + 100 {
		s.must("add", "comes and goes")
		s.must("remove", "comes and goes")
	}
	text, err := os.ReadFile(path)
	if lines := bytes.Count(text, []byte("\n")); err != nil || lines > slack/2 {
		t.Errorf("%d lines, %v", lines, err)
	}
	s.open()
	if diff := cmp.Diff([]string{"stays"}, s.list); diff != "" {
		t.Error(diff)
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, maxFile+1); err != nil {
		t.Skip(err)
	}
	for path, want := range map[string]string{large: "at most", dir: "is a directory", filepath.Join(dir, "no", "file"): "no such file"} {
		if _, err := Open(Config{Path: path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// Any sequence of changes and crashes leaves what a list would have.
func TestModel(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := newSet(t, filepath.Join(t.TempDir(), "texts"))
		model := set{}
		for range 200 {
			if rng.IntN(10) == 0 {
				s.open()
			} else {
				c := change{[]string{"add", "remove"}[rng.IntN(2)], fmt.Sprintf("t%d", rng.IntN(9))}
				s.must(c.Op, c.Text)
				model.apply(c)
			}
			if !slices.Equal(model.list, s.list) {
				t.Fatalf("seed %d: %q, want %q", seed, s.list, model.list)
			}
		}
	}
}

// Whatever stands in a file: it is read, and what is appended is read behind it.
func FuzzRead(f *testing.F) {
	good := appendLine(nil, change{"add", "a"})
	f.Add(good)
	f.Add(append(bytes.Clone(good), good...))
	f.Add(append(bytes.Clone(good), "00000000 {}\nxyz"...))
	f.Add([]byte("\n\n\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		// A line of it with a right sum, too.
		if line, _, _ := bytes.Cut(text, []byte("\n")); len(line) > 0 {
			sum := fmt.Appendf(nil, "%08x ", crc32.Checksum(line, castagnoli))
			text = append(append(append(sum, line...), '\n'), text...)
		}
		var taken []string
		take := func(change []byte) bool { taken = append(taken, string(change)); return true }
		h := read(text, take)
		if len(taken)+h.damaged != h.lines || h.torn > len(text) || (h.first > 0) != (h.damaged > 0) {
			t.Fatalf("%+v, %d taken", h, len(taken))
		}
		before := taken
		taken = nil
		more := appendLine(bytes.Clone(text[:len(text)-h.torn]), change{"add", "new"})
		after := read(more, take)
		want := append(before, `{"op":"add","text":"new"}`)
		if after.damaged != h.damaged || after.torn > 0 || !slices.Equal(taken, want) {
			t.Fatalf("%+v %q, before %+v %q", after, taken, h, before)
		}
	})
}

// Several changes at once are all there, or after an error none.
func TestSeveral(t *testing.T) {
	s := newSet(t, filepath.Join(t.TempDir(), "texts"))
	if err := s.Append(change{"add", "a"}, change{"add", "b"}, change{"remove", "a"}, change{"add", "c"}); err != nil {
		t.Fatal(err)
	}
	s.open()
	if !slices.Equal(s.list, []string{"b", "c"}) || s.lines != 4 {
		t.Errorf("%q in %d lines", s.list, s.lines)
	}
	s.f.Close() // every write fails from now on
	if err := s.Append(change{"add", "d"}, change{"add", "e"}); err == nil {
		t.Error("nothing failed")
	}
	s.open()
	if !slices.Equal(s.list, []string{"b", "c"}) {
		t.Errorf("%q", s.list)
	}
}
