// Package storetest tests what every store.Store must do.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/periods"
	"github.com/coalesce-metrics/coalesce/store"
)

// Run tests a store. Each call of open returns an empty one, which is closed by the
// tests; a second Close must do no harm.
func Run(t *testing.T, open func(t testing.TB) store.Store) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"empty", testEmpty},
		{"write and read", testWriteRead},
		{"ranges are half-open", testRanges},
		{"replace", testReplace},
		{"writing twice changes nothing", testTwice},
		{"invalid batch", testInvalid},
		{"cells ascend", testOrder},
		{"unknown and repeated names", testUnknown},
		{"negative and zero starts", testNegative},
		{"names", testNames},
		{"data", testData},
		{"series are brought up to date", testSeries},
		{"periods", testPeriods},
		{"meta", testMeta},
		{"many series", testMany},
		{"many starts", testStarts},
		{"history", testHistory},
		{"expire slices", testExpireSlices},
		{"expire steps", testExpireSteps},
		{"expire series", testExpireSeries},
		{"drop", testDrop},
		{"drop many", testDropMany},
		{"drop beside readers", testDropBeside},
		{"drop cancelled or closed", testDropCancelled},
		{"yield's error", testYieldError},
		{"cancelled", testCancelled},
		{"readers beside a writer", testBeside},
		{"closed", testClosed},
		{"close waits", testCloseWaits},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			c.test(t, s)
			if err := s.Close(); err != nil {
				t.Error("Close:", err)
			}
		})
	}
	t.Run("against a model", func(t *testing.T) { testModel(t, open) })
}

func testEmpty(t *testing.T, s store.Store) {
	m := newModel()
	m.compare(t, s, 60)
	dropped, err := s.Expire(t.Context(), map[int64]int64{60: 1 << 30}, math.MaxInt64)
	if err != nil || len(dropped) != 0 {
		t.Errorf("Expire dropped %q, %v", dropped, err)
	}
	stats, err := s.Stats(t.Context())
	if err != nil || stats.Series != 0 || stats.Slices != 0 {
		t.Errorf("Stats are %+v, %v", stats, err)
	}
}

func testWriteRead(t *testing.T, s store.Store) {
	m := newModel()
	sum := store.Series{Name: "a.sum", Methods: []cell.Method{cell.Sum}, Period: 60, Seen: 120}
	raw := store.Series{Name: "b;k=v", Period: 10, Input: true, Seen: 120}
	m.write(t, s, store.Write{
		Series: []store.SeriesCells{
			{Series: sum, Cells: []store.Cell{{Step: 60, Start: 60, Data: []byte("one")}, {Step: 60, Start: 120, Data: []byte("two")}}},
			{Series: raw, Cells: []store.Cell{{Step: 10, Start: 120, Data: []byte("raw")}, {Step: 60, Start: 120, Data: []byte("rolled")}}},
			{Series: store.Series{Name: "no.cells", Period: 60}},
		},
		Meta: map[string]string{"mark": "120"},
	})
	m.compare(t, s, 10, 60, 300)
	stats, err := s.Stats(t.Context())
	if err != nil || stats.Series != 3 || stats.Slices < 1 || stats.Bytes < 1 {
		t.Errorf("Stats are %+v, %v", stats, err)
	}
}

func testRanges(t *testing.T, s store.Store) {
	length := store.SliceLength(60)
	starts := []int64{-60, 0, 60, length - 60, length, length + 60, 5 * length}
	w := one("n", 60, starts...)
	if err := s.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]int64{
		{math.MinInt64, math.MaxInt64}, {-60, 0}, {-60, -60}, {-59, 0}, {-61, -59}, {0, 1}, {0, 60}, {0, 61}, {1, 60}, {60, 0},
		{length - 60, length}, {length - 60, length + 1}, {length, length + 60}, {length + 1, 5 * length}, {5 * length, math.MaxInt64},
		{math.MaxInt64, math.MinInt64}, {store.MaxTime, math.MaxInt64},
	} {
		var want, read, scanned []int64
		for _, start := range starts {
			if start >= r[0] && start < r[1] {
				want = append(want, start)
			}
		}
		err := s.Read(t.Context(), []string{"n"}, 60, r[0], r[1], func(_ int, c store.Cell) error {
			read = append(read, c.Start)
			return nil
		})
		if err != nil || !slices.Equal(read, want) {
			t.Errorf("Read from %d until %d: %v, %v; expected %v", r[0], r[1], read, err, want)
		}
		err = s.Scan(t.Context(), 60, r[0], r[1], func(_ *store.Series, c store.Cell) error {
			scanned = append(scanned, c.Start)
			return nil
		})
		if err != nil || !slices.Equal(scanned, want) {
			t.Errorf("Scan from %d until %d: %v, %v; expected %v", r[0], r[1], scanned, err, want)
		}
	}
}

