package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is virtual time.
type clock struct{ now float64 }

func (c *clock) read() float64 { return c.now }

// small are the options of a spool that is full after 64 KiB. It forces nothing to
// the disk, which takes most of the time of tests with many spools.
func small(c *clock) Options {
	return Options{MaxBytes: 64 << 10, SegmentBytes: 16 << 10, Now: c.read, files: &unforced}
}

var unforced = layer{
	open: func(name string, flag int) (file, error) {
		f, err := disk.open(name, flag)
		return unforcedFile{f}, err
	},
	remove:  disk.remove,
	syncDir: func(string) error { return nil },
}

type unforcedFile struct{ file }

func (unforcedFile) Sync() error { return nil }

func mustOpen(t testing.TB, dir string, opt Options) *Spool {
	t.Helper()
	s, err := Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClose(t testing.TB, s *Spool) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// numbered returns the lines of numbers from to to-1.
func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "m.%d %d 60\n", i, i)
	}
	return b.String()
}

func mustAppend(t testing.TB, s *Spool, lines string, kind uint8) {
	t.Helper()
	n, err := s.Append([]byte(lines), kind)
	if want := strings.Count(lines, "\n"); err != nil || n != want {
		t.Fatalf("Append stored %d lines, %v, want %d", n, err, want)
	}
}

// drain takes all there is, max bytes at a time.
func drain(t testing.TB, s *Spool, max int) string {
	t.Helper()
	var all strings.Builder
	for {
		b, ok, err := s.Peek(max)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all.String()
		}
		if n := bytes.Count(b.Lines, newline); n != b.N || n == 0 {
			t.Fatalf("batch of %d lines says %d", n, b.N)
		}
		all.Write(b.Lines)
		if got := s.Ack(len(b.Lines)); got != b.N {
			t.Fatalf("Ack removed %d lines, want %d", got, b.N)
		}
	}
}

func checkBooks(t interface {
	Helper()
	Fatalf(string, ...any)
}, st Stats) {
	t.Helper()
	if st.Found+st.Appended != st.Acked+st.Held+st.DroppedTotal() || st.Held < 0 || st.InFlight > st.Held {
		t.Fatalf("found and appended are not acked, held and dropped: %+v", st)
	}
}

// segments returns the paths and sizes of the segment files in dir, oldest first.
func segments(t testing.TB, dir string) (paths []string, bytes int64) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.spool1"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	for _, p := range paths {
		info, err := os.Stat(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
	}
	return paths, bytes
}

func TestFirstInFirstOut(t *testing.T) {
	for _, max := range []int{1, 20, 1000, 70_000, 1 << 20} {
		for _, reopen := range []bool{false, true} {
			t.Run(fmt.Sprintf("max %d reopen %v", max, reopen), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "a", "b")
				opt := Options{MaxBytes: 4 << 20, SegmentBytes: 100_000}
				s := mustOpen(t, dir, opt)
				want := numbered(0, 20_000) // more than three records of 64 KiB
				mustAppend(t, s, want[:9], 0)
				mustAppend(t, s, want[9:], 0)
				if reopen {
					mustClose(t, s)
					s = mustOpen(t, dir, opt)
				}
				if st := s.Stats(); st.Held != 20_000 || st.Found+st.Appended != 20_000 {
					t.Fatalf("%+v", st)
				}
				if diff := cmp.Diff(want, drain(t, s, max)); diff != "" {
					t.Fatal(diff)
				}
				st := s.Stats()
				checkBooks(t, st)
				if st.Acked != 20_000 || st.Held != 0 || st.Oldest != 0 {
					t.Fatalf("%+v", st)
				}
				mustClose(t, s)
				if paths, _ := segments(t, dir); len(paths) != 0 {
					t.Fatalf("drained spool leaves %q", paths)
				}
			})
		}
	}
}

