package archive

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
)

// drop drops series from the archive and from the model.
func (w *world) drop(names ...string) {
	w.t.Helper()
	if err := w.a.Drop(w.t.Context(), names); err != nil {
		w.t.Fatal(err)
	}
	for _, name := range names {
		delete(w.model, name)
	}
	w.checkBooks()
}

// checkGone sees that nothing of the series that the model has not is to be read.
func (w *world) checkGone(names ...string) {
	w.t.Helper()
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return w.model[name] != nil })
	for _, step := range []int64{5, 7, 10, 15, 20, 30, 60, 300, 900, 3600} {
		got, err := w.a.Cells(w.t.Context(), names, step, math.MinInt64, math.MaxInt64)
		if err != nil {
			w.t.Fatal(err)
		}
		for i, cells := range got {
			if len(cells) > 0 {
				w.t.Fatalf("%s has %d cells of %d s, the first is %+v", names[i], len(cells), step, cells[0])
			}
		}
	}
	err := w.a.Load(w.t.Context(), func(s store.Series) error {
		if slices.Contains(names, s.Name) {
			return fmt.Errorf("%s is loaded", s.Name)
		}
		return nil
	})
	if err == nil {
		err = w.a.Newest(w.t.Context(), func(store.Series) int64 { return math.MinInt64 }, func(s store.Series, b Bucket) error {
			if slices.Contains(names, s.Name) {
				return fmt.Errorf("%s has the bucket %+v", s.Name, b)
			}
			return nil
		})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// What is dropped is gone, wherever it was, and stays so over a crash; what is kept
// afterwards begins anew.
func testDropped(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	names := []string{"m", "p", "long", "late", "new", "never"}
	w.fill("m", epoch, epoch+hour)
	w.fill("p", epoch, epoch+hour)
	w.fill("other", epoch, epoch+hour)
	w.keep("long", 900, epoch, 1)
	w.leap(day)
	w.late("late", 10, epoch+60, 1) // in a cell that is rolled
	w.cycle()
	begin := floor(int64(w.now), 900)
	for _, name := range []string{"m", "p", "other"} {
		w.fill(name, begin, begin+1200) // of which the end is not rolled
	}
	for _, name := range []string{"m", "new", "other"} {
		w.keep(name, 10, begin+1200, 1, 2)
		w.keep(name, 10, begin+300, 3)    // amends what is rolled
		w.late(name, 10, epoch+600, 4, 5) // not merged yet
	}
	if st := w.a.Stats(); st.Pending == 0 {
		t.Fatalf("%+v", st)
	}
	w.drop(names...)
	if n := w.a.Stats().Dropped[Deleted]; n == 0 {
		t.Fatal("what was pending is not counted")
	}
	for range 2 {
		w.checkGone(names...)
		w.crash()
		w.checkGone(names...)
		w.cycle() // merges what is late of others
		w.check()
		w.checkStored()
	}
	got, err := w.a.Recall(t.Context(), []Key{{"m", 10, begin + 300}, {"new", 10, begin + 1200}})
	if err != nil || got[0].Cell.Count+got[1].Cell.Count != 0 || got[0].Lost || got[1].Lost {
		t.Fatalf("recalled %+v, %v", got, err)
	}
	if more, err := s.Sweep(t.Context()); more || err != nil {
		t.Errorf("cycles have left something to sweep: %v, %v", more, err)
	}

	w.keep("m", 10, begin+300, 7)
	w.keep("p", 60, begin+300, 8) // with another period
	w.late("late", 10, epoch+70, 9)
	w.drop("other", "other")
	w.crash()
	w.checkGone(append(names, "other")...)
	w.cycle()
	w.check()
	w.checkStored()
	w.fill("m", begin+1300, begin+2000)
	w.pass(1800)
	w.check()
	w.checkStored()
	w.keep("p", 60, begin+300, 8)
	w.late("late", 10, epoch+70, 9)
	w.drop("m", "p", "late")
	w.restart()
	if paths, _ := segments(t, w.cfg.Dir); len(paths) > 0 {
		t.Errorf("segments are left: %q", paths)
	}
	w.checkGone(append(names, "other")...)
}

// Without the store nothing is dropped.
func TestDropWithoutStore(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), nil)
	w.fill("m", epoch, epoch+1200)
	w.keep("m", 10, epoch+1200, 1)
	w.store.set(func(f *fake) { f.down = true })
	if err := w.a.Drop(t.Context(), []string{"m"}); !errors.Is(err, errDown) {
		t.Fatalf("%v", err)
	}
	w.store.set(func(f *fake) { f.down = false })
	w.check()
	w.crash()
	w.check()
	w.drop("m")
	w.checkGone("m")
}

// A write cycle under way is waited for, as long as the context allows.
func TestDropWaits(t *testing.T) {
	clocked(t, nil, func(t *testing.T, w *world, l *logs) {
		w.keep("m", 10, epoch+10, 1)
		hang := make(chan struct{})
		w.store.set(func(f *fake) { f.hang = hang })
		time.Sleep(15 * time.Second) // Write hangs
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.a.Drop(ctx, []string{"m"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%v", err)
		}
		done := make(chan error)
		go func() { done <- w.a.Drop(t.Context(), []string{"m"}) }()
		time.Sleep(time.Second)
		w.store.set(func(f *fake) { f.hang = nil })
		close(hang)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		delete(w.model, "m")
		w.checkGone("m")
		w.keep("m", 10, epoch+20, 2)
		time.Sleep(time.Minute)
		w.check()
	})
}

// A journal that cannot be written is no place to say that something was dropped.
func TestDropWithoutDisk(t *testing.T) {
	faultyWorld(t, func(t *testing.T, w *world, d *faulty, l *logs) {
		w.keep("m", 10, epoch+10, 1)
		d.set(func(f *faulty) { f.write = syscall.ENOSPC })
		if err := w.a.Drop(t.Context(), []string{"m"}); err == nil {
			t.Fatal("no error")
		}
		delete(w.model, "m")
		w.checkGone("m")
		w.cycle()
		d.set(func(f *faulty) { f.write = nil })
		time.Sleep(2 * time.Minute)
		w.drop("m")
		w.crash()
		w.checkGone("m")
		w.cycle()
		w.checkGone("m")
	})
}

// The journal brings back what was kept after a series was dropped last, and nothing
// else, whichever of its segments are still needed.
func TestDropInJournal(t *testing.T) {
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	w := newWorld(t, memory.New(memory.Options{}), func(cfg *Config) { cfg.Windows[0].Retention = day }) // nothing expires
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprint("m", i))
	}
	name := func() string { return names[r.IntN(len(names))] }
	w.now = epoch + hour
	for range 4000 {
		w.a.journal.limit = 2000
		switch x := r.IntN(100); {
		case x < 80:
			w.keep(name(), 10, epoch+10*r.Int64N(300), values(r.IntN(100), 1+r.IntN(3))...)
		case x < 86:
			w.drop(name(), name())
		case x < 91:
			refused := name()
			w.store.set(func(f *fake) { f.refuse = refuseName(refused) })
		case x < 97:
			w.now += 60
			for range splitAfter + 1 {
				w.cycle()
			}
		default:
			w.crash()
			w.check()
			w.checkGone(names...)
		}
	}
	w.crash()
	w.store.set(func(f *fake) { f.refuse = nil })
	w.now += 2 * maxParked
	w.cycle()
	w.cycle()
	w.check()
	w.checkGone(names...)
	w.checkStored()
	if paths, _ := segments(t, w.cfg.Dir); len(paths) > 2 {
		t.Errorf("%d segments are left", len(paths))
	}
}
