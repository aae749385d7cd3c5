package archive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
)

// clocked runs f in a bubble of time, with an archive that is under its clock and runs.
func clocked(t *testing.T, change func(*Config), f func(t *testing.T, w *world, l *logs)) {
	synctest.Test(t, func(t *testing.T) {
		l := new(logs)
		begun := time.Now()
		w := newWorld(t, memory.New(memory.Options{}), func(cfg *Config) {
			cfg.Logger = l.logger()
			if change != nil {
				change(cfg)
			}
		})
		w.cfg.Now = func() float64 { return epoch + 1 + time.Since(begun).Seconds() }
		w.a.closeJournal()
		w.open()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.a.Run(ctx); close(done) }()
		f(t, w, l)
		stop()
		<-done
		w.a.closeJournal()
	})
}

// A store that is gone is tried again after growing times, said once, and given all
// when it is back.
func TestOutage(t *testing.T) {
	clocked(t, nil, func(t *testing.T, w *world, l *logs) {
		var tries []time.Duration
		begun := time.Now()
		w.store.set(func(f *fake) {
			f.refuse = func(store.Write) error {
				tries = append(tries, time.Since(begun).Round(time.Second))
				return errDown
			}
		})
		for k := int64(1); k <= 60; k++ {
			time.Sleep(5 * time.Second)
			w.keep("m", 10, epoch+10*k, float64(k))
			time.Sleep(5 * time.Second)
		}
		tries = slices.Compact(tries)
		want := []time.Duration{10, 11, 13, 17, 25, 41, 73, 133, 193, 253, 313, 373, 433, 493, 553}
		for i := range want {
			want[i] *= time.Second
		}
		if !slices.Equal(tries, want) {
			t.Errorf("tried at %v, want %v", tries, want)
		}
		st := w.a.Stats()
		if st.StoreOK || st.Pending != 60 || st.StoreErrors != int64(len(want)) || l.count("the store fails") != 1 {
			t.Errorf("%+v\n%s", st, l.buf.String())
		}
		w.store.set(func(f *fake) { f.refuse = nil })
		time.Sleep(2 * time.Minute)
		st = w.a.Stats()
		if !st.StoreOK || st.Pending != 0 || l.count("takes cells again") != 1 || l.count("level=ERROR") != 1 {
			t.Errorf("%+v\n%s", st, l.buf.String())
		}
		w.now = w.cfg.Now()
		w.check()
		w.checkStored()
	})
}

// windows.md 7.6: a store that hangs holds up neither Keep nor Commit nor what reads
// memory; when its time is over the batch is tried again.
func TestStoreHangs(t *testing.T) {
	clocked(t, nil, func(t *testing.T, w *world, l *logs) {
		w.keep("m", 10, epoch+10, 1)
		w.store.set(func(f *fake) { f.hang = make(chan struct{}) })
		time.Sleep(15 * time.Second) // Write hangs
		begun := time.Now()
		for k := int64(2); k < 2000; k++ {
			w.keep("m", 10, epoch+10*k, float64(k))
		}
		got, err := w.a.Cells(t.Context(), []string{"m"}, 10, epoch, epoch+day)
		if err != nil || len(got[0]) != 1999 {
			t.Errorf("%d cells, %v", len(got[0]), err)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
		time.Sleep(2 * time.Minute)
		if l.count("the store fails") != 1 {
			t.Errorf("%s", l.buf.String())
		}
		w.store.set(func(f *fake) { f.hang = nil })
		time.Sleep(2 * time.Minute)
		if st := w.a.Stats(); st.Pending != 0 || !st.StoreOK {
			t.Errorf("%+v", st)
		}
	})
}

// A clock before the time that the archive began is said to be one, and what to do if it
// was the other one that was wrong.
func TestClockBeforeTheArchive(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), nil)
	w.cycle()
	begun := w.now
	steps := []struct {
		now          float64
		wrong, right int // log lines so far
	}{{begun - hour/2, 0, 0}, {begun - 2*hour, 1, 0}, {begun - hour - 10, 1, 0}, {begun, 1, 1}, {begun - day, 2, 1}}
	for _, s := range steps {
		w.now = s.now
		w.cycle()
		wrong, right := w.logs.count("clock is before the time"), w.logs.count("clock is past the time")
		if wrong != s.wrong || right != s.right {
			t.Errorf("%v s after the beginning: logged %d and %d times, want %d and %d", s.now-begun, wrong, right, s.wrong, s.right)
		}
	}
	// It was right, and is told so.
	w.a.closeJournal()
	if err := os.Remove(filepath.Join(w.cfg.Dir, stateName)); err != nil {
		t.Fatal(err)
	}
	w.open()
	w.fill("m", epoch-day, epoch-day+hour)
	w.pass(60)
	w.check()
	w.checkStored()
	if v := w.a.view.Load(); v.marks[0] < epoch-day+hour {
		t.Errorf("rolled up to %v s before", epoch-v.marks[0])
	}
}

