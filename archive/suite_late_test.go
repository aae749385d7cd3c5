package archive

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
)

// leap lets much time go by, and then an hour, so that expiry is due.
func (w *world) leap(seconds int64) {
	w.t.Helper()
	w.now += float64(seconds)
	w.cycle()
	for range 4 {
		w.now += 1000
		w.cycle()
	}
}

// fill keeps a bucket of 10 s after another, with a cycle now and then.
func (w *world) fill(name string, from, until int64) {
	w.t.Helper()
	for b := from; b < until; b += 10 {
		w.keep(name, 10, b, values(int(b-from)/10, 3)...)
		w.now = max(w.now, float64(b+15))
		if b%100 == 0 {
			w.cycle()
		}
	}
	w.cycle()
}

// An amended bucket is corrected in every tier: to be read at once, and stored with
// the next cycle.
func testAmended(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.fill("m", epoch, epoch+2*hour)
	w.fill("other", epoch, epoch+2*hour)
	w.pass(60)
	w.checkStored()
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		for range 1 + r.IntN(5) {
			w.keep("m", 10, epoch+10*r.Int64N(720), values(r.IntN(100), 1+r.IntN(5))...)
		}
		w.check()
		w.cycle()
		w.check()
		w.checkStored()
	}
	if st := w.a.Stats(); st.Amended == 0 || st.Stale != 0 {
		t.Fatalf("%+v", st)
	}
}

// What comes in later than the retention of a tier amends the coarser ones only.
func testLate(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.fill("m", epoch, epoch+hour)
	w.leap(day) // the hour is now 1 to 2 hours older than the retention of its tier
	if c := w.a.Covers(10, epoch+10); c != Coarse {
		t.Fatalf("%v", c)
	}
	for k := range int64(10) {
		w.late("m", 10, epoch+300*k+10, 5, float64(k))
		w.late("new", 10, epoch+300*k+10, 7)
		if k%3 == 0 {
			w.crash() // those not merged are in the journal
		}
		if k%4 == 1 {
			w.cycle()
		}
	}
	w.cycle()
	w.check()
	w.checkStored()
	w.crash()
	w.cycle()
	w.check()
	w.checkStored()
}

// A delta for a bucket of which every finer tier has been expired goes to the window
// that has it, and stays when neighbours are amended.
func testLateBehindExpiry(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.fill("m", epoch, epoch+2*hour)
	w.leap(3 * day)
	w.leap(0)
	if n := len(scan(t, s, 60)); n != 0 {
		t.Fatalf("%d cells of a minute left", n)
	}
	for k := range int64(6) {
		w.late("m", 10, epoch+40*k, float64(k))
	}
	w.late("m", 10, epoch+hour, 1000)
	w.crash()
	w.cycle()
	w.check()
	w.late("m", 10, epoch+hour+10, 1001)
	w.cycle()
	w.crash()
	w.check()
	w.checkStored()

	if c := w.a.Covers(10, epoch-5*day); c != Refused {
		t.Fatalf("%v", c)
	}
	before := w.a.Stats().Dropped[TooOld]
	w.now += 8 * day
	if c := w.a.Covers(10, epoch); c != Refused {
		t.Fatalf("%v", c)
	}
	c, _ := cellOf(epoch, []float64{1})
	w.a.Keep(&Record{Series: seriesOf("m", 10), Start: epoch, Cell: &c, CoarseOnly: true})
	w.a.Keep(&Record{Series: seriesOf("m", 10), Start: epoch, Cell: &c})
	if n := w.a.Stats().Dropped[TooOld] - before; n != 2 {
		t.Fatalf("%d dropped", n)
	}
	w.checkBooks()
}

