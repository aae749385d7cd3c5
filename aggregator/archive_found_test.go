package aggregator

import (
	"math"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
)

// A bucket that the archive had, and has lost before it was asked, is not taken
// for one that was never emitted.
func TestLostWhileAsked(t *testing.T) {
	for _, flush := range []bool{false, true} {
		for _, later := range []Cover{NotCovered, Merges} {
			c, f := archiving(t, 5000, "out (10) = sum in\n", nil)
			c.add("in", 1, 5001)
			c.through(5100)
			c.want(Row{"out", 1, 5000})
			c.add("in", 2, 5002)
			k := Key{"out", 10, 5000}
			f.lose(k, later)
			if flush {
				c.a.Flush()
			} else {
				c.through(5130)
			}
			c.want()
			if later == Merges {
				if got := f.parts[k]; got.Count != 1 || got.Total() != 2 {
					t.Errorf("flush %v: the archive has %+v in parts, want the late 2", flush, got)
				}
				c.drops()
			} else {
				c.drops(TooOld, 1)
			}
		}
	}
}

// Where an earlier run, of which nothing else is known, has emitted a bucket of another
// period, nothing takes its place.
func TestAnotherPeriodBeforeACrash(t *testing.T) {
	for _, flush := range []bool{false, true} {
		c, f := archiving(t, 5000, "out (10) = sum in\n", func(cfg *Config) { cfg.NotBefore = 5000 })
		k := Key{"out", 10, 4900}
		f.others[k] = true
		c.add("in", 1, 4901)
		c.add("in", 2, 4911)
		if flush {
			c.a.Flush()
		} else {
			c.through(5030)
		}
		c.want(Row{"out", 2, 4910})
		c.drops(TooOld, 1)
		if got := f.cells[k].Cell.Count; got != 0 {
			t.Errorf("flush %v: the archive has %d", flush, got)
		}
	}
}

// What an output of another period has emitted of a row before it left is not in
// the archive under the period of the next one.
func TestOutputReturnsWithAnotherPeriod(t *testing.T) {
	c, _ := archiving(t, 1000, "out (20) = sum in\n", func(cfg *Config) { cfg.OutputIdle = 1 })
	c.add("in", 1, 1001)
	c.add("in", 2, 1011)
	c.through(1200) // emitted, forgotten, and the output has left
	c.want(Row{"out", 3, 1000})
	c.a.SetRules(parseRules(t, "out (10) = sum in\n"))
	c.add("in", 4, 1001)
	c.through(1300)
	c.want()
	c.drops(TooOld, 1)
}

// Outputs of one name and period that make different rows have cells of their own.
func TestOutputsOfOneNameInTheArchive(t *testing.T) {
	c, f := archiving(t, 1000, "out.<method> (10) = sum,max a\nout.<method> (10) = count,max b\n", nil)
	c.add("a", 5, 1001)
	c.add("b", 1, 1001)
	c.add("b", 1, 1002)
	c.through(1100)
	c.want(Row{"out.sum", 5, 1000}, Row{"out.max", 5, 1000}, Row{"out.count", 2, 1000})
	if got := f.cells[Key{"out.\x00", 10, 1000}].Cell; got.Count != 1 || got.Total() != 5 {
		t.Errorf("the archive has %+v, want what the first rule made", got)
	}
	c.add("a", 6, 1003)
	c.add("b", 1, 1003)
	c.through(1200)
	c.want(Row{"out.sum", 11, 1000}, Row{"out.max", 6, 1000})
	c.drops(TooOld, 1) // the second is not kept
}

// Only the rows that an output emits are kept as its own.
func TestKeptRowsOfContestedOutputs(t *testing.T) {
	c, f := archiving(t, 1000, "out.sum (10) = sum a\nout.<method> (10) = sum,max b\n", nil)
	c.add("a", 5, 1001)
	c.add("b", 1, 1001)
	c.through(1100)
	c.want(Row{"out.sum", 5, 1000}, Row{"out.max", 1, 1000})
	if got := f.rows; len(got) != 2 || got["out.sum"] != "out.sum" || got["out.max"] != "out.\x00" {
		t.Errorf("rows are kept as %q", got)
	}
}

