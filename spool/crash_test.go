package spool

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// copyDir copies the files of dir to a fresh directory, as a crash leaves them.
func copyDir(t testing.TB, dir string) string {
	t.Helper()
	to, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// records are what the tests below damage: their lines, and where they end.
type records struct {
	dir, path string
	lines     []string
	ends      []int
	size      int
}

// threeRecords makes a spool of one segment with three records.
func threeRecords(t *testing.T, sealed bool) (r records) {
	t.Helper()
	r.dir = t.TempDir()
	s := mustOpen(t, r.dir, small(&clock{}))
	for i := range 3 {
		r.lines = append(r.lines, numbered(10*i, 10*i+5))
		mustAppend(t, s, r.lines[i], uint8(i))
		r.size += headerSize + len(r.lines[i])
		r.ends = append(r.ends, r.size)
	}
	if sealed {
		r.size += sealSize
	} else {
		dir := r.dir
		r.dir = copyDir(t, dir)
	}
	mustClose(t, s)
	paths, bytes := segments(t, r.dir)
	if len(paths) != 1 || int(bytes) != r.size {
		t.Fatalf("%d bytes in %q, want %d", bytes, paths, r.size)
	}
	r.path = paths[0]
	return r
}

// with returns a copy of the spool with other contents of the segment.
func (r records) with(t *testing.T, data []byte) (dir string) {
	t.Helper()
	dir = copyDir(t, r.dir)
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(r.path)), data, 0o640); err != nil {
		t.Fatal(err)
	}
	return dir
}

// reopened opens dir twice, since Open seals what it finds, and returns what is drained.
func reopened(t *testing.T, dir string) (string, Stats) {
	t.Helper()
	s := mustOpen(t, dir, small(&clock{}))
	first := s.Stats()
	mustClose(t, s)
	s = mustOpen(t, dir, small(&clock{}))
	defer mustClose(t, s)
	if second := s.Stats(); second.Found != first.Found {
		t.Fatalf("found %d, then %d", first.Found, second.Found)
	}
	got := drain(t, s, 1<<20)
	st := s.Stats()
	checkBooks(t, st)
	if st.Held != 0 || st.Bytes != 0 || st.Acked != int64(strings.Count(got, "\n")) {
		t.Fatalf("drained: %+v", st)
	}
	return got, st
}

// A file cut anywhere gives all records before the cut. The lines of the one that
// was cut are known if its header is there.
func TestTornSegment(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed %v", sealed), func(t *testing.T) {
			r := threeRecords(t, sealed)
			whole, err := os.ReadFile(r.path)
			if err != nil {
				t.Fatal(err)
			}
			for cut := range r.size {
				got, st := reopened(t, r.with(t, whole[:cut]))
				want, end, torn := "", 0, int64(0)
				for i, e := range r.ends {
					if cut >= e {
						want, end = want+r.lines[i], e
					} else if cut >= end+headerSize {
						torn = 5
					}
					if cut < e {
						break
					}
				}
				damaged := int64(cut - end)
				if got != want || st.Dropped[Damaged] != torn || st.DamagedBytes != damaged {
					t.Fatalf("cut to %d: %q, %+v, want %q, %d lines in %d bytes damaged", cut, got, st, want, torn, damaged)
				}
			}
		})
	}
}

// One damaged byte costs its record and no other. How many lines that are is known
// in a sealed segment, and otherwise when it is not the header.
func TestDamagedByte(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed %v", sealed), func(t *testing.T) {
			r := threeRecords(t, sealed)
			whole, err := os.ReadFile(r.path)
			if err != nil {
				t.Fatal(err)
			}
			for at := range r.size {
				data := bytes.Clone(whole)
				data[at] ^= 1 << (at % 8)
				got, st := reopened(t, r.with(t, data))
				want, known := strings.Join(r.lines, ""), int64(0)
				size, start := int64(sealSize), 0
				for i, e := range r.ends {
					if at >= start && at < e {
						want = strings.Replace(want, r.lines[i], "", 1)
						size = int64(e - start)
						if sealed || at >= start+headerSize {
							known = 5
						}
					}
					start = e
				}
				if got != want || st.Dropped[Damaged] != known || st.DamagedBytes != size || st.DamagedRecords != 1 {
					t.Fatalf("byte %d: %q, %+v, want %q, %d lines in %d bytes damaged", at, got, st, want, known, size)
				}
			}
		})
	}
}

// Damage met by the run that wrote the segment is counted exactly too.
func TestDamageWhileOpen(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, small(&clock{}))
	defer mustClose(t, s)
	for i := range 4 {
		mustAppend(t, s, numbered(10*i, 10*i+10), 0)
	}
	paths, _ := segments(t, dir)
	f, err := os.OpenFile(paths[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(headerSize + len(numbered(0, 10)))
	for _, off := range []int64{size + 2, 2*size + 20 + 40} { // second record's header, third's payload
		if _, err := f.WriteAt([]byte{0}, off); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	if got, want := drain(t, s, 1<<20), numbered(0, 10)+numbered(30, 40); got != want {
		t.Fatalf("%q, want %q", got, want)
	}
	st := s.Stats()
	checkBooks(t, st)
	if st.Dropped[Damaged] != 20 || st.Held != 0 || st.DamagedRecords != 2 {
		t.Fatalf("%+v", st)
	}
}

// A segment that somebody has removed or emptied is lost and counted.
func TestSegmentTakenAway(t *testing.T) {
	for name, take := range map[string]func(string) error{
		"removed": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir, small(&clock{}))
			defer mustClose(t, s)
			mustAppend(t, s, numbered(0, 3000), 0) // several segments
			paths, _ := segments(t, dir)
			if len(paths) < 3 {
				t.Fatalf("%q", paths)
			}
			lost := s.segs[0].lines
			if err := take(paths[0]); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(numbered(int(lost), 3000), drain(t, s, 1<<20)); diff != "" {
				t.Fatal(diff)
			}
			st := s.Stats()
			checkBooks(t, st)
			if st.Dropped[Damaged] != lost {
				t.Fatalf("%+v, want %d damaged", st, lost)
			}
		})
	}
}

