package archive

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
)

// suite is what holds whatever the store.
func suite(t *testing.T, open func(t *testing.T) store.Store) {
	for name, f := range map[string]func(t *testing.T, s store.Store){
		"hour in order":      func(t *testing.T, s store.Store) { testHour(t, s, inOrder) },
		"hour reversed":      func(t *testing.T, s store.Store) { testHour(t, s, reversed) },
		"hour shuffled":      func(t *testing.T, s store.Store) { testHour(t, s, shuffled) },
		"same cycle twice":   testTwice,
		"counts by tier":     testCounts,
		"grid":               testGrid,
		"half-open":          testHalfOpen,
		"one row each":       testOneRow,
		"amended":            testAmended,
		"late":               testLate,
		"late behind expiry": testLateBehindExpiry,
		"dropped":            testDropped,
		"expiry":             testExpiry,
		"recall":             testRecall,
		"recall others":      testRecallOthers,
		"newest":             testNewest,
		"load":               testLoad,
		"periods":            testPeriods,
		"changed period":     testChangedPeriod,
		"windows changed":    testWindowsChanged,
		"percentiles":        testPercentiles,
		"downtime":           testDowntime,
		"clock back":         testClockBack,
		"clock ahead":        testClockAhead,
		"another store":      testAnotherStore,
		"lost outcome":       testLostOutcome,
		"refused series":     testRefusedSeries,
		"short retention":    testShortRetention,
		"model":              testModel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, open(t))
		})
	}
}

func inOrder(n int) (order []int) {
	for i := range n {
		order = append(order, i)
	}
	return order
}

func reversed(n int) (order []int) {
	for i := range n {
		order = append(order, n-1-i)
	}
	return order
}

func shuffled(n int) []int { return rand.New(rand.NewPCG(1, 2)).Perm(n) }

// windows.md 8.1: values 1 to 3600, one a second, from an hour boundary. The order is
// that in which buckets are closed.
func testHour(t *testing.T, s store.Store, order func(int) []int) {
	w := newWorld(t, s, nil)
	w.now += hour + 5
	for _, k := range order(360) {
		w.keep("m", 10, epoch+10*int64(k), values(10*k+1, 10)...)
		if k%50 == 0 {
			w.cycle()
		}
	}
	check := func() {
		t.Helper()
		minutes := w.read("m", 60, epoch, epoch+hour)
		if len(minutes) != 60 {
			t.Fatalf("%d rows of a minute", len(minutes))
		}
		for k := range 60 {
			c := minutes[epoch+60*int64(k)].Cell
			if avg := c.Total() / float64(c.Count); c.Count != 60 || avg != 60*float64(k)+30.5 {
				t.Fatalf("row %d: count %d, average %v", k, c.Count, avg)
			}
		}
		for b, x := range w.read("m", 10, epoch, epoch+hour) {
			if x.Cell.Count != 10 {
				t.Fatalf("row %d of 10 s: count %d", b, x.Cell.Count)
			}
		}
		quarters := w.read("m", 900, epoch, epoch+hour)
		if len(quarters) != 4 {
			t.Fatalf("%d rows of 15 minutes", len(quarters))
		}
		for b, x := range quarters {
			if x.Cell.Count != 900 {
				t.Fatalf("row %d: count %d", b, x.Cell.Count)
			}
		}
	}
	check() // partly pending, not rolled up
	w.cycle()
	check()
	w.now += 60
	w.cycle()
	check() // rolled up
	w.checkStored()
	if st := w.a.Stats(); st.Pending != 0 || st.MarksLag > 0 {
		t.Fatalf("%+v", st)
	}
}

// windows.md 8.2, 7.7: writing again changes nothing.
func testTwice(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	for k := range int64(12) {
		for i := range 20 {
			w.keep(fmt.Sprint("m", i), 10, epoch+10*k, float64(i), float64(k))
		}
	}
	w.pass(200)
	before := dump(t, s)
	for range 2 {
		for k := range int64(12) {
			for i := range 20 {
				w.keep(fmt.Sprint("m", i), 10, epoch+10*k, float64(i), float64(k))
			}
		}
		w.cycle()
		w.cycle()
	}
	if after := dump(t, s); !equalDumps(before, after) {
		t.Fatalf("%v, then %v", before, after)
	}
	w.check()
}