func TestPeek(t *testing.T) {
	c := &clock{now: 100}
	s := mustOpen(t, t.TempDir(), small(c))
	defer mustClose(t, s)
	if _, ok, err := s.Peek(100); ok || err != nil {
		t.Fatalf("empty spool: %v, %v", ok, err)
	}
	for i, kind := range []uint8{0, 0, 1, 2, MaxKind} {
		c.now = 100 + float64(i)
		mustAppend(t, s, numbered(10*i, 10*i+3), kind)
	}
	for _, step := range []struct {
		name string
		max  int
		kind uint8
		time float64
		from int // numbers of the lines
		to   int
		ack  int // -1 is all
		gone int // lines that Ack removes
	}{
		{"at least a line", 1, 0, 100, 0, 1, 0, 0},
		{"again, and more", 20, 0, 100, 0, 2, 9, 1},
		{"from the line that was cut", 1000, 0, 100, 1, 13, -1, 5},
		{"kinds apart", 1000, 1, 102, 20, 23, 0, 0},
		{"nothing taken", 1000, 1, 102, 20, 23, 999, 3},
		{"whole records only behind the first", 20, 2, 103, 30, 31, -1, 1},
		{"rest of a record", 20, 2, 103, 31, 32, -1, 1},
		{"last of a record", 2000, 2, 103, 32, 33, -1, 1},
		{"largest kind", 2000, MaxKind, 104, 40, 43, -1, 3},
	} {
		b, ok, err := s.Peek(step.max)
		if !ok || err != nil {
			t.Fatalf("%s: %v, %v", step.name, ok, err)
		}
		want := numbered(step.from, step.to)
		if step.from == 1 { // and the next record
			want = numbered(1, 3) + numbered(10, 13)
		}
		if string(b.Lines) != want || b.N != strings.Count(want, "\n") || b.Kind != step.kind || b.Time != step.time {
			t.Fatalf("%s: got %q, %+v, want %q", step.name, b.Lines, b, want)
		}
		if st := s.Stats(); st.InFlight != int64(b.N) {
			t.Fatalf("%s: in flight %d, want %d", step.name, st.InFlight, b.N)
		}
		ack := step.ack
		if ack < 0 {
			ack = len(b.Lines)
		}
		if got := s.Ack(ack); got != step.gone {
			t.Fatalf("%s: Ack removed %d, want %d", step.name, got, step.gone)
		}
		if got := s.Ack(ack); got != 0 {
			t.Fatalf("%s: second Ack removed %d", step.name, got)
		}
		checkBooks(t, s.Stats())
	}
	if st := s.Stats(); st.Acked != 15 || st.Held != 0 || st.InFlight != 0 {
		t.Fatalf("%+v", st)
	}
}

func TestAppendRefuses(t *testing.T) {
	s := mustOpen(t, t.TempDir(), small(&clock{}))
	long := strings.Repeat("x", 20_000) + "\n"
	longest := strings.Repeat("y", 16<<10-88-1) + "\n"
	for _, test := range []struct {
		name   string
		lines  string
		kind   uint8
		stored int
		err    string
	}{
		{"nothing", "", 0, 0, ""},
		{"longest line", longest, 0, 1, ""},
		{"kind of the seal", "a 1 1\n", 255, 0, "kind 255, expected at most 254"},
		{"no newline", "a 1 1\nb 1 1", 0, 0, `lines end in "a 1 1\nb 1 1", expected a newline`},
		{"long line", "a 1 1\n" + long + "b 1 1\n", 0, 1, "line of 20001 bytes"},
	} {
		n, err := s.Append([]byte(test.lines), test.kind)
		if n != test.stored || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: stored %d, %v, want %d, %q", test.name, n, err, test.stored, test.err)
		}
	}
	mustClose(t, s)
	mustClose(t, s)
	if _, err := s.Append([]byte("a 1 1\n"), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}
	if _, _, err := s.Peek(1); !errors.Is(err, ErrClosed) {
		t.Errorf("Peek after Close: %v", err)
	}
	if n := s.Ack(1); n != 0 {
		t.Errorf("Ack after Close: %d", n)
	}
	s.Expire()
	checkBooks(t, s.Stats())
}

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		name string
		opt  Options
		err  string
	}{
		{"zero", Options{}, ""},
		{"small", Options{MaxBytes: 64 << 10}, ""},
		{"too small", Options{MaxBytes: 64<<10 - 1}, "MaxBytes is 65535, expected at least 65536"},
		{"small segments", Options{SegmentBytes: 16<<10 - 1}, "SegmentBytes is 16383, expected 16384 to"},
		{"large segments", Options{MaxBytes: 1 << 20, SegmentBytes: 1<<18 + 1}, "quarter of MaxBytes, 262144"},
		{"negative age", Options{MaxAge: -1}, "MaxAge is -1ns, expected"},
	} {
		s, err := Open(t.TempDir(), test.opt)
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, want %q", test.name, err, test.err)
		}
		if err == nil {
			mustClose(t, s)
		}
	}
}

