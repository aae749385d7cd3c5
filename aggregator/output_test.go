package aggregator

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
)

func TestTwoRulesToOneOutputCountOnce(t *testing.T) {
	k := start(t, 1000, "out (10) = sum a.*\nout (10) = sum *.x\nout (10) = sum a.x\n", nil)
	k.add("a.x", 1, 1000)
	k.add("a.x", 1, 1000)
	k.add("a.y", 10, 1000)
	k.add("b.x", 100, 1000)
	k.through(1020)
	k.want(Row{"out", 112, 1000})
	if s := k.a.Stats(); s.Contributions != 4 || s.Added != 4 || s.Outputs != 1 {
		t.Errorf("%+v", s)
	}
	// Each rule is told what it matched.
	var matched []uint64
	for _, r := range k.a.RuleStats() {
		matched = append(matched, r.Matched)
		if r.Outputs != 1 {
			t.Errorf("rule %q has %d outputs, want 1", r.ID, r.Outputs)
		}
	}
	if !slices.Equal(matched, []uint64{3, 3, 2}) {
		t.Errorf("matched %v, want [3 3 2]", matched)
	}
}

func TestOneRuleTwiceInTheFile(t *testing.T) {
	k := start(t, 1000, "out (10) = sum a\nother (10) = sum b\nout (10) = sum a\n", func(cfg *Config) { cfg.OutputIdle = 10 })
	k.add("a", 1, 1000)
	k.through(1015)
	k.want(Row{"out", 1, 1000})
	r := k.a.RuleStats()
	if r[0].Matched != 1 || r[0].Outputs != 1 || r[2].Matched != 1 {
		t.Errorf("%+v", r)
	}
	k.reload("")
	k.through(1200)
	if n := len(k.a.ruleByID); n != 0 {
		t.Errorf("%d removed rules are remembered", n)
	}
}

func TestSeveralMethodsAreRowsOfOneOutput(t *testing.T) {
	k := start(t, 1000, "out.<method>.x (10) = sum,max,p99.9,count,last in\n", nil)
	for i := range 5 {
		k.add("in", float64(i), 1000+float64(i))
	}
	k.through(1020)
	k.want(Row{"out.sum.x", 10, 1000}, Row{"out.max.x", 4, 1000}, Row{"out.p999.x", 3.996, 1000},
		Row{"out.count.x", 5, 1000}, Row{"out.last.x", 4, 1000})
	if s := k.a.Stats(); s.Outputs != 1 || s.Buckets != 1 || s.Rows != 5 || s.Contributions != 5 {
		t.Errorf("%+v", s)
	}
	for _, row := range []string{"out.sum.x", "out.p999.x"} {
		if b, known := k.a.Buckets(row, 1000, 1001); !known || len(b) != 1 || b[0].Open {
			t.Errorf("%s: %+v, known %v", row, b, known)
		}
	}
	if b, known := k.a.Buckets("out.avg.x", 0, 1e9); known || b != nil {
		t.Errorf("a row that is not made is known: %+v", b)
	}
}

func TestPercentilesOverLanes(t *testing.T) {
	for _, n := range []int{1000, 1024, 1025, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			k := start(t, 1000, "out (60) = p95 in\n", func(cfg *Config) { cfg.Lanes = 4 })
			lanes := []*Lane{k.a.Acquire(), k.a.Acquire(), k.a.Acquire(), k.a.Acquire()}
			var all []float64
			for i := range n {
				v := float64(i * 7919 % 10007)
				all = append(all, v)
				addTo(lanes[i%4], "in", v, 1000)
			}
			for _, l := range lanes {
				l.Release()
			}
			want := evaluate("p95", all, nil)[0]
			// The open bucket reads as the emitted one.
			b, _ := k.a.Buckets("out", 0, 2000)
			k.through(1030)
			if len(k.rows) != 1 || len(b) != 1 || b[0].Value() != k.rows[0].Value {
				t.Fatalf("rows %v, read %v", k.rows, b)
			}
			got := k.rows[0].Value
			if n <= cell.ValuesCap && got != want || math.Abs(got-want) > want/100 {
				t.Errorf("p95 of %d values is %v, want %v", n, got, want)
			}
			if b[0].Values.Approximate() != (n > cell.ValuesCap) || b[0].Values.Len() != int64(n) {
				t.Errorf("%d values, approximate %v", b[0].Values.Len(), b[0].Values.Approximate())
			}
		})
	}
}

