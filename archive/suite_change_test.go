package archive

import (
	"fmt"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
)

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
