package aggregator

import (
	"errors"
	"math"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

// fakeArchive covers buckets from since on: whole for retention seconds, then as
// parts of longer ones for ten times as long.
type fakeArchive struct {
	t         testing.TB
	now       *float64
	since     int64
	retention float64
	cells     map[Key]Recalled
	parts     map[Key]cell.Cell // merged
	rows      map[string]string // under which output a row was kept last
	fails     bool
	slow      bool          // answers wait for deliver
	answers   []func()      // that wait
	lost      map[Key]Cover // what is covered no more, and is found out when it is asked for
	told      map[Key]bool  // it was
	others    map[Key]bool  // another period was emitted there
	kept      int           // since the last Commit
	replaces  bool          // a cell may be replaced by one of fewer datapoints
	closed    []Closed      // as they came, without cells
	asked     int
}

func newFakeArchive(t testing.TB) *fakeArchive {
	return &fakeArchive{
		t: t, retention: 1000, cells: map[Key]Recalled{}, parts: map[Key]cell.Cell{}, rows: map[string]string{},
		lost: map[Key]Cover{}, told: map[Key]bool{}, others: map[Key]bool{},
	}
}

// lose has the archive lose a bucket, which it finds out when it is asked.
func (f *fakeArchive) lose(k Key, later Cover) {
	delete(f.cells, k)
	f.lost[k] = later
}

func (f *fakeArchive) Covers(period, start int64) Cover {
	for k := range f.told {
		if k.Period == period && k.Start == start {
			return f.lost[k]
		}
	}
	age := *f.now - float64(start+period)
	switch {
	case start < f.since || age >= 10*f.retention:
		return NotCovered
	case age >= f.retention:
		return Merges
	}
	return Whole
}

func (f *fakeArchive) Keep(c *Closed) {
	f.kept++
	f.closed = append(f.closed, Closed{Output: c.Output, Methods: c.Methods, Input: c.Input, Period: c.Period, Start: c.Start, Part: c.Part})
	k := Key{c.Output, c.Period, c.Start}
	for _, m := range c.Methods {
		f.rows[string(rules.AppendRow(nil, []byte(c.Output), m))] = c.Output
	}
	if c.Part {
		sum := f.parts[k]
		sum.Merge(c.Cell)
		f.parts[k] = sum
		return
	}
	if before := f.cells[k]; before.Cell.Count > c.Cell.Count && !f.replaces {
		f.t.Errorf("%v: %d datapoints replace %d", k, c.Cell.Count, before.Cell.Count)
	}
	f.cells[k] = Recalled{Cell: *c.Cell, Values: c.Values.Clone()}
}

func (f *fakeArchive) Commit() { f.kept = 0 }

func (f *fakeArchive) Recall(keys []Key, answer func([]Recalled, error)) {
	f.asked += len(keys)
	if f.slow {
		f.answers = append(f.answers, func() { f.answer(keys, answer) })
		return
	}
	f.answer(keys, answer)
}

// deliver gives the answers that wait.
func (f *fakeArchive) deliver() {
	for _, answer := range f.answers {
		answer()
	}
	f.answers = nil
}

func (f *fakeArchive) answer(keys []Key, answer func([]Recalled, error)) {
	if f.fails {
		answer(nil, errors.New("the store is away"))
		return
	}
	found := make([]Recalled, len(keys))
	for i, k := range keys {
		found[i] = Recalled{Cell: f.cells[k].Cell, Values: f.cells[k].Values.Clone(), Other: f.others[k]}
		if _, ok := f.lost[k]; ok {
			f.told[k] = true
			found[i].Lost = true
		}
	}
	answer(found, nil)
}

// archiving starts an aggregator with an archive.
func archiving(t testing.TB, at float64, ruleText string, change func(*Config)) (*clock, *fakeArchive) {
	f := newFakeArchive(t)
	c := start(t, at, ruleText, func(cfg *Config) {
		f.now = &at // until there is a clock
		cfg.Archive = f
		if change != nil {
			change(cfg)
		}
	})
	f.now = &c.now
	emit := c.a.cfg.Emit
	c.a.cfg.Emit = func(rows []Row, again bool) {
		if f.kept > 0 {
			t.Error("rows are emitted before what was kept is durable")
		}
		emit(rows, again)
	}
	return c, f
}

func TestLateDataIsMergedThroughTheArchive(t *testing.T) {
	c, f := archiving(t, 1000, "out (10) = sum in.*\n", nil)
	c.add("in.a", 1, 1001)
	c.add("in.b", 2, 1002)
	c.through(1100) // closed, emitted and forgotten
	c.want(Row{"out", 3, 1000})
	if got := f.cells[Key{"out", 10, 1000}].Cell.Count; got != 2 {
		t.Fatalf("%d datapoints are kept, want 2", got)
	}
	c.add("in.a", 4, 1003)
	c.through(1110)
	c.want(Row{"out", 7, 1000})
	if got := f.cells[Key{"out", 10, 1000}].Cell; got.Total() != 7 {
		t.Errorf("the archive has %v, want 7", got.Total())
	}
	c.add("in.a", 5, 1004) // held again
	c.through(1120)
	c.want(Row{"out", 12, 1000})
	if f.asked != 1 {
		t.Errorf("asked for %d buckets, want 1", f.asked)
	}
	c.drops()
}

func TestPercentilesThroughTheArchive(t *testing.T) {
	c, f := archiving(t, 1000, "out (10) = p50 in\n", nil)
	c.add("in", 1, 1001)
	c.add("in", 2, 1002)
	c.through(1100)
	c.want(Row{"out", 1.5, 1000})
	c.add("in", 3, 1003)
	c.through(1200)
	c.want(Row{"out", 2, 1000})
	k := Key{"out", 10, 1000}
	f.cells[k] = Recalled{Cell: f.cells[k].Cell}
	c.add("in", 4, 1004)
	c.through(1300)
	c.want() // the values of the first three are not to be had
	c.drops()
}

func TestArchiveThatDoesNotAnswer(t *testing.T) {
	c, f := archiving(t, 1000, "out (10) = sum in\n", nil)
	c.add("in", 1, 1001)
	c.through(1100)
	c.want(Row{"out", 1, 1000})
	f.fails = true
	c.add("in", 2, 1001)
	c.through(1130)
	c.want()
	c.add("in", 4, 1002)
	f.fails = false
	c.through(1140)
	c.want(Row{"out", 7, 1000})
	c.drops()
}

func TestTooOldForTheArchive(t *testing.T) {
	c, f := archiving(t, 1000, "out (10) = sum in\n", nil)
	f.since = 1010
	c.add("in", 1, 1001)
	c.add("in", 1, 1011)
	c.through(1100)
	c.want(Row{"out", 1, 1000}, Row{"out", 1, 1010})
	c.add("in", 2, 1002) // emitted before the archive began, as far as it knows
	c.add("in", 2, 1012)
	c.through(1120)
	c.want(Row{"out", 3, 1010})
	c.drops(TooOld, 1)
}

func TestPartsOfLongerCells(t *testing.T) {
	c, f := archiving(t, 5000, "out (10) = sum in\n", nil)
	k := Key{"out", 10, 3000}
	c.add("in", 1, 3001) // history: never emitted
	c.through(5010)
	c.want(Row{"out", 1, 3000})
	c.add("in", 2, 3002) // still held, amended whole, kept as what came since
	c.through(5020)
	c.want(Row{"out", 3, 3000})
	c.through(5100)      // forgotten
	c.add("in", 4, 3003) // can only be merged
	c.through(5200)
	c.want()
	got := f.parts[k]
	if got.Count != 3 || got.Total() != 7 {
		t.Errorf("the archive has %d datapoints, sum %v; want 3, 7", got.Count, got.Total())
	}
	if s := c.a.Stats(); s.Merged != 1 || s.Closed != 1 || s.Amended != 1 {
		t.Errorf("merged %d, closed %d, amended %d; want 1 of each", s.Merged, s.Closed, s.Amended)
	}
	c.drops()
}

func TestAfterACrash(t *testing.T) {
	c, f := archiving(t, 1000, "out (10) = sum in\n", nil)
	for _, at := range []float64{1001, 1011, 1021} {
		c.add("in", 1, at)
	}
	c.through(1016) // emits the first only
	c.want(Row{"out", 1, 1000})
	cfg := c.a.cfg
	cfg.NotBefore = c.now
	c.now = 1026
	c.run(cfg)
	c.add("in", 2, 1001)
	c.add("in", 2, 1011)
	c.through(1040)
	// What was emitted is completed; what was not begins anew.
	c.want(Row{"out", 3, 1000}, Row{"out", 2, 1010})
	if f.asked != 2 {
		t.Errorf("asked for %d buckets, want 2", f.asked)
	}
	c.drops()

	cfg.WriteBack = 1 // what was emitted early is not known
	cfg.NotBefore = c.now
	c.run(cfg)
	c.add("in", 3, 1021)
	c.through(1060)
	c.want()
	c.drops(TooOld, 1)
}

func TestFlushWithoutAnswer(t *testing.T) {
	for _, fails := range []bool{false, true} {
		c, f := archiving(t, 1000, "out (10) = sum in\n", nil)
		c.add("in", 1, 1001)
		c.through(1100)
		c.want(Row{"out", 1, 1000})
		f.fails = fails
		c.add("in", 2, 1002)
		c.a.Flush()
		if fails {
			c.want()
			c.drops(TooOld, 1)
		} else {
			c.want(Row{"out", 3, 1000})
			c.drops()
		}
	}
}

func TestCheckpointOfWhatIsMissing(t *testing.T) {
	for _, away := range []bool{false, true} {
		c, f := archiving(t, 5000, "out (10) = sum in\n", nil)
		c.add("in", 1, 5001)
		c.add("in", 1, 3001)
		c.through(5100)
		c.want(Row{"out", 1, 5000}, Row{"out", 1, 3000})
		f.fails = true
		c.add("in", 2, 5002)
		c.add("in", 2, 3002)
		c.tick(5100)
		if away {
			c.a.cfg.Archive = nil
		}
		c.restart("out (10) = sum in\n")
		f.fails = false
		c.through(5120)
		if away {
			c.want()
			s := c.a.Stats()
			if s.Dropped[TooOld] != 2 || s.Contributions != 2 || s.Added != 0 {
				t.Errorf("%+v: want two contributions of the run before dropped", s)
			}
			continue
		}
		c.want(Row{"out", 3, 5000})
		if got := f.parts[Key{"out", 10, 3000}]; got.Count != 2 || got.Total() != 3 {
			t.Errorf("the archive has %d datapoints, sum %v; want 2, 3", got.Count, got.Total())
		}
	}
}

// withInputs adds rules that keep series as they are received.
func withInputs(t *testing.T, set *rules.Set) *rules.Set {
	kept, err := rules.NewInput("", 0, "in.*", 5, false)
	if err != nil {
		t.Fatal(err)
	}
	collected, err := rules.NewInput("", 0, "", 5, true)
	if err != nil {
		t.Fatal(err)
	}
	return rules.NewSet(append(set.Rules(), kept, collected))
}

func TestInputsAreKeptAndNotSent(t *testing.T) {
	var known, left []Output
	c, f := archiving(t, 1000, "out (10) = sum in.*\n", func(cfg *Config) {
		cfg.Rules = withInputs(t, cfg.Rules)
		cfg.Announce = func(o Output) { known = append(known, o) }
		cfg.Departed = func(o Output) { left = append(left, o) }
		cfg.ForwardAll = true
	})
	c.add("in.a", 1, 1001)
	c.add("x.y", 2, 1001)
	l := c.a.Acquire()
	b := batchOf("x.y", 3, 1002)
	l.AddCollected(b)
	l.Release()
	if got, ok := c.a.Buckets("x.y", 0, math.MaxInt64); !ok || len(got) != 1 || got[0].Cell.Total() != 3 || got[0].Method != cell.Avg {
		t.Errorf("held of x.y: %v", got)
	}
	c.through(1100)
	c.want(Row{"out", 1, 1000})
	for k, want := range map[Key]float64{{"out", 10, 1000}: 1, {"in.a", 5, 1000}: 1, {"x.y", 5, 1000}: 3} {
		if got := f.cells[k].Cell; got.Total() != want {
			t.Errorf("%v: kept %v, want %v", k, got.Total(), want)
		}
	}
	if len(f.cells) != 3 || len(known) != 3 {
		t.Errorf("%d cells kept of %d outputs, want 3 of each", len(f.cells), len(known))
	}
	if c.nLines != 3 {
		t.Errorf("%d lines forwarded, want 3", c.nLines)
	}
	if f.cells[Key{"x.y", 5, 1000}].Values.Len() != 1 {
		t.Error("the values of a collected series are not kept")
	}
	c.drops()
	c.through(1100 + 3600 + 10)
	if len(left) != len(known) {
		t.Errorf("%d outputs left, want %d", len(left), len(known))
	}
}