func TestPositionFile(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(t *testing.T, path string)
		want int // number of the first line
	}{
		{"kept", func(*testing.T, string) {}, 4},
		{"removed", func(t *testing.T, path string) { check(t, os.Remove(path)) }, 0},
		{"damaged", func(t *testing.T, path string) { flip(t, path, 16) }, 0},
		{"short", func(t *testing.T, path string) { check(t, os.Truncate(path, 43)) }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir, small(&clock{}))
			mustAppend(t, s, numbered(0, 10), 0)
			for range 4 {
				if b, _, err := s.Peek(1); err != nil || s.Ack(len(b.Lines)) != 1 {
					t.Fatal(err)
				}
			}
			for _, crash := range []bool{true, false} {
				from := dir
				if crash {
					from = copyDir(t, dir)
				} else {
					mustClose(t, s)
				}
				test.edit(t, filepath.Join(from, "position"))
				again := mustOpen(t, from, small(&clock{}))
				if st := again.Stats(); st.Held != int64(10-test.want) {
					t.Errorf("crash %v: %+v", crash, st)
				}
				if got, want := drain(t, again, 30), numbered(test.want, 10); got != want {
					t.Errorf("crash %v: %q, want %q", crash, got, want)
				}
				mustClose(t, again)
			}
		})
	}
}

// A position that verifies but belongs to other contents loses no count.
func TestPositionOfOtherContents(t *testing.T) {
	for _, pos := range []position{
		{cursor: cursor{off: 3}, passed: 2},
		{cursor: cursor{skip: 1 << 20, lines: 9}, passed: 1 << 40},
		{cursor: cursor{lines: 100}},
		{passed: 10},
		{cursor: cursor{off: 1 << 40}},
		{seq: 1 << 40},
	} {
		for _, sealed := range []bool{false, true} {
			r := threeRecords(t, sealed)
			seg, _ := parseName(r.dir, filepath.Base(r.path))
			pos := pos
			pos.seq, pos.salt = pos.seq+seg.seq, seg.salt
			check(t, os.WriteFile(filepath.Join(r.dir, "position"), appendPosition(nil, pos), 0o640))
			s := mustOpen(t, r.dir, small(&clock{}))
			got := drain(t, s, 1<<20)
			if want := strings.Join(r.lines, ""); !strings.HasSuffix(want, got) {
				t.Errorf("%+v: %q, want an end of %q", pos, got, want)
			}
			st := s.Stats()
			checkBooks(t, st)
			if st.Held != 0 {
				t.Errorf("%+v: %+v", pos, st)
			}
			mustClose(t, s)
		}
	}
}

// A segment below the position, whose removal a crash has prevented, is not sent again.
func TestReadSegmentLeftBehind(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, small(&clock{}))
	mustAppend(t, s, numbered(0, 3000), 0)
	before := copyDir(t, dir)
	for len(s.segs) > 2 {
		b, _, err := s.Peek(4000)
		check(t, err)
		s.Ack(len(b.Lines))
	}
	b, _, err := s.Peek(4000) // so that the position is in the next segment
	check(t, err)
	s.Ack(len(b.Lines))
	left := s.Stats().Held
	mustClose(t, s)
	check(t, os.CopyFS(filepath.Join(before, "x"), os.DirFS(dir)))
	check(t, os.Rename(filepath.Join(before, "x", "position"), filepath.Join(before, "position")))
	s = mustOpen(t, before, small(&clock{}))
	defer mustClose(t, s)
	if st := s.Stats(); st.Found != left {
		t.Fatalf("%+v, want %d", st, left)
	}
}

func TestOpenRefusesOtherVersion(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "0000000000000001-00000000.spool2"), nil, 0o640))
	_, err := Open(dir, Options{})
	if err == nil || !strings.Contains(err.Error(), "segments of format 2 (0000000000000001-00000000.spool2), this version of coalesce reads format 1") {
		t.Fatal(err)
	}
}

func TestOpenLeavesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"notes.txt", "0000000000000001.spool1", "0000000000000002-00000000.spool1"} {
		check(t, os.WriteFile(filepath.Join(dir, name), nil, 0o640))
	}
	mustClose(t, mustOpen(t, dir, Options{}))
	entries, err := os.ReadDir(dir)
	check(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff([]string{"0000000000000001.spool1", "notes.txt", "position"}, got); diff != "" {
		t.Fatal(diff) // the last segment is empty
	}
	file := filepath.Join(dir, "notes.txt")
	if _, err := Open(file, Options{}); err == nil || !strings.Contains(err.Error(), file) {
		t.Fatalf("a file for a directory: %v", err)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func flip(t testing.TB, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	b[at] ^= 1
	check(t, os.WriteFile(path, b, 0o640))
}