func TestBytesAreBounded(t *testing.T) {
	c := &clock{}
	dir := t.TempDir()
	s := mustOpen(t, dir, small(c))
	defer func() { mustClose(t, s) }()
	const rounds, lines = 100, 100
	for i := range rounds {
		mustAppend(t, s, numbered(lines*i, lines*(i+1)), 0)
		st := s.Stats()
		checkBooks(t, st)
		paths, bytes := segments(t, dir)
		if bytes != st.Bytes || len(paths) != st.Segments || bytes > 64<<10 {
			t.Fatalf("%d bytes in %d files, books say %d in %d, bound is %d", bytes, len(paths), st.Bytes, st.Segments, 64<<10)
		}
		if st.Dropped[Full] > 0 && bytes < 48<<10 {
			t.Fatalf("%d bytes left: dropped more than needed", bytes)
		}
	}
	dropped := int(s.Stats().Dropped[Full])
	if dropped == 0 {
		t.Fatal("nothing dropped")
	}
	if diff := cmp.Diff(numbered(dropped, rounds*lines), drain(t, s, 10_000)); diff != "" {
		t.Fatal(diff)
	}
}

// A smaller bound at the next start drops the oldest.
func TestSmallerBoundAtOpen(t *testing.T) {
	dir := t.TempDir()
	opt := small(&clock{})
	opt.MaxBytes *= 4
	s := mustOpen(t, dir, opt)
	mustAppend(t, s, numbered(0, 10_000), 0)
	mustClose(t, s)
	s = mustOpen(t, dir, small(&clock{}))
	defer mustClose(t, s)
	st := s.Stats()
	checkBooks(t, st)
	if st.Bytes > 64<<10 || st.Dropped[Full] == 0 || st.Found != 10_000 {
		t.Fatalf("%+v", st)
	}
	if diff := cmp.Diff(numbered(int(st.Dropped[Full]), 10_000), drain(t, s, 1<<20)); diff != "" {
		t.Fatal(diff)
	}
}

// What is in flight when its segment is dropped is counted once, by what Ack says.
func TestDropInFlight(t *testing.T) {
	for _, test := range []struct {
		name  string
		ack   int
		acked int64
	}{
		{"taken", 1 << 20, 100},
		{"not taken", 0, 0},
		{"cut in the third line", 20, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &clock{}
			s := mustOpen(t, t.TempDir(), small(c))
			defer mustClose(t, s)
			mustAppend(t, s, numbered(0, 100), 0)
			b, _, err := s.Peek(5000)
			if err != nil || b.N != 100 {
				t.Fatalf("%d, %v", b.N, err)
			}
			for i := 1; s.Stats().Dropped[Full] == 0; i++ {
				mustAppend(t, s, numbered(100*i, 100*i+100), 0)
			}
			st := s.Stats()
			checkBooks(t, st)
			if st.InFlight != 100 {
				t.Fatalf("%+v", st)
			}
			if string(b.Lines) != numbered(0, 100) {
				t.Fatal("batch in flight has changed")
			}
			before := st.Dropped[Full]
			if got := s.Ack(test.ack); int64(got) != test.acked {
				t.Fatalf("Ack removed %d, want %d", got, test.acked)
			}
			st = s.Stats()
			checkBooks(t, st)
			if st.InFlight != 0 || st.Acked != test.acked || st.Dropped[Full] != before+100-test.acked {
				t.Fatalf("%+v", st)
			}
			next, _, err := s.Peek(10)
			if want := int(st.Dropped[Full] + st.Acked); err != nil || string(next.Lines) != numbered(want, want+1) {
				t.Fatalf("next is %q, %v, want number %d", next.Lines, err, want)
			}
		})
	}
}

