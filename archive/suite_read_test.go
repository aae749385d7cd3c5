package archive

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/coalesce-metrics/coalesce/store"
)

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

// Of a bucket that was never kept, Recall tells whether an earlier run has kept one of
// another period that begins at the same time, and does not take for that what a window
// has made of the same series.
func testRecallOthers(t *testing.T, s store.Store) {
	w := newWorld(t, s, nil)
	w.now++
	odd := ceil(epoch, 35)
	w.keep("shorter", 10, epoch, 1, 2)
	w.keep("shorter", 10, epoch+70, 1)
	w.keep("longer", 60, epoch, 1, 2, 3)
	w.keep("odd", 7, odd, 1)
	w.keep("same", 10, epoch+10, 1, 2)
	w.keep("same", 10, epoch+50, 1)
	w.now += 600
	keys := []Key{
		{"shorter", 60, epoch}, {"longer", 10, epoch}, {"odd", 5, odd}, {"shorter", 5, epoch}, {"longer", 900, epoch},
		{"shorter", 60, epoch + 60}, {"longer", 10, epoch + 10}, {"longer", 60, epoch}, {"odd", 5, odd + 5},
		{"same", 10, epoch}, {"same", 10, epoch + 10}, {"unknown", 10, epoch}, {"longer", 10, epoch + hour},
	}
	const others = 5 // of the keys, the first ones
	check := func(when string, others int) {
		t.Helper()
		got, err := w.a.Recall(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range got {
			if b.Other != (i < others) || b.Lost {
				t.Errorf("%s: %v: %+v", when, keys[i], b)
			}
		}
	}
	check("in one run", 0) // that is the caller's to know
	w.crash()
	check("in the journal", others)
	w.cycle()
	check("in the store, and rolled up", others)
	w.keep("same", 10, epoch+20, 1, 2, 3)
	check("amended", others)
	w.now += hour / 2
	w.crash()
	w.cycle()
	check("after another crash", others)
	w.store.set(func(f *fake) { f.down = true })
	if _, err := w.a.Recall(t.Context(), keys); !errors.Is(err, errDown) {
		t.Errorf("%v", err)
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
	w.keep("m", 10, epoch+100, 79) // older, but perhaps not sent
	w.keep("minute", 60, epoch+600, 3)
	w.keep("not", 10, epoch+600, 4)
	got := make(map[string]float64)
	from := func(s store.Series) int64 {
		if s.Name == "not" {
			return Never
		}
		return epoch + 600 - s.Period
	}
	err := w.a.Newest(t.Context(), from, func(s store.Series, b Bucket) error {
		key := fmt.Sprint(s.Name, " ", b.Step, " ", b.Start-epoch)
		if _, twice := got[key]; twice {
			t.Errorf("%s twice", key)
		}
		got[key] = b.Cell.Total()
		return nil
	})
	want := "map[m 10 100:79 m 10 590:77 m 10 600:78 minute 60 540:2 minute 60 600:3]"
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