func scan(t *testing.T, s store.Store, step int64) (cells []store.Cell) {
	t.Helper()
	err := s.Scan(t.Context(), step, -store.MaxTime, store.MaxTime, func(_ *store.Series, c store.Cell) error {
		cells = append(cells, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return cells
}

// Expired cells are not to be seen from the second of their cut-off on, and leave the
// store later; a series of which nothing is left is forgotten.
func testExpiry(t *testing.T, s store.Store) {
	var forgotten []string
	w := newWorld(t, s, func(cfg *Config) {
		cfg.Forgotten = func(name string) { forgotten = append(forgotten, name) }
	})
	w.fill("m", epoch, epoch+hour)
	w.pass(60)
	for _, at := range []struct {
		step, retention int64
	}{{10, day}, {60, day}, {900, 7 * day}} {
		for _, off := range []float64{-0.5, 0, 0.5} {
			w.now = float64(epoch+1800+at.retention) + off
			got := w.read("m", at.step, epoch, epoch+hour)
			b := int64(epoch + 1800 - at.step)
			if _, ok := got[b]; ok != (off < 0) {
				t.Errorf("step %d: bucket %d at %v: %v", at.step, b, w.now, ok)
			}
			if _, ok := got[b+at.step]; !ok {
				t.Errorf("step %d: bucket %d is not there at %v", at.step, b+at.step, w.now)
			}
		}
	}
	w.now = epoch + 2*hour
	w.fill("other", epoch+3*hour, epoch+4*hour)
	w.leap(9 * day)
	w.check()
	for _, step := range []int64{10, 60, 900} {
		if n := len(scan(t, s, step)); n != 0 {
			t.Errorf("%d cells of %d s left", n, step)
		}
	}
	if len(forgotten) > 0 {
		w.t.Logf("forgotten already: %q", forgotten)
	}
	w.leap(2 * day)
	slices.Sort(forgotten)
	if fmt.Sprint(forgotten) != "[m other]" {
		t.Errorf("forgotten: %q", forgotten)
	}
	if st := w.a.Stats(); st.Forgotten != 2 || st.Expiries < 2 {
		t.Errorf("%+v", st)
	}
	n := 0
	if err := w.a.Load(t.Context(), func(store.Series) error { n++; return nil }); err != nil || n != 0 {
		t.Errorf("%d series, %v", n, err)
	}
}

// A store that does not know the archive knows nothing of what was emitted.
func testAnotherStore(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.now++
	w.keep("m", 10, epoch+10, 1)
	w.now += 30
	w.cycle()
	covers := func(start int64, want Cover) {
		t.Helper()
		if _, err := w.a.Recall(t.Context(), []Key{{"m", 10, start}}); err != nil {
			t.Fatal(err)
		}
		if c := w.a.Covers(10, start); c != want {
			t.Fatalf("%v, want %v", c, want)
		}
	}
	covers(epoch-10, Refused)
	covers(epoch+10, Whole)
	if err := w.restart(); err != nil {
		t.Fatal(err)
	}
	covers(epoch+10, Whole)
	w.now += 60
	if err := w.a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.store.Store = closing(t, memory.New(memory.Options{}))
	w.open()
	got, err := w.a.Recall(t.Context(), []Key{{"m", 10, epoch + 10}})
	if err != nil || !got[0].Lost {
		t.Fatalf("%+v, %v", got, err)
	}
	covers(epoch+10, Refused)
	w.keep("m", 10, epoch+100, 1)
	w.cycle()
	if err := w.restart(); err != nil {
		t.Fatal(err)
	}
	covers(epoch+10, Refused)
	covers(epoch+100, Whole)
}

// windows.md 7.7: a write that was done and reported as failed is done again, and
// counts once.
func testLostOutcome(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	n := 0
	w.store.set(func(f *fake) {
		f.after = func(store.Write) error {
			if n++; n%3 != 0 {
				return errDown
			}
			return nil
		}
	})
	for k := range int64(100) {
		w.keep("m", 10, epoch+10*k, 1, 2)
		w.keep("m", 10, epoch+10*max(k-20, 0), float64(k), 2, 3)
		w.now += 10
		w.cycle()
	}
	w.leap(day + 2*hour)
	w.late("m", 10, epoch+20, 8)
	for range 6 {
		w.cycle()
	}
	w.store.set(func(f *fake) { f.after = nil })
	w.cycle()
	w.check()
	w.checkStored()
}

// windows.md 7.7: a series that the store refuses does not block the others.
func testRefusedSeries(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	refuse := func(w store.Write) error {
		for _, s := range w.Series {
			if s.Series.Name == "m7" || s.Series.Name == "m90" {
				return errors.New("a name that nobody likes")
			}
		}
		return nil
	}
	w.store.set(func(f *fake) { f.refuse = refuse })
	for k := range int64(20) {
		for i := range 100 {
			w.keep(fmt.Sprint("m", i), 10, epoch+10*k, float64(i), float64(k))
		}
		w.now += 10
		w.cycle()
	}
	w.pass(60)
	st := w.a.Stats()
	if st.Pending != 2*20 || st.Refused == 0 || !st.StoreOK || st.MarksLag > 0 {
		t.Fatalf("%+v", st)
	}
	w.check()
	w.crash()
	w.check()
	w.store.set(func(f *fake) { f.refuse = nil })
	w.pass(60)
	w.now += hour
	w.cycle()
	if st := w.a.Stats(); st.Pending != 0 {
		t.Fatalf("%+v", st)
	}
	w.check()
	w.checkStored()
}

// A retention shorter than the coarser steps: cells stay until those are made.
func testShortRetention(t *testing.T, s store.Store) {
	w := newWorld(t, s, func(cfg *Config) {
		cfg.Retention = 30
		cfg.Windows = []Window{{"a", 60, 60, 90}, {"b", 900, 900, day}}
	})
	for k := range int64(4 * 360) {
		w.keep("m", 10, epoch+10*k, float64(k))
		w.now += 10
		w.cycle()
		if k%20 == 0 {
			w.check()
			w.checkStored()
		}
	}
	if w.a.Stats().Expiries == 0 {
		t.Fatal("nothing was expired")
	}
	start := int64(epoch + 3*hour + 20)
	if c := w.a.Covers(10, start); c != Coarse {
		t.Fatalf("%v", c)
	}
	w.late("m", 10, start, 1)
	w.late("m", 10, start-2*hour, 1)
	w.cycle()
	w.check()
	w.checkStored()
}
