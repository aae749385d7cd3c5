package archive

import (
	"fmt"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
)

// windows.md 7.12: beyond MaxPending the oldest cells go, are counted, and known to be
// lost, now and later.
func TestQueueFull(t *testing.T) {
	for _, dir := range []bool{true, false} {
		t.Run(fmt.Sprint("journal ", dir), func(t *testing.T) {
			l := new(logs)
			w := newWorld(t, memory.New(memory.Options{}), func(cfg *Config) {
				cfg.MaxPending = 100_000
				cfg.Logger = l.logger()
				if !dir {
					cfg.Dir = ""
				}
			})
			w.now++
			w.store.set(func(f *fake) { f.down = true })
			for k := int64(1); k <= 400; k++ {
				for i := range 3 {
					w.keep(fmt.Sprint("m", i), 10, epoch+10*k, float64(k))
				}
				if st := w.a.Stats(); st.PendingBytes > st.PendingLimit {
					t.Fatalf("%+v", st)
				}
				w.now += 10
				w.cycle()
			}
			st := w.a.Stats()
			dropped := st.Dropped[QueueFull]
			if dropped == 0 || dropped != st.DroppedTotal() || st.Pending != 1200-dropped || l.count("cells are dropped") != 1 {
				t.Fatalf("%+v\n%s", st, l.buf.String())
			}
			check := func(when string) {
				t.Helper()
				for k := int64(1); k <= 400; k++ {
					want := Whole
					if k <= (dropped+2)/3 {
						want = Refused
					}
					if c := w.a.Covers(10, epoch+10*k); c != want {
						t.Fatalf("%s: %d is %v, want %v", when, k, c, want)
					}
				}
			}
			check("at once")
			if dir {
				w.crash()
				check("after a crash")
			}
			w.store.set(func(f *fake) { f.down = false })
			w.cycle()
			check("when the store is back")
			keys := []Key{{"m0", 10, epoch + 10}, {"m0", 10, epoch + 4000}}
			got, err := w.a.Recall(t.Context(), keys)
			if err != nil || !got[0].Lost || got[1].Lost || got[1].Cell.Count != 1 {
				t.Fatalf("%+v, %v", got, err)
			}
			if n := l.count("no more cells are dropped"); n != 1 && !dir {
				t.Errorf("%s", l.buf.String())
			}
			// What was lost is forgotten when nothing is kept of that time.
			w.leap(9 * day)
			if n := len(w.a.view.Load().lost); n != 0 {
				t.Errorf("%d lost spans left", n)
			}
		})
	}
}

// While the store is away, what is kept for it is bounded however often it is kept anew,
// and whether or not the disk works.
func TestOutageIsBounded(t *testing.T) {
	places := func(p *pending) int { return len(p.queue.items) + len(p.late) + len(p.parked) }
	for _, tc := range []struct {
		name    string
		dir     bool
		pending int64
	}{
		{"all amended", true, 1 << 20},
		{"all amended, without journal", false, 1 << 20},
		{"too much", true, 50_000},
		{"too much, without journal", false, 50_000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, memory.New(memory.Options{}), func(cfg *Config) {
				cfg.MaxPending = tc.pending
				if !tc.dir {
					cfg.Dir = ""
				}
			})
			w.cycle()
			w.store.set(func(f *fake) { f.down = true })
			w.now += hour
			for k := range int64(20_000) {
				start := epoch + 10*(k%10)
				if tc.pending < 1<<20 {
					start = epoch + 10*k
				}
				c, v := cellOf(start, []float64{float64(k)})
				w.a.Keep(&Record{Series: seriesOf("m", 10), Start: start, Cell: &c, Values: v, CoarseOnly: k%16 == 15})
				if k%100 == 99 {
					w.a.Commit()
					w.a.cycle(t.Context())
				}
				if n, most := places(&w.a.pending), 4*int(w.a.pending.cells)+100; n > most && k%100 == 0 {
					t.Fatalf("%d places for %d cells after %d", n, w.a.pending.cells, k)
				}
			}
			w.checkBooks()
			w.store.set(func(f *fake) { f.down = false })
			w.cycle()
			if st := w.a.Stats(); st.Pending != 0 || st.Dropped[QueueFull] == 0 == (tc.pending < 1<<20) {
				t.Errorf("%+v", st)
			}
		})
	}
}

// What is on its way to the store is not dropped, and what the store then does not
// take may be.
func TestQueueFullWhileWriting(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), func(cfg *Config) { cfg.MaxPending = 50_000 })
	k := int64(0)
	flood := func(store.Write) error {
		for range 400 {
			k++
			c, v := cellOf(epoch+10*k, []float64{1})
			w.a.Keep(&Record{Series: seriesOf("m", 10), Start: epoch + 10*k, Cell: &c, Values: v})
		}
		w.a.Commit()
		return errDown
	}
	w.now += 100_000
	_ = flood(store.Write{})
	w.store.set(func(f *fake) { f.refuse = flood })
	for range 10 {
		w.cycle()
	}
	if st := w.a.Stats(); st.Dropped[QueueFull] == 0 || st.PendingBytes > 3*st.PendingLimit {
		t.Fatalf("%+v", st)
	}
	w.store.set(func(f *fake) { f.refuse = nil })
	w.cycle()
	if st := w.a.Stats(); st.Pending != 0 || st.Written+st.DroppedTotal() != st.Kept {
		t.Fatalf("%+v", st)
	}
}

// A store without room gets some by expiry, and then takes what waits.
func TestStoreFull(t *testing.T) {
	inner := memory.New(memory.Options{MaxBytes: 500_000})
	w := newWorld(t, inner, func(cfg *Config) {
		cfg.Retention = hour
		cfg.Windows = cfg.Windows[:1]
	})
	for k := range int64(8 * 360) {
		w.keep("m", 10, epoch+10*k, float64(k))
		w.now = float64(epoch + 10*k + 10)
		w.a.cycle(t.Context())
		w.checkBooks()
	}
	st := w.a.Stats()
	if st.StoreErrors != 0 || st.Expiries == 0 {
		t.Fatalf("the bound is met in order: %+v", st)
	}
	full := fmt.Errorf("disk: %w", store.ErrFull)
	expired := st.Expiries
	w.store.set(func(f *fake) {
		f.expiries = 0
		f.refuse = func(store.Write) error {
			if f.expiries == 0 {
				return full
			}
			return nil
		}
	})
	for k := range int64(400) {
		w.keep("m", 10, epoch+8*hour+10*k, float64(k))
		w.now += 10
		w.a.cycle(t.Context())
	}
	if st := w.a.Stats(); st.StoreErrors == 0 || st.Expiries <= expired || st.Pending != 0 || !st.StoreOK {
		t.Fatalf("%+v", st)
	}
}