func TestValuesAreHeldOnlyWhereNeeded(t *testing.T) {
	k := start(t, 1000, "plain (60) = sum in\nwith (60) = sum in percentiles=on\np (60) = p50 in\n", nil)
	k.add("in", 1, 1000)
	for row, want := range map[string]int64{"plain": 0, "with": 1, "p": 1} {
		if b, _ := k.a.Buckets(row, 0, 2000); b[0].Values.Len() != want {
			t.Errorf("%s holds %d values, want %d", row, b[0].Values.Len(), want)
		}
	}
}

// A part of the values must not pass for all of them.
func TestValuesAskedForInTheMiddleOfABucket(t *testing.T) {
	k := start(t, 1000, "out (60) = sum in\n", nil)
	k.add("in", 1, 1000)
	k.reload("out (60) = sum in percentiles=on\n")
	k.add("in", 2, 1000)
	k.add("in", 3, 1020)
	b, _ := k.a.Buckets("out", 0, 2000)
	if len(b) != 2 || b[0].Cell.Count != 2 || b[0].Values != nil || b[1].Values.Len() != 1 {
		t.Errorf("%+v", b)
	}
}

func TestReadingLeavesNoTrace(t *testing.T) {
	k := start(t, 1000, "out (10) = p50 in\n", nil)
	for i := range 5 {
		k.add("in", float64(i), 1000+float64(4*i))
		if b, _ := k.a.Buckets("out", math.MinInt64, math.MaxInt64); len(b) != i*4/10+1 || !b[0].Open {
			t.Fatalf("after %d: %+v", i, b)
		}
	}
	if b, _ := k.a.Buckets("out", 1000, 1010); len(b) != 1 || b[0].Value() != 1 || b[0].Start != 1000 || b[0].Period != 10 {
		t.Errorf("%+v", b)
	}
	if b, known := k.a.Buckets("out", 1020, 1030); len(b) != 0 || !known {
		t.Errorf("%+v, known %v", b, known)
	}
	k.through(1030)
	k.want(Row{"out", 1, 1000}, Row{"out", 3.5, 1010})
}

func TestOutputsFullAndRecovered(t *testing.T) {
	k := start(t, 1000, "out.<n> (10) = sum in.<n>\nall (10) = sum in.*\n", func(cfg *Config) {
		cfg.MaxOutputs, cfg.Keep, cfg.OutputIdle = 2, 1, 20
	})
	k.add("in.1", 1, 1000)
	k.add("in.2", 2, 1000) // only half of it finds a place
	k.add("in.2", 2, 1000)
	k.drops(OutputsFull, 2)
	k.through(1020)
	k.want(Row{"out.1", 1, 1000}, Row{"all", 5, 1000})
	k.through(1100)
	if s := k.a.Stats(); s.Outputs != 0 || s.Matched != 3 || s.Contributions != 6 {
		t.Errorf("%+v", s)
	}
	k.add("in.2", 4, 1100)
	k.add("in.2", 4, 1100)
	k.through(1120)
	k.want(Row{"out.2", 8, 1100}, Row{"all", 8, 1100})
	k.drops(OutputsFull, 2)
}

func TestAllOutputsFull(t *testing.T) {
	k := start(t, 1000, "out.<n> (10) = sum in.<n>\nsame.<n> (10) = sum in.<n>\nsame.<n> (10) = sum in.<n>\n",
		func(cfg *Config) { cfg.MaxOutputs = 1 })
	k.add("in.1", 1, 1000)
	k.add("in.2", 1, 1000)
	k.drops(OutputsFull, 3) // same.1; out.2, same.2
	if s := k.a.Stats(); s.Matched != 2 || s.Unmatched != 0 {
		t.Errorf("%+v", s)
	}
}

func TestBucketsFullAndRecovered(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in\n", func(cfg *Config) { cfg.MaxBuckets, cfg.Keep = 2, 1 })
	for i, at := range []float64{1000, 1010, 1020, 990, 1001, 1011} {
		k.add("in", math.Pow(2, float64(i)), at)
	}
	k.drops(BucketsFull, 2)
	k.through(1100)
	k.want(Row{"out", 17, 1000}, Row{"out", 34, 1010})
	k.add("in", 1, 990)
	k.add("in", 1, 1100)
	k.drops(BucketsFull, 2)
	if s := k.a.Stats(); s.Buckets != 2 {
		t.Errorf("%d buckets are held, want 2", s.Buckets)
	}
}

