package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// faults is a disk that fails as told.
type faults struct {
	mu       sync.Mutex
	room     int64 // bytes that can still be appended; negative means any number
	open     error // of files that are made
	truncate error
	writeAt  error
	sync     error
	remove   error
	bad      func(off int64, n int) error // of reads
	syncs    int
	dirSyncs int
}

func (d *faults) layer() *layer {
	return &layer{
		open: func(name string, flag int) (file, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.open != nil && flag&os.O_EXCL != 0 {
				return nil, d.open
			}
			f, err := unforced.open(name, flag)
			if err != nil {
				return nil, err
			}
			return &faultyFile{f, d}, nil
		},
		remove: func(name string) error {
			if d.remove != nil {
				return d.remove
			}
			return disk.remove(name)
		},
		syncDir: func(name string) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.dirSyncs++
			return nil
		},
	}
}

type faultyFile struct {
	file
	d *faults
}

func (f *faultyFile) Write(b []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.room < 0 || int64(len(b)) <= f.d.room {
		f.d.room -= min(int64(len(b)), max(f.d.room, 0))
		return f.file.Write(b)
	}
	n, err := f.file.Write(b[:f.d.room])
	f.d.room = 0
	return n, errors.Join(err, syscall.ENOSPC)
}

func (f *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	if f.d.writeAt != nil {
		return 0, f.d.writeAt
	}
	return f.file.WriteAt(b, off)
}

func (f *faultyFile) ReadAt(b []byte, off int64) (int, error) {
	if f.d.bad != nil {
		if err := f.d.bad(off, len(b)); err != nil {
			return 0, err
		}
	}
	return f.file.ReadAt(b, off)
}

func (f *faultyFile) Truncate(size int64) error {
	if f.d.truncate != nil {
		return f.d.truncate
	}
	return f.file.Truncate(size)
}

func (f *faultyFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.syncs++
	return errors.Join(f.d.sync, f.file.Sync())
}

// A record that the disk does not take leaves no trace, wherever it was cut, and the
// spool goes on when there is room.
func TestDiskFull(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		name := "record removed"
		if stuck {
			name = "record not removed"
		}
		t.Run(name, func(t *testing.T) {
			for room := range int64(100) {
				d := &faults{room: -1}
				opt := small(&clock{})
				opt.files = d.layer()
				dir := t.TempDir()
				s := mustOpen(t, dir, opt)
				mustAppend(t, s, numbered(0, 10), 0)
				d.room = room
				if stuck {
					d.truncate = syscall.EIO
				}
				if n, err := s.Append([]byte(numbered(100, 110)), 0); n != 0 || !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("room %d: %d, %v", room, n, err)
				}
				if n, err := s.Append([]byte(numbered(100, 110)), 0); n != 0 || err == nil {
					t.Fatalf("room %d, again: %d, %v", room, n, err)
				}
				crash := copyDir(t, dir)
				d.room, d.truncate = -1, nil
				mustAppend(t, s, numbered(10, 20), 0)
				st := s.Stats()
				checkBooks(t, st)
				if _, bytes := segments(t, dir); st.AppendErrors != 2 || bytes != st.Bytes {
					t.Fatalf("room %d: %d bytes, %+v", room, bytes, st)
				}
				if got, want := drain(t, s, 1000), numbered(0, 20); got != want {
					t.Fatalf("room %d: %q, want %q", room, got, want)
				}
				if st := s.Stats(); st.Held != 0 || st.DamagedBytes != 0 {
					t.Fatalf("room %d: %+v", room, st)
				}
				mustClose(t, s)

				s = mustOpen(t, crash, small(&clock{}))
				if got, want := drain(t, s, 1000), numbered(0, 10); got != want {
					t.Fatalf("room %d, after a crash: %q, want %q", room, got, want)
				}
				checkBooks(t, s.Stats())
				mustClose(t, s)
			}
		})
	}
}