func TestAgeIsBounded(t *testing.T) {
	c := &clock{now: 1000}
	dir := t.TempDir()
	opt := small(c)
	opt.MaxAge = 100 * time.Second
	s := mustOpen(t, dir, opt)
	for i := range 10 { // at 1000, 1010, …; a segment spans at most 25 s
		mustAppend(t, s, numbered(10*i, 10*i+10), 0)
		c.now += 10
	}
	if st := s.Stats(); st.Segments != 4 || st.Oldest != 1000 {
		t.Fatalf("%+v, want a segment for each 30 s", st)
	}
	c.now = 1125
	b, _, err := s.Peek(10)
	if err != nil || string(b.Lines) != numbered(30, 31) || b.Time != 1030 {
		t.Fatalf("at 1125: %q of %v, %v, want number 30 of 1030", b.Lines, b.Time, err)
	}
	if st := s.Stats(); st.Dropped[Age] != 30 {
		t.Fatalf("%+v", st)
	}
	s.Ack(0)
	c.now = 1135 // the segment of 1030 to 1050 is old in part
	b, _, err = s.Peek(1000)
	if err != nil || string(b.Lines) != numbered(40, 60) || b.Time != 1040 {
		t.Fatalf("at 1135: %q of %v, %v", b.Lines, b.Time, err)
	}
	checkBooks(t, s.Stats())
	c.now = 1300
	s.Expire() // but for the batch in flight
	st := s.Stats()
	checkBooks(t, st)
	if st.Held != 20 || st.InFlight != 20 || st.Segments != 0 {
		t.Fatalf("%+v", st)
	}
	s.Ack(0)
	st = s.Stats()
	checkBooks(t, st)
	if st.Held != 0 || st.Dropped[Age] != 100 || st.Segments != 0 || st.Bytes != 0 {
		t.Fatalf("%+v", st)
	}
	mustAppend(t, s, numbered(100, 110), 0)
	mustClose(t, s)
	c.now = 2000
	s = mustOpen(t, dir, opt)
	defer mustClose(t, s)
	if st := s.Stats(); st.Held != 0 || st.Dropped[Age] != 10 || st.Found != 10 {
		t.Fatalf("old at Open: %+v", st)
	}
}

// A clock that is set back changes no order; the age of each line is by its own time.
func TestClockSetBack(t *testing.T) {
	c := &clock{now: 1000}
	opt := small(c)
	opt.MaxAge = 100 * time.Second
	s := mustOpen(t, t.TempDir(), opt)
	defer mustClose(t, s)
	for i, now := range []float64{1000, 500, 990} {
		c.now = now
		mustAppend(t, s, numbered(i, i+1), 0)
	}
	for _, step := range []struct {
		now  float64
		want string
	}{{550, numbered(0, 2)}, {1095, numbered(0, 1)}, {1101, ""}} {
		c.now = step.now
		b, _, err := s.Peek(1000)
		if err != nil || string(b.Lines) != step.want {
			t.Errorf("at %v: %q, %v, want %q", step.now, b.Lines, err, step.want)
		}
		s.Ack(0)
	}
	if st := s.Stats(); st.Dropped[Age] != 3 {
		t.Errorf("%+v", st)
	}
}

func TestReasons(t *testing.T) {
	if got, want := fmt.Sprint(Full, Age, Damaged), "full age damaged"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDirName(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", "%"},
		{"127.0.0.1:2003:a", "127.0.0.1:2003:a"},
		{"pickle://[::1]:2004:b_B-9", "pickle:%2F%2F%5B::1%5D:2004:b_B-9"},
		{"unix:///run/a b", "unix:%2F%2F%2Frun%2Fa%20b"},
		{"..", "%2E."},
		{".", "%2E"},
		{"%", "%25"},
		{"\x00é", "%00%C3%A9"},
	} {
		if got := DirName(test.in); got != test.want {
			t.Errorf("%q: %q, want %q", test.in, got, test.want)
		}
	}
	a, b := strings.Repeat("/", 1000)+"a", strings.Repeat("/", 1000)+"b"
	if x, y := DirName(a), DirName(b); x == y || len(x) != maxName || len(y) != maxName || strings.ContainsAny(x, "/") {
		t.Errorf("long names: %q, %q", x, y)
	}
}
