package archive

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
)

// segments returns the files of the journal, oldest first.
func segments(t testing.TB, dir string) (paths []string, size int64) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.journal1"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return paths, size
}

// What is committed is pending again, however often the process dies, until the store
// has it; then the segments go.
func TestJournalKeeps(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), func(cfg *Config) { cfg.Sync = true })
	w.store.set(func(f *fake) { f.down = true })
	for k := range int64(50) {
		w.keep("m", 10, epoch+10*k, float64(k))
		w.keep("m", 10, epoch+10*(k/2), float64(k), 1)
		if k%7 == 0 {
			w.crash()
		}
		if k%5 == 0 {
			w.cycle()
		}
	}
	w.crash()
	if st := w.a.Stats(); st.Found != 50 || st.Pending != 50 || st.TornBytes != 0 {
		t.Fatalf("%+v", st)
	}
	w.store.set(func(f *fake) { f.down = false })
	w.now += 600
	w.cycle()
	w.check()
	if err := w.a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if paths, _ := segments(t, w.cfg.Dir); len(paths) != 0 {
		t.Fatalf("%q", paths)
	}
	w.open()
	if st := w.a.Stats(); st.Found != 0 {
		t.Fatalf("%+v", st)
	}
	w.check()
}

// Segments end by size, and leave with the last cell that needs them, oldest first.
func TestJournalSegments(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), func(cfg *Config) { cfg.MaxJournal = 8 * minSegment })
	w.store.set(func(f *fake) { f.down = true })
	for k := range int64(600) {
		w.keep(fmt.Sprint("m", k), 10, epoch, float64(k))
	}
	paths, size := segments(t, w.cfg.Dir)
	st := w.a.Stats()
	if len(paths) < 3 || len(paths) != st.JournalSegments || size != st.JournalBytes {
		t.Fatalf("%d segments of %d bytes: %+v", len(paths), size, st)
	}
	for _, p := range paths[:len(paths)-1] {
		if info, err := os.Stat(p); err != nil || info.Size() < minSegment || info.Size() > minSegment+1024 {
			t.Errorf("%s: %v, %v", p, info.Size(), err)
		}
	}
	w.store.set(func(f *fake) {
		f.down = false
		f.refuse = refuseName("m300") // in the second segment
	})
	for range 4 {
		w.cycle()
	}
	left, _ := segments(t, w.cfg.Dir)
	if len(left) == 0 || len(left) >= len(paths) || left[0] != paths[1] {
		t.Fatalf("%q of %q", left, paths)
	}
	w.store.set(func(f *fake) { f.refuse = nil })
	w.now += hour
	w.cycle()
	if left, _ = segments(t, w.cfg.Dir); len(left) > 1 {
		t.Fatalf("%q", left)
	}
	w.crash()
	w.cycle()
	w.check()
}

func refuseName(names ...string) func(w store.Write) error {
	return func(w store.Write) error {
		for _, s := range w.Series {
			if slices.Contains(names, s.Series.Name) {
				return errors.New("a name that nobody likes")
			}
		}
		return nil
	}
}

// Beyond MaxJournal the oldest cells go, are counted, and known to be lost.
func TestJournalFull(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), func(cfg *Config) { cfg.MaxJournal = 8 * minSegment })
	w.now++
	w.store.set(func(f *fake) { f.down = true })
	for k := int64(1); k <= 3000; k++ {
		w.keep("m", 10, epoch+10*k, float64(k))
		if _, size := segments(t, w.cfg.Dir); size > 8*minSegment+1024 {
			t.Fatalf("%d bytes", size)
		}
	}
	w.now += 30_000
	st := w.a.Stats()
	dropped := st.Dropped[JournalFull]
	if dropped == 0 || st.Pending != 3000-dropped || st.DroppedTotal() != dropped {
		t.Fatalf("%+v", st)
	}
	for range 2 {
		for k := int64(1); k <= 3000; k++ {
			want := Whole
			if k <= dropped {
				want = Refused
			}
			if c := w.a.Covers(10, epoch+10*k); c != want {
				t.Fatalf("%d is %v, want %v", k, c, want)
			}
		}
		w.crash()
	}
	w.checkBooks()
	w.store.set(func(f *fake) { f.down = false })
	w.cycle()
	if got := w.read("m", 10, epoch, epoch+50_000); int64(len(got)) != 3000-dropped {
		t.Fatalf("%d cells, want %d", len(got), 3000-dropped)
	}
}

// A damaged record costs itself, is counted, and its time is known to be lost.
func TestJournalDamaged(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), nil)
	w.now++
	for k := int64(1); k <= 10; k++ {
		w.keep("m", 10, epoch+10*k, float64(k))
	}
	w.now += 200
	w.a.closeJournal()
	paths, _ := segments(t, w.cfg.Dir)
	b, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(paths[0], append(b, "torn"...), 0o640); err != nil {
		t.Fatal(err)
	}
	w.open()
	st := w.a.Stats()
	if st.Found != 10 || st.Pending != 9 || st.Dropped[JournalDamaged] != 1 || st.TornBytes != 4 {
		t.Fatalf("%+v", st)
	}
	w.checkBooks()
	if c := w.a.Covers(10, epoch+50); c != Refused {
		t.Errorf("the time of the damage is %v", c)
	}
	if c := w.a.Covers(10, epoch+150); c != Whole {
		t.Errorf("the time after it is %v", c)
	}
	w.cycle()
	w.crash()
	if c := w.a.Covers(10, epoch+50); c != Refused {
		t.Errorf("after another start it is %v", c)
	}
}

// A state that is lost or damaged means that nothing is known of what was emitted.
func TestStateDamaged(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"removed": os.Remove,
		"cut":     func(path string) error { return os.Truncate(path, 50) },
		"damaged": func(path string) error {
			b, err := os.ReadFile(path)
			if err == nil {
				b[42] ^= 1
				err = os.WriteFile(path, b, 0o640)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, memory.New(memory.Options{}), nil)
			w.now++
			w.keep("m", 10, epoch+10, 1)
			w.now += 100
			w.crash()
			if c := w.a.Covers(10, epoch+10); c != Whole {
				t.Fatalf("%v", c)
			}
			w.a.closeJournal()
			if err := spoil(filepath.Join(w.cfg.Dir, stateName)); err != nil {
				t.Fatal(err)
			}
			w.open()
			if c := w.a.Covers(10, epoch+10); c != Refused {
				t.Errorf("%v", c)
			}
			if c := w.a.Covers(10, epoch+110); c != Whole {
				t.Errorf("%v", c)
			}
			w.cycle()
			w.check() // the cells are there all the same
		})
	}
}

func TestJournalOfAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	name := "0000000000000001-00000000.journal9"
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o640); err != nil {
		t.Fatal(err)
	}
	cfg := newWorld(t, memory.New(memory.Options{}), nil).cfg
	cfg.Dir = dir
	if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), name) {
		t.Fatalf("%v", err)
	}
	cfg.Dir = filepath.Join(dir, name, "x")
	if _, err := Open(cfg); err == nil {
		t.Fatal("a directory within a file was opened")
	}
}