// What is announced of a row is who makes it, and it departs with the last.
func TestAnnouncedRows(t *testing.T) {
	known := map[string]Output{}
	each := func(o Output, f func(row string)) {
		for _, m := range o.Methods {
			f(rowNames(o.Name, makeSpec(o.Period, []cell.Method{m}, o.Input))[0])
		}
	}
	text := "x (10) = sum a\nx (60) = max b\n"
	c := start(t, 1000, text, func(cfg *Config) {
		cfg.OutputIdle = 100
		cfg.Announce = func(o Output) { each(o, func(row string) { known[row] = o }) }
		cfg.Departed = func(o Output) { each(o, func(row string) { delete(known, row) }) }
	})
	c.add("a", 1, 1001)
	c.add("b", 1, 1001) // conflict
	if known["x"].Period != 10 {
		t.Errorf("the row is announced as %+v", known["x"])
	}
	for c.now < 2000 {
		c.add("a", 1, c.now)
		c.through(c.now + 10)
	}
	if len(c.a.outputs) != 1 || known["x"].Period != 10 {
		t.Errorf("when the loser has left, the row is known as %+v", known)
	}
	c.add("b", 1, c.now)
	c.restart(text)
	if known["x"].Period != 10 {
		t.Errorf("after a restart the row is known as %+v", known["x"])
	}
	for c.now < 3000 {
		c.add("b", 1, c.now)
		c.through(c.now + 10)
	}
	if len(c.a.outputs) != 1 || known["x"].Period != 60 {
		t.Errorf("when the first has left, the row is known as %+v", known)
	}
	c.through(4000)
	if len(known) != 0 {
		t.Errorf("known in the end: %v", known)
	}
}

// A bucket that is not complete says so to those who read it.
func TestReadingWhatIsMissing(t *testing.T) {
	c, f := archiving(t, 5000, "out (10) = sum in\n", nil)
	c.add("in", 1, 5001)
	c.add("in", 1, 3001)
	c.through(5100)
	f.fails = true
	c.add("in", 2, 5001) // missing
	c.add("in", 2, 3001) // silent
	read := func() []Bucket {
		got, _ := c.a.Buckets("out", math.MinInt64, math.MaxInt64)
		return got
	}
	for _, at := range []float64{5100, 5106, 5112} {
		c.through(at)
		if got := read(); len(got) != 1 || got[0].Start != 5000 || !got[0].Part || got[0].Cell.Total() != 2 {
			t.Errorf("at %v: %+v, want the part of 5000", at, got)
		}
	}
	f.fails = false
	c.through(5130)
	if got := read(); len(got) != 1 || got[0].Part || got[0].Cell.Total() != 3 {
		t.Errorf("%+v, want all of 5000", got)
	}
	c.drops()
}

// What has come late is read before the archive has answered only where the rest is
// to be had under the name and period of its own output.
func TestReadingWhatMayBeOthers(t *testing.T) {
	const (
		long    = "out (20) = sum in\n"
		short   = "out (10) = sum in\n"
		counted = "out (10) = count in\n"
		pair    = "out.<method> (10) = sum,count in\n"
		one     = "out.sum (10) = sum in\n"
	)
	type read struct {
		count int64
		part  bool
	}
	notRead := read{}
	for name, s := range map[string]struct {
		row         string
		rules       []string // the first emits the bucket at 1000, the next that at 1100; each leaves
		last        string   // gets a late datapoint for 1000
		asked, told read     // before and after the answer
	}{
		"its own":                      {"out", []string{short}, short, read{1, true}, read{2, false}},
		"of another method":            {"out", []string{short}, counted, read{1, true}, read{2, false}},
		"of another period":            {"out", []string{long}, short, notRead, notRead},
		"of another name":              {"out.sum", []string{pair}, one, notRead, notRead},
		"its own, before another came": {"out", []string{short, long}, short, notRead, read{2, false}},
		"of the one before the last":   {"out", []string{long, short}, counted, notRead, notRead},
	} {
		t.Run(name, func(t *testing.T) {
			c, f := archiving(t, 1000, "", func(cfg *Config) { cfg.OutputIdle = 1 })
			for i, text := range s.rules {
				c.reload(text)
				c.add("in", 1, float64(1001+100*i))
				c.through(float64(1200 + 200*i)) // emitted, forgotten, and the output has left
			}
			c.reload(s.last)
			c.rows = nil
			f.slow = true
			look := func(when string, want read) {
				t.Helper()
				var got read
				held, _ := c.a.Buckets(s.row, 1000, 1001)
				for _, b := range held {
					got = read{b.Cell.Count, b.Part}
				}
				if got != want {
					t.Errorf("%s: read %+v, want %+v", when, got, want)
				}
			}
			c.add("in", 1, 1002)
			look("missing", s.asked)
			c.through(c.now + 20)
			look("asked", s.asked)
			if len(f.answers) != 1 {
				t.Fatalf("the archive is asked %d times, want 1", len(f.answers))
			}
			f.slow = false
			f.deliver()
			look("answered", s.told)
			c.through(c.now + 1)
			look("closed", s.told)
			if refused := s.told == notRead; refused != (len(c.rows) == 0) {
				t.Errorf("emitted %v, refused %v", c.rows, refused)
			}
			// What no other has emitted is read at once.
			from := int64(c.now) / 10 * 10
			c.add("in", 1, c.now)
			held, _ := c.a.Buckets(s.row, from, from+10)
			if len(held) != 1 || held[0].Part {
				t.Errorf("the newest bucket is read as %+v", held)
			}
		})
	}
}
