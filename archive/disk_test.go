package archive

import (
	"errors"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coalesce-metrics/coalesce/store/memory"
)

// faulty is a disk that fails when it is told to.
type faulty struct {
	mu            sync.Mutex
	write, create error
	short         int // bytes that a failing write takes
	sync, remove  error
	hang          chan struct{}
}

func (f *faulty) set(change func(f *faulty)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *faulty) layer() layer {
	return layer{
		open: func(name string, flag int) (file, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.create != nil {
				return nil, f.create
			}
			x, err := disk.open(name, flag)
			return faultyFile{x, f}, err
		},
		remove: func(name string) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.remove != nil {
				return f.remove
			}
			return disk.remove(name)
		},
		syncDir: disk.syncDir,
	}
}

type faultyFile struct {
	file
	f *faulty
}

func (x faultyFile) Write(b []byte) (int, error) {
	x.f.mu.Lock()
	err, short, hang := x.f.write, x.f.short, x.f.hang
	x.f.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if err != nil {
		n, _ := x.file.Write(b[:min(short, len(b))])
		return n, err
	}
	return x.file.Write(b)
}

func (x faultyFile) Sync() error {
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	if x.f.sync != nil {
		return x.f.sync
	}
	return x.file.Sync()
}

// faultyWorld is a world whose disk may fail, in a bubble of time.
func faultyWorld(t *testing.T, f func(t *testing.T, w *world, d *faulty, l *logs)) {
	synctest.Test(t, func(t *testing.T) {
		l := new(logs)
		w := newWorld(t, memory.New(memory.Options{}), func(cfg *Config) {
			cfg.Sync = true
			cfg.Logger = l.logger()
		})
		w.now++
		d := new(faulty)
		w.useDisk(d)
		f(t, w, d, l)
	})
}

func (w *world) useDisk(d *faulty) { w.a.journal.fs = d.layer() }

// A disk that fails costs durability alone, is logged once, tried again after a while,
// and then given all that it lacks.
func TestDiskFails(t *testing.T) {
	for name, c := range map[string]struct{ fail func(f *faulty) }{
		"full":         {func(f *faulty) { f.write = syscall.ENOSPC }},
		"full in part": {func(f *faulty) { f.write, f.short = syscall.ENOSPC, 20 }},
		"no new file":  {func(f *faulty) { f.create = syscall.ENOSPC }},
		"no sync":      {func(f *faulty) { f.sync = syscall.EIO }},
	} {
		t.Run(name, func(t *testing.T) {
			faultyWorld(t, func(t *testing.T, w *world, d *faulty, l *logs) {
				w.store.set(func(f *fake) { f.down = true })
				if name != "no new file" {
					w.keep("m", 10, epoch+10, 1)
				}
				d.set(c.fail)
				for k := int64(2); k < 100; k++ {
					w.keep("m", 10, epoch+10*k, float64(k))
					w.now += 10
					time.Sleep(time.Second)
				}
				st := w.a.Stats()
				if st.JournalOK || st.JournalErrors < 4 || st.JournalErrors > 10 || l.count("cannot be written") != 1 {
					t.Fatalf("%+v\n%s", st, l.buf.String())
				}
				w.check2()
				d.set(func(f *faulty) { f.write, f.create, f.sync = nil, nil, nil })
				time.Sleep(time.Minute)
				w.a.Commit()
				if st := w.a.Stats(); !st.JournalOK || l.count("written again") != 1 {
					t.Fatalf("%+v\n%s", st, l.buf.String())
				}
				w.crash()
				w.store.set(func(f *fake) { f.down = false })
				w.cycle()
				w.check()
				if c := w.a.Covers(10, epoch+50); c != Whole {
					t.Errorf("%v", c)
				}
			})
		})
	}
}

// check2 compares what memory has at the series' own period with the model.
func (w *world) check2() {
	w.t.Helper()
	for name := range w.model {
		got, err := w.a.Cells(w.t.Context(), []string{name}, 10, epoch, epoch+day)
		var part *PartialError
		if !errors.As(err, &part) {
			w.t.Fatalf("%v", err)
		}
		if want := w.expect(name, 10); len(got[0]) != len(want) {
			w.t.Fatalf("%d buckets, want %d", len(got[0]), len(want))
		}
	}
}