func testReplace(t *testing.T, s store.Store) {
	m := newModel()
	for version := range 3 {
		for _, start := range []int64{60, 120, 60 * int64(version)} {
			w := one("n", 60, start)
			w.Series[0].Cells[0].Data = fmt.Appendf(nil, "version %d, longer by %s", version, strings.Repeat("x", 100*version))
			m.write(t, s, w)
			m.compare(t, s, 60)
		}
	}
}

func testTwice(t *testing.T, s store.Store) {
	m := newModel()
	w := batch(1000, 60, 0)
	w.Meta = map[string]string{"k": "v"}
	m.write(t, s, w)
	before, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, s, w)
	m.compare(t, s, 60)
	if after, err := s.Stats(t.Context()); err != nil || after.Series != before.Series || after.Slices != before.Slices {
		t.Errorf("Stats were %+v and are %+v, %v", before, after, err)
	}
}

func testInvalid(t *testing.T, s store.Store) {
	m := newModel()
	m.write(t, s, one("there", 60, 60))
	bad := func(change func(c *store.Cell)) store.Write {
		w := batch(300, 60, 120)
		change(&w.Series[299].Cells[0])
		return w
	}
	for name, w := range map[string]store.Write{
		"no name":                 {Series: []store.SeriesCells{{}}},
		"long name":               {Series: []store.SeriesCells{{Series: store.Series{Name: strings.Repeat("n", store.MaxName+1)}}}},
		"series twice":            {Series: []store.SeriesCells{one("n", 60, 60).Series[0], one("n", 60, 120).Series[0]}},
		"cell twice":              one("n", 60, 60, 120, 60),
		"method 0":                {Series: []store.SeriesCells{{Series: store.Series{Name: "n", Methods: []cell.Method{0}}}}},
		"seen far away":           {Series: []store.SeriesCells{{Series: store.Series{Name: "n", Seen: math.MaxInt64}}}},
		"step 0":                  bad(func(c *store.Cell) { c.Step = 0 }),
		"negative step":           bad(func(c *store.Cell) { c.Step = -60 }),
		"large step":              bad(func(c *store.Cell) { c.Step = store.MaxStep + 1 }),
		"start not on the grid":   bad(func(c *store.Cell) { c.Start++ }),
		"start far away":          bad(func(c *store.Cell) { c.Start = store.MaxTime/60*60 + 60 }),
		"start far in the past":   bad(func(c *store.Cell) { c.Start = -store.MaxTime/60*60 - 60 }),
		"no data":                 bad(func(c *store.Cell) { c.Data = nil }),
		"much data":               bad(func(c *store.Cell) { c.Data = make([]byte, store.MaxData+1) }),
		"long key of meta data":   {Meta: map[string]string{strings.Repeat("k", store.MaxKey+1): ""}},
		"long value of meta data": {Meta: map[string]string{"k": strings.Repeat("v", store.MaxData+1)}},
	} {
		if err := s.Write(t.Context(), w); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v, expected ErrInvalid", name, err)
		}
	}
	m.compare(t, s, 60)
}

func testOrder(t *testing.T, s store.Store) {
	m := newModel()
	length := store.SliceLength(60)
	m.write(t, s, one("n", 60, 2*length, 60, length+60, 0, length))
	m.write(t, s, one("o", 60, length, 0))
	m.write(t, s, one("n", 60, 120, length-60, 3*length, -60))
	m.compare(t, s, 60)
}