// dump returns all cells of the store.
func dump(t *testing.T, s store.Store) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, step := range []int64{10, 60, 900} {
		err := s.Scan(t.Context(), step, -store.MaxTime, store.MaxTime, func(s *store.Series, c store.Cell) error {
			key := fmt.Sprint(s.Name, " ", step, " ", c.Start)
			if _, twice := out[key]; twice {
				t.Fatalf("%s is there twice", key)
			}
			out[key] = string(c.Data)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func equalDumps(x, y map[string]string) bool {
	if len(x) != len(y) {
		return false
	}
	for k, v := range x {
		if y[k] != v {
			return false
		}
	}
	return true
}

// windows.md 8.3: the sum of counts in each tier is what came in less what is expired.
func testCounts(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	r := rand.New(rand.NewPCG(3, 4))
	var starts []int64
	for k := range int64(400) {
		for range 3 {
			name := fmt.Sprint("m", r.IntN(5))
			w.keep(name, 10, epoch+10*k, values(1, 1+r.IntN(4))...)
		}
		starts = append(starts, epoch+10*k)
		w.now += 10
		if k%3 == 0 {
			w.cycle()
		}
	}
	w.cycle()
	w.now += 20 * hour
	w.pass(2 * hour)
	for _, step := range []int64{10, 60, 900} {
		var got, want int64
		for name := range w.model {
			for _, x := range w.read(name, step, epoch, epoch+2*day) {
				got += x.Cell.Count
			}
			for b, x := range w.expect(name, step) {
				if !expired(b, step, w.a.retention(w.a.view.Load(), step), w.now) {
					want += x.Cell.Count
				}
			}
		}
		if got != want || got == 0 {
			t.Errorf("step %d: %d datapoints, want %d", step, got, want)
		}
	}
	_ = starts
}

// windows.md 7.1, 7.3, 7.11: buckets lie on multiples of their step whenever they are
// read and written, and a full span has as many as it has points.
func testGrid(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.now += 7
	for k := range int64(2 * 360) {
		w.now += 10
		w.keep("m", 10, epoch+10*k, 1)
		w.cycle()
	}
	end := floor(int64(w.now), 900)
	for _, win := range plainWindows() {
		until := floor(end, win.Step)
		got := w.read("m", win.Step, until-min(win.Span, hour), until)
		if want := min(win.Span, hour) / win.Step; int64(len(got)) != want {
			t.Errorf("%s: %d rows, want %d", win.Name, len(got), want)
		}
		for b := range got {
			if b%win.Step != 0 {
				t.Errorf("%s: row at %d", win.Name, b)
			}
		}
	}
	w.check()
}

// windows.md 7.11: ranges are half-open, so that adjacent ones share no bucket.
func testHalfOpen(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	for k := range int64(180) {
		w.keep("m", 10, epoch+10*k, 1)
	}
	w.now += 1800
	for range 2 { // pending, then stored
		for _, step := range []int64{10, 60, 900} {
			for _, cut := range []int64{epoch, epoch + 1, epoch + 59, epoch + 60, epoch + 600, epoch + 899, epoch + 900, epoch + 1800} {
				seen := make(map[int64]int)
				for b := range w.read("m", step, epoch, cut) {
					seen[b]++
					if b >= cut {
						t.Errorf("step %d: row %d before %d", step, b, cut)
					}
				}
				for b := range w.read("m", step, cut, epoch+1800) {
					seen[b]++
					if b < cut {
						t.Errorf("step %d: row %d from %d on", step, b, cut)
					}
				}
				for b, n := range seen {
					if n != 1 {
						t.Errorf("step %d cut at %d: row %d %d times", step, cut, b, n)
					}
				}
				if want := 1800 / step; int64(len(seen)) != want {
					t.Errorf("step %d cut at %d: %d rows, want %d", step, cut, len(seen), want)
				}
			}
		}
		w.pass(60)
	}
}

// windows.md 7.2: a coarse bucket that was written in many cycles is one row.
func testOneRow(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	for k := range int64(90) {
		w.keep("m", 10, epoch+10*k, values(int(k), 3)...)
		w.now += 10
		w.cycle()
		w.check()
	}
	w.pass(60)
	stored := dump(t, s)
	if want := 90 + 15 + 1; len(stored) != want {
		t.Fatalf("%d rows, want %d", len(stored), want)
	}
	w.checkStored()
}