// Cells that neither the disk nor the store has taken are lost with the process, and
// the next one knows their time.
func TestDiskFailsThenCrash(t *testing.T) {
	faultyWorld(t, func(t *testing.T, w *world, d *faulty, l *logs) {
		w.store.set(func(f *fake) { f.down = true })
		w.keep("m", 10, epoch+10, 1)
		d.set(func(f *faulty) { f.write = syscall.ENOSPC })
		w.keep("m", 10, epoch+1000, 1)
		w.now += 3000
		w.a.closeJournal()
		w.open()
		for start, want := range map[int64]Cover{10: Whole, 990: Whole, 1000: Refused, 1500: Whole} {
			if c := w.a.Covers(10, epoch+start); c != want {
				t.Errorf("%d is %v, want %v", start, c, want)
			}
		}
		w.a.Commit()
		w.crash()
		if c := w.a.Covers(10, epoch+1000); c != Refused {
			t.Errorf("after another start it is %v", c)
		}
	})
}

// While the disk fails the store goes on.
func TestDiskFailsStoreWorks(t *testing.T) {
	faultyWorld(t, func(t *testing.T, w *world, d *faulty, l *logs) {
		w.keep("m", 10, epoch+10, 1)
		d.set(func(f *faulty) { f.write = syscall.ENOSPC })
		for k := int64(2); k < 50; k++ {
			w.keep("m", 10, epoch+10*k, float64(k))
			w.now += 10
			w.cycle()
		}
		if st := w.a.Stats(); st.Pending > 1 || st.Written < 48 {
			t.Fatalf("%+v", st)
		}
		w.leap(day + hour)
		w.late("m", 10, epoch+20, 5) // cannot be made durable, and so is merged at once
		w.cycle()
		w.check()
		d.set(func(f *faulty) { f.write = nil })
		time.Sleep(2 * time.Minute)
		w.late("m", 10, epoch+30, 5)
		w.cycle()
		w.check()
		w.crash()
		w.cycle()
		w.check()
		w.checkStored()
	})
}

// A delta that is in the journal is not merged into the store before the journal knows
// of it, or a crash would have it merged twice.
func TestDiskFailsBetween(t *testing.T) {
	faultyWorld(t, func(t *testing.T, w *world, d *faulty, l *logs) {
		w.fill("m", epoch+10, epoch+600)
		w.leap(day + hour)
		w.late("m", 10, epoch+20, 5)
		d.set(func(f *faulty) { f.write = syscall.ENOSPC })
		w.cycle()
		w.cycle()
		if st := w.a.Stats(); st.Pending != 1 {
			t.Fatalf("%+v", st)
		}
		w.crash()
		w.cycle()
		w.cycle()
		if st := w.a.Stats(); st.Pending != 0 {
			t.Fatalf("%+v", st)
		}
		w.check()
		w.checkStored()
	})
}

// A disk that hangs is waited for once, and not for ever.
func TestDiskHangs(t *testing.T) {
	faultyWorld(t, func(t *testing.T, w *world, d *faulty, l *logs) {
		w.store.set(func(f *fake) { f.down = true })
		hang := make(chan struct{})
		d.set(func(f *faulty) { f.hang = hang })
		for k := int64(1); k < 20; k++ {
			begun := time.Now()
			w.keep("m", 10, epoch+10*k, float64(k))
			if took := time.Since(begun); k == 1 && took != diskWait || k > 1 && took != 0 {
				t.Fatalf("Commit %d took %v", k, took)
			}
			w.now += 10
		}
		if st := w.a.Stats(); st.JournalOK || l.count("cannot be written") != 1 {
			t.Fatalf("%+v", st)
		}
		close(hang)
		d.set(func(f *faulty) { f.hang = nil })
		time.Sleep(2 * time.Minute)
		w.a.Commit()
		w.crash()
		if st := w.a.Stats(); st.Found != 19 {
			t.Fatalf("%+v", st)
		}
		w.store.set(func(f *fake) { f.down = false })
		w.cycle()
		w.check()
	})
}

// Segments that cannot be removed are, later, and in their order.
func TestDiskDoesNotRemove(t *testing.T) {
	faultyWorld(t, func(t *testing.T, w *world, d *faulty, l *logs) {
		w.a.journal.limit = minSegment
		d.set(func(f *faulty) { f.remove = syscall.EROFS })
		for k := range int64(1000) {
			w.keep("m", 10, epoch+10*(k+1), float64(k))
			if k%20 == 0 {
				w.cycle()
			}
		}
		w.now += 10_000
		w.cycle()
		paths, _ := segments(t, w.cfg.Dir)
		if len(paths) < 3 || l.count("cannot be removed") != 1 {
			t.Fatalf("%d segments\n%s", len(paths), l.buf.String())
		}
		d.set(func(f *faulty) { f.remove = nil })
		time.Sleep(2 * time.Minute)
		w.a.Commit()
		if paths, _ := segments(t, w.cfg.Dir); len(paths) > 1 {
			t.Fatalf("%d segments left", len(paths))
		}
		if st := w.a.Stats(); !st.JournalOK || st.JournalSegments > 1 {
			t.Fatalf("%+v", st)
		}
	})
}