// Of lines that make several records, those before the failure are stored.
func TestDiskFullBetweenRecords(t *testing.T) {
	d := &faults{room: 40_000}
	opt := small(&clock{})
	opt.files = d.layer()
	s := mustOpen(t, t.TempDir(), opt)
	defer mustClose(t, s)
	n, err := s.Append([]byte(numbered(0, 5000)), 0)
	if !errors.Is(err, syscall.ENOSPC) || n == 0 || n >= 5000 {
		t.Fatalf("%d, %v", n, err)
	}
	d.room = -1
	if got, want := drain(t, s, 1000), numbered(0, n); got != want {
		t.Fatal(cmp.Diff(want, got))
	}
	d.open = syscall.ENOSPC
	n, err = s.Append([]byte(numbered(0, 5000)), 0)
	if !errors.Is(err, syscall.ENOSPC) || n >= 5000 {
		t.Fatalf("no new file: %d, %v", n, err)
	}
	d.open = nil
	mustAppend(t, s, numbered(n, 2000), 0)
	checkBooks(t, s.Stats())
	if got, want := drain(t, s, 1000), numbered(0, 2000); got != want {
		t.Fatal(cmp.Diff(want, got))
	}
}

// A segment without room for its seal is read all the same, now and after a restart.
func TestNoRoomForSeal(t *testing.T) {
	d := &faults{room: -1}
	opt := small(&clock{})
	opt.files = d.layer()
	dir := t.TempDir()
	s := mustOpen(t, dir, opt)
	mustAppend(t, s, numbered(0, 10), 0)
	d.room = 20
	mustClose(t, s)
	if st := s.Stats(); st.OtherErrors != 1 {
		t.Fatalf("%+v", st)
	}
	s = mustOpen(t, dir, opt) // no room here either
	defer mustClose(t, s)
	if st := s.Stats(); st.Found != 10 || st.OtherErrors != 1 {
		t.Fatalf("%+v", st)
	}
	if got, want := drain(t, s, 1000), numbered(0, 10); got != want {
		t.Fatalf("%q, want %q", got, want)
	}
	if st := s.Stats(); st.DamagedBytes != 0 {
		t.Fatalf("%+v", st)
	}
}

// Segments are forced to the disk when they are complete, and no others.
func TestSyncs(t *testing.T) {
	d := &faults{room: -1}
	opt := small(&clock{})
	opt.files = d.layer()
	s := mustOpen(t, t.TempDir(), opt)
	for i := 0; s.Stats().Segments < 3; i++ {
		if want := max(s.Stats().Segments-1, 0); d.syncs != want || d.dirSyncs != want {
			t.Fatalf("%d files and %d times the directory synced, want %d", d.syncs, d.dirSyncs, want)
		}
		mustAppend(t, s, numbered(0, 100), 0)
	}
	d.sync = syscall.EIO
	if err := s.Close(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Close: %v", err)
	}
	if d.syncs != 4 || d.dirSyncs != 3 { // a segment, and the position
		t.Fatalf("%d files and %d times the directory synced", d.syncs, d.dirSyncs)
	}
	if st := s.Stats(); st.OtherErrors != 1 {
		t.Fatalf("%+v", st)
	}
}

// What fails without a caller to tell is counted and logged, once in a while.
func TestHousekeepingFails(t *testing.T) {
	d := &faults{room: -1}
	c := &clock{now: 1000}
	var log bytes.Buffer
	opt := small(c)
	opt.files = d.layer()
	opt.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := mustOpen(t, t.TempDir(), opt)
	mustAppend(t, s, numbered(0, 3000), 0)
	d.writeAt, d.remove, d.sync = syscall.EIO, syscall.EROFS, syscall.EIO
	for range 3 {
		b, _, err := s.Peek(10)
		check(t, err)
		s.Ack(len(b.Lines))
	}
	c.now += 11
	b, _, err := s.Peek(10)
	check(t, err)
	s.Ack(len(b.Lines))
	mustAppend(t, s, numbered(3000, 8000), 0)
	st := s.Stats()
	checkBooks(t, st)
	if st.OtherErrors < 4+2 || st.Dropped[Full] == 0 || st.Bytes > 64<<10 {
		t.Fatalf("%+v", st)
	}
	for text, want := range map[string]int{
		"position not saved": 2, "times=3": 1, "spool full, oldest rows dropped": 1, "level=WARN": 3,
	} {
		if got := strings.Count(log.String(), text); got != want {
			t.Errorf("%q logged %d times, want %d:\n%s", text, got, want, log.String())
		}
	}
	d.writeAt, d.remove, d.sync = nil, nil, nil
	mustClose(t, s)
}