// Numbers are used again with another generation, and a name that remembers an
// old one is not led astray.
func TestNumbersAreUsedAgain(t *testing.T) {
	k := start(t, 0, "out.<n> (1) = sum in.<n>\n", func(cfg *Config) {
		cfg.Keep, cfg.OutputIdle, cfg.Grace, cfg.MaxOutputs = 0, 0, 0, 1
	})
	for i := range 3000 {
		name := fmt.Sprintf("in.%d", i%7)
		k.add(name, 1, k.now)
		k.add(name, 2, k.now)
		k.tick(k.now + 1)
		k.want(Row{"out" + strings.TrimPrefix(name, "in"), 3, int64(k.now - 1)})
	}
	k.drops()
	if k.a.nextFeed != 1 {
		t.Errorf("%d numbers were given out, want 1 again and again", k.a.nextFeed)
	}
}

// A number whose generations are used up is never given out again.
func TestGenerationsAreUsedUp(t *testing.T) {
	k := start(t, 0, "out (1) = sum in\n", func(cfg *Config) { cfg.Keep, cfg.OutputIdle, cfg.Grace = 0, 0, 0 })
	for range 1<<16 + 10 {
		k.add("in", 1, k.now)
		k.tick(k.now + 1)
	}
	if n := len(k.rows); n != 1<<16+10 || k.a.nextFeed != 2 {
		t.Errorf("%d rows by %d numbers", n, k.a.nextFeed)
	}
	k.drops()
}

func TestFansAreForgottenAndLearnedAgain(t *testing.T) {
	k := start(t, 1000, "out.<n> (60) = sum in.<n>\nall (60) = sum in.*\nk.<n> (60) = count in.<n>\n", func(cfg *Config) {
		cfg.MaxSeries, cfg.EventTime = 64, true
	})
	const names = 1500 // more than 64 and the 1024 that are always allowed
	for range 3 {
		for i := range names {
			k.add(fmt.Sprintf("in.%d", i), 1, 1000)
			if i%5 == 0 { // so that another has its number by then
				k.add("in.known", 1, 1000) // whose fan is forgotten though the name is not
			}
			k.now += tickSeconds
		}
	}
	if k.a.fanGen == 0 {
		t.Fatal("no fan was forgotten")
	}
	if n := k.a.Stats().Learned; n > 3*names+3*names/10 {
		t.Fatalf("%d names were learned, the one in use should have stayed", n)
	}
	k.a.Flush()
	if len(k.rows) != 2*(names+1)+1 {
		t.Errorf("%d rows, want %d", len(k.rows), 2*(names+1)+1)
	}
	for _, r := range k.rows {
		want := 3.0
		switch {
		case r.Name == "all":
			want = 3 * names * 6 / 5
		case strings.HasSuffix(r.Name, ".known"):
			want = 3 * names / 5
		}
		if r.Value != want {
			t.Errorf("%v, want %v", r, want)
		}
	}
}

func TestRuleStats(t *testing.T) {
	k := start(t, 1000, "a (10) = sum x.*\nb.<n> (10) = sum x.<n>\nc (10) = sum none\n", nil)
	k.add("x.1", 1, 1000)
	k.add("x.2", 1, 1000)
	k.add("x.2", 1, 5000) // too new
	k.through(1020)
	k.add("x.1", 1, 1000)
	k.through(1040)
	want := []RuleStats{
		{Output: "a", Matched: 4, Dropped: 1, Outputs: 1, Closed: 1, Late: 1, Amended: 1},
		{Output: "b.<n>", Matched: 4, Dropped: 1, Outputs: 2, Closed: 2, Late: 1, Amended: 1},
		{Output: "c"},
	}
	for i, got := range k.a.RuleStats() {
		w := want[i]
		w.ID, w.File, w.Line = got.ID, "test.conf", i+1
		if got != w {
			t.Errorf("got %+v, want %+v", got, w)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := plainConfig()
	good.Now, good.Emit = func() float64 { return 0 }, func([]Row, bool) {}
	good.Logger = start(t, 0, "", nil).a.cfg.Logger
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"no clock":         func(c *Config) { c.Now = nil },
		"no sink":          func(c *Config) { c.Emit = nil },
		"no logger":        func(c *Config) { c.Logger = nil },
		"no forward":       func(c *Config) { c.ForwardAll = true },
		"no lanes":         func(c *Config) { c.Lanes = 0 },
		"no outputs":       func(c *Config) { c.MaxOutputs = 0 },
		"too many outputs": func(c *Config) { c.MaxOutputs = MaxOutputs + 1 },
		"no series":        func(c *Config) { c.MaxSeries = 0 },
		"no buckets":       func(c *Config) { c.MaxBuckets = 0 },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
