package aggregator

import (
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
)

// plain is a cell of one value.
func plain(v, t float64) cell.Cell {
	var c cell.Cell
	c.Add(v, t)
	return c
}

// complexCell is a cell of several values, of which only what is given is known.
func complexCell(n int64, sum, lo, hi, stddev, t float64) cell.Cell {
	return cell.Cell{
		Count: n, Sum: sum, Min: lo, Max: hi, M2: stddev * stddev * float64(n), Last: sum / float64(n), LastTime: t,
	}
}

func (c *clock) stream(s Stream) StreamID {
	c.t.Helper()
	id, err := c.a.Stream(s)
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// measure adds a cell at its LastTime.
func (c *clock) measure(id StreamID, name string, x cell.Cell) {
	c.a.AddMeasurements([]Measurement{{[]byte(name), x.LastTime, x, id}})
}

var (
	rawStream = Stream{Period: 1, Method: cell.Avg, Replace: true, Grace: 0.5}
	sumStream = Stream{Period: 60, Method: cell.Sum, Emit: true, Grace: 10}
)

// bucket reads the one bucket of a row.
func (c *clock) bucket(row string, start int64) Bucket {
	c.t.Helper()
	found, _ := c.a.Buckets(row, start, start+1)
	if len(found) != 1 {
		c.t.Fatalf("row %q has %d buckets at %d", row, len(found), start)
	}
	return found[0]
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-12) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestComplexMeasurementsArePooled(t *testing.T) {
	c := start(t, 1000, "dev (60) = stddev m\n", nil)
	id := c.stream(sumStream)
	c.measure(id, "m;host=a", complexCell(2, 4, 1, 3, 1, 1000))
	c.measure(id, "m;host=a", complexCell(2, 12, 5, 7, 1, 1001))
	x := c.bucket("m;host=a", 960).Cell
	if x.Count != 4 || x.Total() != 16 || x.Min != 1 || x.Max != 7 || x.Last != 6 {
		t.Errorf("the cell is %+v", x)
	}
	near(t, "the mean", x.Mean(), 4)
	near(t, "the deviation", x.Stddev(), math.Sqrt(5))
	c.through(1030)
	c.want(Row{"m;host=a", 16, 960})
	c.through(1030)
	// Late, it is made whole.
	c.measure(id, "m;host=a", plain(4, 1005))
	c.through(1045)
	c.want(Row{"m;host=a", 20, 960})
	s := c.a.Stats()
	if s.Accepted != 5 || s.Matched != 5 || s.Contributions != 5 || s.Added != 5 || s.Late != 1 {
		t.Errorf("counted %+v", s)
	}
	c.balance(s)
}

func TestUnknownDeviationSpreads(t *testing.T) {
	c := start(t, 1000, "", nil)
	id := c.stream(sumStream)
	x := complexCell(2, 4, 1, 3, math.NaN(), 1000)
	c.measure(id, "m", x)
	c.measure(id, "m", plain(1, 1001))
	if got := c.bucket("m", 960).Cell; got.Count != 3 || !math.IsNaN(got.Stddev()) {
		t.Errorf("the cell is %+v", got)
	}
}

func TestMeasurementsFeedRules(t *testing.T) {
	c := start(t, 1000, "all (10) = sum m\nall.p50 (10) = p50 m\n", func(cfg *Config) { cfg.ForwardAll = true })
	raw := c.stream(rawStream)
	c.measure(raw, "m", plain(3, 1000))
	c.measure(raw, "m", complexCell(3, 15, 1, 9, 0, 1001))
	if c.lines != "m 3 1000\nm 5 1001\n" || c.nLines != 2 {
		t.Errorf("forwarded %q", c.lines)
	}
	c.through(1020)
	got := map[string]float64{}
	for _, r := range c.rows {
		got[r.Name] = r.Value
	}
	if len(got) != 2 || got["all"] != 18 || math.Abs(got["all.p50"]-5) > 0.05 {
		t.Errorf("rows %v", c.rows)
	}
	s := c.a.Stats()
	if s.Accepted != 4 || s.Contributions != 12 || s.Added != 12 || s.Forwarded != 2 {
		t.Errorf("counted %+v", s)
	}
	c.balance(s)
}

func TestLaterMeasurementReplaces(t *testing.T) {
	c := start(t, 1000, "all (10) = count m\n", nil)
	id := c.stream(rawStream)
	value := func(want float64, count int64, replaced uint64) {
		t.Helper()
		b := c.bucket("m", 1000)
		if s := c.a.Stats(); b.Value() != want || b.Cell.Count != count || s.Replaced != replaced {
			t.Errorf("value %v, count %d, replaced %d, want %v, %d, %d", b.Value(), b.Cell.Count, s.Replaced, want, count, replaced)
		}
	}
	c.measure(id, "m", complexCell(3, 3, 1, 1, 0, 1000.25))
	c.measure(id, "m", plain(2, 1000.5))
	value(2, 1, 3)
	c.measure(id, "m", plain(7, 1000)) // earlier
	value(2, 1, 4)
	c.measure(id, "m", plain(4, 1000.5)) // later by arrival
	value(4, 1, 5)
	c.through(1003) // closed
	c.measure(id, "m", plain(5, 1000.25))
	value(4, 1, 5)
	c.through(1004)
	value(4, 1, 6)
	c.measure(id, "m", plain(6, 1000.5))
	value(6, 1, 6)
	c.through(1005)
	value(6, 1, 7)
	c.through(1020)
	c.want(Row{"all", 8, 1000})
	c.balance(c.a.Stats())
}

// Until the first bucket of a period begins, measurements for it go on to the cells of one
// second, each to its own.
func TestAddingUpBeginsAfterReplacing(t *testing.T) {
	c := start(t, 960, "", nil)
	raw, sum := c.stream(rawStream), c.stream(sumStream)
	send := func(v float64) {
		x := plain(v, c.now)
		c.a.AddMeasurements([]Measurement{{[]byte("m"), float64(floor(int64(c.now), 60)), x, sum}})
	}
	c.measure(raw, "m", plain(1, 965))
	for i := range 5 {
		c.now = 970 + 10*float64(i)
		send(float64(i + 2))
	}
	c.now = 1011
	send(7) // still the same minute
	c.now = 1020
	send(10)
	c.now = 1030
	send(20)
	got := map[int64]float64{}
	all, _ := c.a.Buckets("m", 0, math.MaxInt64)
	for _, b := range all {
		got[b.Start] = b.Value()
	}
	want := map[int64]float64{965: 1, 970: 2, 980: 3, 990: 4, 1000: 5, 1010: 6, 1011: 7, 1020: 30}
	if !maps.Equal(got, want) {
		t.Errorf("held %v, want %v", got, want)
	}
	c.tick(1100)
	c.want(Row{"m", 30, 1020})
	if s := c.a.Stats(); s.Added != 9 || s.Replaced != 0 {
		t.Errorf("%+v", s)
	}
	c.balance(c.a.Stats())
}

func TestStreamRefuses(t *testing.T) {
	c := start(t, 1000, "", nil)
	for name, s := range map[string]Stream{
		"period 0":     {Method: cell.Avg},
		"period":       {Period: 1e9, Method: cell.Avg},
		"no method":    {Period: 1},
		"a percentile": {Period: 1, Method: cell.Median},
		"grace":        {Period: 1, Method: cell.Avg, Grace: math.NaN()},
	} {
		if _, err := c.a.Stream(s); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	first := c.stream(rawStream)
	for i := range int64(MaxStreams - 1) {
		c.stream(Stream{Period: i + 2, Method: cell.Avg})
	}
	if _, err := c.a.Stream(sumStream); err == nil || !strings.Contains(err.Error(), "4096") {
		t.Errorf("one more is %v", err)
	}
	if again := c.stream(rawStream); again != first {
		t.Errorf("the same again has the ID %d, had %d", again, first)
	}
	// Those of which nothing is held do not come back.
	used := Stream{Period: 77, Method: cell.Avg}
	c.measure(c.stream(used), "m", plain(1, 1000))
	c.restart("")
	if n := len(*c.a.streams.Load()); n != 1 {
		t.Errorf("%d streams after a restart, want the one in use", n)
	}
	c.measure(c.stream(used), "m", plain(1, 1000))
	c.stream(sumStream)
	if got := c.bucket("m", 924).Cell.Count; got != 2 || len(*c.a.streams.Load()) != 2 {
		t.Errorf("%d measurements, %d streams", got, len(*c.a.streams.Load()))
	}
}

// A stream of another period takes over behind the last bucket of the one before,
// and back, and nothing is lost.
func TestStreamsOfOneSeriesTakeTurns(t *testing.T) {
	c := start(t, 1000, "", nil)
	minute, ten := c.stream(sumStream), c.stream(Stream{Period: 10, Method: cell.Sum, Emit: true, Grace: 0})
	add := func(id StreamID, t float64) { c.measure(id, "m", plain(1, t)) }
	add(minute, 1000)
	add(ten, 1001) // in the bucket in progress
	add(ten, 1021) // its own
	c.now = 1025
	add(minute, 1025) // in its bucket
	add(minute, 1090) // its own again
	add(minute, 1090)
	c.through(1200)
	c.want(Row{"m", 2, 960}, Row{"m", 2, 1020}, Row{"m", 2, 1080})
	c.drops()
}

func TestMeasurementsSurviveRestart(t *testing.T) {
	c := start(t, 1000, "", nil)
	c.measure(c.stream(sumStream), "m", plain(1, 1000))
	raw := c.stream(rawStream)
	c.measure(raw, "r", plain(1, 1000))
	c.restart("")
	c.measure(c.stream(rawStream), "r", plain(2, 1000))
	c.measure(c.stream(sumStream), "m", plain(5, 1001))
	if b := c.bucket("r", 1000); b.Cell.Count != 1 || b.Value() != 2 {
		t.Errorf("read %+v", b)
	}
	c.through(1029.5)
	c.want()
	c.through(1040)
	c.want(Row{"m", 6, 960})
	if s := c.a.Stats(); s.Outputs != 2 || s.Replaced != 1 {
		t.Errorf("%+v", s)
	}
}