// Reading goes on from memory, and says so.
func TestReadWithoutStore(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), nil)
	w.store.set(func(f *fake) { f.down = true })
	w.keep("m", 10, epoch, 1)
	w.keep("m", 10, epoch+10, 2)
	w.keep("m", 10, epoch+60, 3)
	w.now += 100
	for _, restarted := range []bool{false, true} {
		for step, want := range map[int64]string{10: "map[0:1 10:2 60:3]", 60: "map[0:3 60:3]", 900: "map[0:6]"} {
			got, err := w.a.Cells(t.Context(), []string{"m", "none"}, step, 0, epoch+day)
			var part *PartialError
			if !errors.As(err, &part) || !errors.Is(err, errDown) || len(got) != 2 || got[1] != nil {
				t.Fatalf("%v, %v", got, err)
			}
			sums := make(map[int64]float64)
			for b, x := range fold(t, got[0], step) {
				sums[b-epoch] = x.Cell.Total()
			}
			if fmt.Sprint(sums) != want {
				t.Errorf("step %d, restarted %v: %v, want %v", step, restarted, sums, want)
			}
		}
		n := 0
		if err := w.a.Load(t.Context(), func(store.Series) error { n++; return nil }); err == nil || n != 1 {
			t.Errorf("%d series, %v", n, err)
		}
		n = 0
		every := func(store.Series) int64 { return 0 }
		if err := w.a.Newest(t.Context(), every, func(store.Series, Bucket) error { n++; return nil }); err == nil || n != 3 {
			t.Errorf("%d buckets, %v", n, err)
		}
		w.crash()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.a.Cells(ctx, []string{"m"}, 10, 0, epoch+day); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// windows.md 7.9: stopping writes what is pending, or leaves it to the next run.
func TestClose(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), nil)
	w.keep("m", 10, epoch, 1)
	if err := w.restart(); err != nil {
		t.Fatal(err)
	}
	if n := len(scan(t, w.store, 10)); n != 1 {
		t.Fatalf("%d cells", n)
	}
	w.keep("m", 10, epoch+10, 1)
	w.store.set(func(f *fake) { f.down = true })
	if err := w.restart(); err == nil {
		t.Fatal("no error though the store is down")
	}
	w.store.set(func(f *fake) { f.down, f.hang = false, make(chan struct{}) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := w.a.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	if err := w.a.Close(ctx); err == nil {
		t.Fatal("no error of a second Close")
	}
	w.store.set(func(f *fake) { f.hang = nil })
	w.open()
	w.cycle()
	w.check()

	w.cfg.Dir = ""
	w.open()
	w.keep("m", 10, epoch+20, 1)
	w.store.set(func(f *fake) { f.down = true })
	if err := w.a.Close(t.Context()); err == nil {
		t.Fatal("no error though a cell is lost")
	}
	if st := w.a.Stats(); st.Dropped[Unsaved] != 1 || st.Pending != 0 {
		t.Fatalf("%+v", st)
	}
	w.checkBooks()
}

// Memory bounds of roll-ups: what is too much at once is done by parts.
func TestRollByParts(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), nil)
	w.a.rollBytes = 20_000
	for k := range int64(180) {
		for i := range 100 {
			w.keep(fmt.Sprint("m", i), 10, epoch+10*k, float64(i), float64(k))
		}
	}
	w.now += 2000
	w.cycle()
	w.check()
	w.checkStored()
	if v := w.a.view.Load(); v.marks[1] < epoch+1800 || w.store.larges > 2*batchCells {
		t.Fatalf("%+v, %d cells at once", v, w.store.larges)
	}
}

// A large backlog is written by batches.
func TestBatches(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), nil)
	for k := range int64(30) {
		for i := range 1000 {
			c, v := cellOf(epoch+10*k, []float64{1})
			w.keepCell(fmt.Sprint("m", i), 10, epoch+10*k, c, v)
		}
	}
	w.a.Commit()
	w.now += 5
	w.cycle()
	if st := w.a.Stats(); st.Pending != 0 || w.store.larges > batchCells+30 || w.store.writes > 12 {
		t.Fatalf("%d cells at once in %d writes: %+v", w.store.larges, w.store.writes, st)
	}
}