func testUnknown(t *testing.T, s store.Store) {
	if err := s.Write(t.Context(), one("n", 60, 60)); err != nil {
		t.Fatal(err)
	}
	var got []int
	names := []string{"m", "n", "", "n", "N", "n "}
	err := s.Read(t.Context(), names, 60, 0, 100, func(i int, _ store.Cell) error {
		got = append(got, i)
		return nil
	})
	slices.Sort(got)
	if want := []int{1, 3}; err != nil || !slices.Equal(got, want) {
		t.Errorf("cells of names %v, %v; expected %v", got, err, want)
	}
	for _, step := range []int64{61, 0, -60, math.MaxInt64, math.MinInt64} {
		err := s.Read(t.Context(), names, step, math.MinInt64, math.MaxInt64, func(int, store.Cell) error {
			return errors.New("a cell")
		})
		if err == nil {
			err = s.Scan(t.Context(), step, math.MinInt64, math.MaxInt64, func(*store.Series, store.Cell) error {
				return errors.New("a cell")
			})
		}
		if err != nil {
			t.Errorf("step %d: %v", step, err)
		}
	}
}

func testNegative(t *testing.T, s store.Store) {
	m := newModel()
	for _, step := range []int64{1, 7, 60, 900, 86400, store.MaxStep} {
		m.write(t, s, one("n", step, -2*step, -step, 0, step, store.MaxTime/step*step, -store.MaxTime/step*step))
	}
	m.compare(t, s, 1, 7, 60, 900, 86400, store.MaxStep)
}

func testNames(t *testing.T, s store.Store) {
	m := newModel()
	names := []string{
		"a", "A", "a ", " a", "a.b", "a;b=c", "a;b=c;d=e", "a;b=", "grüße.日本;k=ü", "sum\x00of;m=\x00", "\x00", "a\x00", "a\x00b",
		"\xff\xfe invalid", `quotes "'` + "`", "percent % _ *", `back\slash`, "new\nline", "NULL", "123", "0x00", strings.Repeat("long.", 20000),
		"a;host=web.01,b", "a;=v", ";k=v", "a;k", "cells_60_0", "[a-z]", "{a,b}", "$1", "?",
	}
	w := store.Write{}
	for i, name := range names {
		w.Series = append(w.Series, store.SeriesCells{
			Series: store.Series{Name: name, Period: 60},
			Cells:  []store.Cell{{Step: 60, Start: 60 * int64(i), Data: []byte(name[:min(len(name), 100)])}},
		})
	}
	m.write(t, s, w)
	m.compare(t, s, 60)
	// Once more with names that are known, and again after a change.
	for i := range w.Series {
		w.Series[i].Series.Period = 10
	}
	m.write(t, s, w)
	m.compare(t, s, 60)
	dropped, err := s.Expire(t.Context(), map[int64]int64{60: -1 << 30}, 2*store.SeenLag)
	slices.Sort(dropped)
	slices.Sort(names)
	if err != nil || !slices.Equal(dropped, names) {
		t.Errorf("dropped %q, %v; expected all", dropped, err)
	}
}

func testData(t *testing.T, s store.Store) {
	m := newModel()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	var c cell.Cell
	v := &cell.Values{}
	for i := range 3000 {
		x := math.Exp(float64(i%700) - 350)
		c.Add(x, float64(i))
		v.Add(x)
	}
	var infinite cell.Cell
	infinite.Add(math.Inf(1), 0)
	infinite.Add(math.Inf(-1), 1)
	w := one("n", 60, 0, 60, 120, 180, 240, 300, 360)
	for i, data := range [][]byte{
		{0}, every, make([]byte, store.MaxData), cell.AppendBinary(nil, &c, v), cell.AppendBinary(nil, &cell.Cell{}, nil),
		cell.AppendBinary(nil, &infinite, nil), []byte("no cell"),
	} {
		w.Series[0].Cells[i].Data = data
	}
	m.write(t, s, w)
	m.compare(t, s, 60)
}

