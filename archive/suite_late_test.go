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

// Recall finds what was kept, wherever it is, in few reads.
func testRecall(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.now++
	var keys []Key
	for i := range 2000 {
		name := fmt.Sprint("m", i)
		if i%2 == 0 {
			w.keep(name, 10, epoch+10, float64(i), 1)
		}
		keys = append(keys, Key{name, 10, epoch + 10})
	}
	w.keep("hour", 3600, epoch+hour, 5)
	keys = append(keys, Key{"hour", 3600, epoch + hour}, Key{"m0", 10, epoch + 10}, Key{"m0", 20, epoch + 20})
	for k := range int64(200) {
		w.keep("one", 10, epoch+10*k, float64(k))
		keys = append(keys, Key{"one", 10, epoch + 10*k})
	}
	w.now += 2 * hour
	check := func() {
		t.Helper()
		got, err := w.a.Recall(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range keys {
			var want whole
			if m := w.model[k.Name]; m != nil {
				want = m.cells[modelKey{k.Period, k.Start}]
			}
			b := got[i]
			if b.Start != k.Start || b.Step != k.Period || b.Lost || !want.equal(whole{b.Cell, b.Values}) {
				t.Fatalf("%v: %+v, want %+v", k, b, want.Cell)
			}
		}
	}
	check()
	w.cycle()
	reads := w.store.reads
	check()
	if n := w.store.reads - reads; n > 10 {
		t.Errorf("%d reads for %d keys", n, len(keys))
	}
	w.keep("m1", 10, epoch+10, 99)
	w.keep("m2", 10, epoch+10, 98)
	check()
	w.store.set(func(f *fake) { f.down = true })
	if _, err := w.a.Recall(t.Context(), keys); !errors.Is(err, errDown) {
		t.Fatalf("%v", err)
	}
}

func testNewest(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.fill("m", epoch, epoch+600)
	w.keep("minute", 60, epoch+60, 1)
	w.keep("minute", 60, epoch+540, 2)
	w.cycle()
	w.pass(60)
	w.keep("m", 10, epoch+590, 77) // pending, in place of what is stored
	w.keep("m", 10, epoch+600, 78)
	w.keep("minute", 60, epoch+600, 3)
	got := make(map[string]float64)
	from := func(s store.Series) int64 { return epoch + 600 - s.Period }
	err := w.a.Newest(t.Context(), from, func(s store.Series, b Bucket) error {
		key := fmt.Sprint(s.Name, " ", b.Step, " ", b.Start-epoch)
		if _, twice := got[key]; twice {
			t.Errorf("%s twice", key)
		}
		got[key] = b.Cell.Total()
		return nil
	})
	want := "map[m 10 590:77 m 10 600:78 minute 60 540:2 minute 60 600:3]"
	if err != nil || fmt.Sprint(got) != want {
		t.Fatalf("%v, %v, want %v", got, err, want)
	}
	stop := errors.New("stop")
	if err := w.a.Newest(t.Context(), from, func(store.Series, Bucket) error { return stop }); err != stop {
		t.Fatalf("%v", err)
	}
}

func testLoad(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.keep("a", 10, epoch, 1)
	w.keep("p", 60, epoch, 1)
	w.cycle()
	w.keep("a", 10, epoch+10, 1)
	w.keep("b", 10, epoch+10, 1)
	check := func() {
		t.Helper()
		var got []string
		err := w.a.Load(t.Context(), func(s store.Series) error {
			got = append(got, fmt.Sprint(s.Name, " ", s.Methods, s.Period, s.Input))
			return nil
		})
		slices.Sort(got)
		if want := "[a [sum] 10 false b [sum] 10 false p [avg p99.9] 60 false]"; err != nil || fmt.Sprint(got) != want {
			t.Fatalf("%v, %v, want %v", got, err, want)
		}
	}
	check()
	w.crash()
	check()
	w.cycle()
	check()
	stop := errors.New("stop")
	if err := w.a.Load(t.Context(), func(store.Series) error { return stop }); err != stop {
		t.Fatalf("%v", err)
	}
}

// Periods that fit some windows, others or none.
func testPeriods(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	periods := []int64{1, 2, 5, 7, 10, 15, 20, 30, 45, 50, 60, 90, 300, 900, 1000, 3600}
	next := make(map[int64]int64)
	for end := w.now + 2*hour; w.now < end; w.now += 30 {
		for _, p := range periods {
			if next[p] == 0 {
				next[p] = ceil(epoch, p)
			}
			for float64(next[p]+p) <= w.now {
				w.keep(fmt.Sprint("m", p), p, next[p], float64(p), float64(next[p]%100))
				next[p] += p
			}
		}
		w.cycle()
	}
	w.check()
	w.pass(60)
	w.check()
	w.checkStored()
	for _, p := range periods {
		if got := w.a.Tiers(p); got[0].Step != p {
			t.Errorf("%v", got)
		}
	}
	// Amended, each into all of its windows.
	for _, p := range periods {
		w.keep(fmt.Sprint("m", p), p, ceil(epoch+1800, p), -5)
	}
	w.check()
	w.cycle()
	w.check()
	w.checkStored()
}

// A series whose period changes, at a boundary of the new one.
func testChangedPeriod(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	at := int64(epoch)
	for _, part := range []struct{ period, until int64 }{
		{10, 1250}, {60, 3000}, {15, 3105}, {10, 3200}, {300, 5100}, {20, 7200}, {900, 9900}, {50, 10800},
	} {
		at = ceil(at, part.period)
		for ; at+part.period <= epoch+part.until; at += part.period {
			w.keep("m", part.period, at, float64(part.period), 3)
			w.now = max(w.now, float64(at+part.period+5))
			if at%30 == 0 {
				w.cycle()
			}
		}
		w.check()
	}
	w.pass(60)
	w.check()
	w.checkStored()
	w.keep("m", 15, epoch+3030, 1, 2, 3, 4)
	w.keep("m", 10, epoch+3110, 1, 2, 3, 4)
	w.check()
	w.cycle()
	w.check()
	w.checkStored()
}

// Windows that are added are filled from what there is; those removed leave nothing
// behind that is counted twice.
func testWindowsChanged(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.fill("m", epoch, epoch+hour)
	w.keep("minute", 60, epoch, 1)
	w.pass(60)
	five := Window{Name: "five", Span: hour, Step: 300, Retention: 2 * day}
	plain := plainWindows()
	for _, windows := range [][]Window{
		{plain[0], five, plain[2]},
		{plain[1], plain[2]},
		{plain[2]},
		{plain[0], plain[1], five, plain[2]},
		plain,
	} {
		w.cfg.Windows = windows
		if err := w.restart(); err != nil {
			t.Fatal(err)
		}
		w.cycle()
		w.check()
		w.checkStored()
		at := floor(int64(w.now), 10)
		w.fill("m", at, at+2*hour)
		w.pass(60)
		w.keep("m", 10, at+hour, 1, 2, 3)
		w.check()
		w.cycle()
		w.check()
		w.checkStored()
	}
}

// Rolled cells carry the values of percentiles, beyond the exact ones too.
func testPercentiles(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	for k := range int64(180) {
		w.keep("p", 10, epoch+10*k, values(int(k), 40)...)
		w.now += 10
		w.cycle()
	}
	w.pass(60)
	w.check()
	w.checkStored()
	x := w.read("p", 900, epoch, epoch+900)[epoch]
	if x.Values.Len() != 3600 || !x.Values.Approximate() {
		t.Fatalf("%d values", x.Values.Len())
	}
}

// After days without running, what was pending is written and rolled, and the stretch
// in between costs little.
func testDowntime(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.fill("m", epoch, epoch+hour)
	for k := range int64(300) {
		w.keep("m", 10, epoch+hour+10*k, 1, 2) // not written
	}
	w.now += 3 * day
	w.crash()
	reads := w.store.reads
	w.cycle()
	if n := w.store.reads - reads; n > 500 {
		t.Errorf("%d reads", n)
	}
	w.check()
	w.checkStored()
	w.fill("m", floor(int64(w.now), 10), floor(int64(w.now), 10)+hour)
	w.leap(0)
	w.check()
	w.checkStored()
}

// A clock that is set back changes nothing that is held, and buckets are rolled as
// their time comes again.
func testClockBack(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.fill("m", epoch, epoch+2*hour)
	w.pass(60)
	w.now -= 1200
	w.cycle()
	w.check()
	w.checkStored()
	for k := range int64(120) { // amended, and some that had not been
		w.keep("m", 10, floor(int64(w.now), 10)-50, float64(k))
		w.keep("other", 10, floor(int64(w.now), 10)-10, float64(k))
		w.pass(10)
		w.check()
	}
	w.pass(120)
	w.check()
	w.checkStored()
}

// A clock that is far ahead for less than an hour costs nothing. If it expires what is
// held, that is gone, but what comes after is right.
func testClockAhead(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.fill("m", epoch, epoch+2*hour)
	true0 := w.now
	w.now += 30 * day
	at := floor(int64(w.now), 10)
	w.fill("m", at, at+600)
	w.now = true0 + 600
	w.cycle()
	w.check()
	w.fill("m", floor(int64(w.now), 10), floor(int64(w.now), 10)+hour)
	w.pass(60)
	w.check()
	w.checkStored()

	w.now += 30 * day
	w.leap(0)
	w.now = true0 + 2*hour
	w.cycle()
	if c := w.a.Covers(10, int64(true0)/10*10); c != Refused {
		t.Errorf("what was expired is %v", c)
	}
	w.model = make(model)
	at = ceil(int64(w.now), 900)
	w.now = float64(at)
	w.fill("m", at, at+hour)
	w.pass(60)
	if c := w.a.Covers(10, at); c != Whole {
		t.Errorf("what came after is %v", c)
	}
	for _, step := range []int64{10, 60, 900} {
		want := w.expect("m", step)
		for b, x := range w.read("m", step, at, at+hour) {
			if !x.equal(want[b]) {
				t.Errorf("step %d, bucket %d: %+v", step, b, x)
			}
			delete(want, b)
		}
		if len(want) > 0 {
			t.Errorf("step %d: %d buckets missing", step, len(want))
		}
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
	for k := range int64(6 * 360) {
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
	start := int64(epoch + 5*hour + 20)
	if c := w.a.Covers(10, start); c != Coarse {
		t.Fatalf("%v", c)
	}
	w.late("m", 10, start, 1)
	w.late("m", 10, start-4*hour, 1)
	w.cycle()
	w.check()
	w.checkStored()
}