// A place that the disk refuses to read costs the records on its page, but only when
// it has refused often enough.
func TestUnreadablePage(t *testing.T) {
	const page = 8192
	d := &faults{room: -1, bad: func(off int64, n int) error {
		if off < page+4096 && off+int64(n) > page {
			return syscall.EIO
		}
		return nil
	}}
	opt := small(&clock{})
	opt.files = d.layer()
	dir := t.TempDir()
	s := mustOpen(t, dir, opt)
	var want string
	for i, off := 0, 0; i < 150; i++ {
		lines := numbered(1000+10*i, 1010+10*i)
		mustAppend(t, s, lines, 0)
		if end := off + headerSize + len(lines); end <= page || off >= page+4096 {
			want += lines
		}
		off += headerSize + len(lines)
		if off > 16<<10-500 {
			break // in the first segment
		}
	}
	crash := copyDir(t, dir)
	for _, known := range []bool{true, false} { // how many lines it cost
		for range readTries - 1 {
			if _, _, err := s.Peek(1000); !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
		}
		if got := drain(t, s, 1000); got != want {
			t.Fatal(cmp.Diff(want, got))
		}
		st := s.Stats()
		checkBooks(t, st)
		if (st.Dropped[Damaged] > 0) != known || st.DamagedBytes < 4096 || st.DamagedBytes > 4096+1000 {
			t.Fatalf("%+v", st)
		}
		mustClose(t, s)
		s = mustOpen(t, crash, opt) // read through
	}
	mustClose(t, s)
}

// Any other failure to read is the caller's, and the next call starts anew.
func TestReadFails(t *testing.T) {
	d := &faults{room: -1}
	opt := small(&clock{})
	opt.files = d.layer()
	s := mustOpen(t, t.TempDir(), opt)
	defer mustClose(t, s)
	mustAppend(t, s, numbered(0, 10), 0)
	d.bad = func(int64, int) error { return syscall.ENOMEM }
	for range 2 * readTries {
		if _, ok, err := s.Peek(1000); ok || !errors.Is(err, syscall.ENOMEM) {
			t.Fatalf("%v, %v", ok, err)
		}
	}
	d.bad = nil
	if st := s.Stats(); st.ReadErrors != 2*readTries || st.Held != 10 {
		t.Fatalf("%+v", st)
	}
	if got, want := drain(t, s, 1000), numbered(0, 10); got != want {
		t.Fatalf("%q, want %q", got, want)
	}
}

// The segment that Peek is reading may be dropped meanwhile, before it is opened or
// after: Peek returns what is oldest then.
func TestDropWhilePeeking(t *testing.T) {
	for _, test := range []struct {
		name   string
		before bool
	}{{"before it is opened", true}, {"after it was opened", false}} {
		t.Run(test.name, func(t *testing.T) {
			var s *Spool
			hook := func() {}
			files := unforced
			files.open = func(name string, flag int) (file, error) {
				reading := flag == os.O_RDONLY
				if reading && test.before {
					hook()
				}
				f, err := unforced.open(name, flag)
				if reading && !test.before {
					hook()
				}
				return f, err
			}
			opt := small(&clock{})
			opt.files = &files
			s = mustOpen(t, t.TempDir(), opt)
			defer mustClose(t, s)
			mustAppend(t, s, numbered(0, 100), 0)
			next := 100
			hook = func() {
				hook = func() {}
				for s.Stats().Dropped[Full] == 0 {
					mustAppend(t, s, numbered(next, next+100), 0)
					next += 100
				}
			}
			b, _, err := s.Peek(10)
			if want := int(s.Stats().Dropped[Full]); err != nil || want == 0 || string(b.Lines) != numbered(want, want+1) {
				t.Fatalf("%q, %v, with %d dropped", b.Lines, err, want)
			}
			s.Ack(0)
			st := s.Stats()
			checkBooks(t, st)
			if st.Dropped[Damaged] != 0 || st.ReadErrors != 0 {
				t.Fatalf("%+v", st)
			}
		})
	}
}