func testSeries(t *testing.T, s store.Store) {
	m := newModel()
	p999, err := cell.ParseMethod("p99.9")
	if err != nil {
		t.Fatal(err)
	}
	for _, sr := range []store.Series{
		{Name: "n", Methods: []cell.Method{cell.Sum}, Period: 60, Seen: 1000000},
		{Name: "n", Methods: []cell.Method{cell.Sum}, Period: 60, Seen: 5},
		{Name: "n", Methods: []cell.Method{cell.Sum, cell.Max, p999}, Period: 60, Seen: 1000001},
		{Name: "n", Period: 10, Input: true, Seen: 1000060},
		{Name: "n", Period: 10, Input: true, Seen: 1000060 + 10*store.SeenLag},
		{Name: "n", Period: 10, Seen: -5},
		{Name: "other", Seen: -100000},
		{Name: "other", Seen: -50000},
	} {
		m.write(t, s, store.Write{Series: []store.SeriesCells{{Series: sr}}})
		m.compare(t, s, 60)
	}
}

// A series remembers the periods of its cells; late ones do not set it back.
func testPeriods(t *testing.T, s store.Store) {
	of := func(period int64, starts ...int64) store.Write { return one("n", period, starts...) }
	both := of(20, 360, 380)
	both.Series[0].Series.Periods = periods.History{{Period: 30, From: 180, Until: 360}, {Period: 20, From: 360, Until: periods.Never}}
	for _, c := range []struct {
		what   string
		write  store.Write
		period int64
		want   string
	}{
		{"new", of(10, 60, 70), 10, ""},
		{"more", of(10, 80), 10, ""},
		{"another period", of(30, 120, 150), 30, "10:-9223372036854775808:120,30:120:9223372036854775807"},
		{"a late cell", of(10, 110), 30, "10:-9223372036854775808:120,30:120:9223372036854775807"},
		{"what follows", of(30, 180), 30, "10:-9223372036854775808:120,30:120:9223372036854775807"},
		{"cells of two", both, 20, "10:-9223372036854775808:120,30:120:360,20:360:9223372036854775807"},
		{"back", of(10, 400), 10, "10:-9223372036854775808:120,30:120:360,20:360:400,10:400:9223372036854775807"},
	} {
		if err := s.Write(t.Context(), c.write); err != nil {
			t.Fatal(c.what, err)
		}
		check := func(sr *store.Series) {
			if got := sr.Periods.String(); sr.Period != c.period || got != c.want {
				t.Errorf("%s: period %d with %q, want %d with %q", c.what, sr.Period, got, c.period, c.want)
			}
		}
		err := s.Load(t.Context(), func(sr store.Series) error { check(&sr); return nil })
		if err == nil {
			err = s.Scan(t.Context(), 10, 0, 1000, func(sr *store.Series, _ store.Cell) error { check(sr); return nil })
		}
		if err != nil {
			t.Fatal(c.what, err)
		}
	}
	if err := s.Drop(t.Context(), []string{"n"}); err != nil {
		t.Fatal(err)
	}
	m := newModel()
	m.write(t, s, of(60, 0)) // begins anew
	m.compare(t, s, 60)
}

func testMeta(t *testing.T, s store.Store) {
	m := newModel()
	for _, meta := range []map[string]string{
		{"a": "1", "b": "2"}, {"a": "3"}, {"c": ""}, {"": "empty key"}, {"\x00\xff": "\xff\x00"}, {"a": strings.Repeat("x", 100000), "d": "€"}, nil,
	} {
		m.write(t, s, store.Write{Meta: meta})
		m.compare(t, s, 60)
	}
}

func testYieldError(t *testing.T, s store.Store) {
	if err := s.Write(t.Context(), batch(10, 60, 60)); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	for what, call := range calls(s, func() error { return enough }) {
		if err := call(t.Context()); !errors.Is(err, enough) {
			t.Errorf("%s: %v, expected the error of yield", what, err)
		}
	}
}

// calls are those with a yield, over what batch(…, 60, 60) has.
func calls(s store.Store, yield func() error) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Read": func(ctx context.Context) error {
			return s.Read(ctx, []string{name(3)}, 60, 0, 1000, func(int, store.Cell) error { return yield() })
		},
		"Scan": func(ctx context.Context) error {
			return s.Scan(ctx, 60, 0, 1000, func(*store.Series, store.Cell) error { return yield() })
		},
		"Load": func(ctx context.Context) error {
			return s.Load(ctx, func(store.Series) error { return yield() })
		},
	}
}