// windows.md 8.5: what a cycle reads and writes grows with the changed cells, and not
// with the series that there are.
func TestCostOfCycle(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), nil)
	for k := range int64(6) {
		for i := range 2000 {
			c, v := cellOf(epoch+10*k, []float64{1})
			w.keepCell(fmt.Sprint("m", i), 10, epoch+10*k, c, v)
		}
	}
	w.a.Commit()
	w.now += 1800
	w.cycle()
	for _, changed := range []int{1, 10, 100} {
		w.now = float64(ceil(int64(w.now), 900))
		w.pass(60)
		wrote, read := w.store.cells, w.store.yielded
		for range 90 {
			for i := range changed {
				w.keep(fmt.Sprint("m", i), 10, floor(int64(w.now), 10), 1)
			}
			w.pass(10)
		}
		w.pass(60)
		wrote, read = w.store.cells-wrote, w.store.yielded-read
		// 90 cells of 10 s become 15 or 16 of a minute and 1 or 2 of 15 minutes; each is
		// read once.
		if most := changed * (90 + 16 + 2); wrote < changed*(90+14) || wrote > most || read > most {
			t.Errorf("%d series changed: %d cells written, %d read, want at most %d", changed, wrote, read, most)
		}
	}
}

// What the store has damaged is passed over and counted.
func TestDamagedCell(t *testing.T) {
	inner := memory.New(memory.Options{})
	w := newWorld(t, inner, nil)
	w.fill("m", epoch, epoch+300)
	bad := store.SeriesCells{Series: seriesOf("m", 10), Cells: []store.Cell{{Step: 10, Start: epoch + 20, Data: []byte("?")}}}
	if err := inner.Write(t.Context(), store.Write{Series: []store.SeriesCells{bad}}); err != nil {
		t.Fatal(err)
	}
	w.keep("m", 10, epoch+30, 1)
	w.cycle()
	if got := w.read("m", 10, epoch, epoch+300); len(got) != 29 {
		t.Errorf("%d cells", len(got))
	}
	if got := w.read("m", 60, epoch, epoch+60); got[epoch].Cell.Count != 4*3+1 {
		t.Errorf("%+v", got)
	}
	if st := w.a.Stats(); st.Damaged < 2 {
		t.Errorf("%+v", st)
	}
}

// Everything at once: for the race detector.
func TestConcurrent(t *testing.T) {
	var mu sync.Mutex
	now := float64(epoch)
	w := newWorld(t, memory.New(memory.Options{}), nil)
	cfg := w.cfg
	cfg.Dir = t.TempDir()
	cfg.Cycle = time.Millisecond
	cfg.Now = func() float64 { mu.Lock(); defer mu.Unlock(); return now }
	a, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { a.Run(ctx) })
	for n := range 2 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 0))
			for ctx.Err() == nil {
				a.Covers(10, epoch+r.Int64N(7200))
				a.Recall(ctx, []Key{{"m1", 10, epoch + 10*r.Int64N(700)}})
				a.Cells(ctx, []string{"m1", "m2"}, []int64{10, 60, 900}[r.IntN(3)], epoch, epoch+7200)
				a.Load(ctx, func(store.Series) error { return nil })
				a.Newest(ctx, func(store.Series) int64 { return epoch }, func(store.Series, Bucket) error { return nil })
				a.Stats()
				if err := a.Drop(ctx, []string{"m8", "m9"}); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for k := range int64(700) {
		for i := range 10 {
			c, v := cellOf(epoch+10*k, []float64{1, 2})
			a.Keep(&Record{Series: seriesOf(fmt.Sprint("m", i), 10), Start: epoch + 10*k, Cell: &c, Values: v})
			if i == 1 && k > 50 {
				a.Keep(&Record{Series: seriesOf("m1", 10), Start: epoch + 10*(k-50), Cell: &c, Values: v})
			}
		}
		a.Commit()
		mu.Lock()
		now += 10
		mu.Unlock()
	}
	stop()
	wg.Wait()
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := a.Cells(t.Context(), []string{"m1"}, 900, epoch, epoch+6300)
	if err != nil {
		t.Fatal(err)
	}
	for b, x := range fold(t, got[0], 900) {
		if x.Cell.Count != 180 {
			t.Errorf("bucket %d: %d", b, x.Cell.Count)
		}
	}
}
