package aggregator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
)

func TestCheckpointInTheMiddleOfABucket(t *testing.T) {
	ruleText := "sum.<n> (60) = sum in.<n>\np (60) = p95 in.*\nm.<method> (10) = last,stddev,min in.*\n"
	k := start(t, 960, ruleText, func(cfg *Config) { cfg.Keep = 3 })
	k.now = 1000
	values := []float64{1, 2.5, -7, 1e9}
	for i, v := range values[:2] {
		k.add(fmt.Sprintf("in.%d", i%2), v, 1000+float64(i))
	}
	k.add("in.0", 5, 900)
	k.through(1006)
	k.want(Row{"sum.0", 5, 900}, Row{"p", 5, 900}, Row{"m.last", 5, 900}, Row{"m.stddev", 0, 900}, Row{"m.min", 5, 900})
	k.restart(ruleText)
	for i, v := range values[2:] {
		k.add(fmt.Sprintf("in.%d", i%2), v, 1002+float64(i))
	}
	k.add("in.0", 6, 901) // late, for a bucket that the earlier run closed
	k.add("in.2", 0, 1006)
	k.restart(ruleText)
	k.add("in.1", 4, 902)
	k.through(1400)
	late := []float64{5, 6, 4}
	k.want(
		Row{"sum.0", 1 - 7, 960}, Row{"sum.1", 2.5 + 1e9, 960}, Row{"sum.2", 0, 960}, Row{"p", evaluate("p95", append(values, 0), nil)[0], 960},
		Row{"m.last", 0, 1000}, Row{"m.stddev", evaluate("stddev", append(values, 0), nil)[0], 1000}, Row{"m.min", -7, 1000},
		Row{"sum.0", 11, 900}, Row{"sum.1", 4, 900}, Row{"p", evaluate("p95", late, nil)[0], 900},
		Row{"m.last", 4, 900}, Row{"m.stddev", evaluate("stddev", late, nil)[0], 900}, Row{"m.min", 4, 900},
	)
	k.drops()
	if s := k.a.Stats(); s.Partial != 0 {
		t.Errorf("%d buckets count as partial, though none lost a datapoint", s.Partial)
	}
}

func TestCheckpointKnowsWhatWasEmittedAndForgotten(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in\nold (10) = sum gone\n", func(cfg *Config) { cfg.OutputIdle = 300 })
	k.add("gone", 1, 1000)
	k.through(1200)
	k.add("in", 1, 1000)
	k.add("in", 1, 1020)
	k.through(1400)
	k.want(Row{"old", 1, 1000}, Row{"out", 1, 1000}, Row{"out", 1, 1020})
	if s := k.a.Stats(); s.Outputs != 1 || s.Buckets != 0 {
		t.Fatalf("%+v", s)
	}
	k.restart("out (10) = sum in\nold (10) = sum gone\n")
	k.add("in", 2, 1000)
	k.add("in", 2, 1020)
	k.add("gone", 2, 1000)
	k.drops(TooOld, 3)
	k.add("in", 4, 1010) // between them nothing was emitted
	k.add("gone", 4, 1010)
	k.through(1500)
	k.want(Row{"out", 4, 1010}, Row{"old", 4, 1010})
}

func TestCheckpointAfterTheGraceIsEmittedAtOnce(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in\n", nil)
	k.add("in", 1, 1000)
	k.now = 1012
	data := k.a.Checkpoint()
	k.now = 2000
	k.run(k.a.cfg)
	if err := k.a.Restore(data); err != nil {
		t.Fatal(err)
	}
	k.tick(2000)
	k.want(Row{"out", 1, 1000})
}

func TestCheckpointKeepsItsOrderAmongRules(t *testing.T) {
	rules := "out (10) = sum a\nout (60) = max b\n"
	k := start(t, 1000, rules, nil)
	k.add("a", 1, 1000)
	k.add("b", 100, 1000)
	k.drops(Conflict, 1)
	k.restart(rules)
	k.add("b", 100, 1000) // first this time, and still it has lost
	k.add("a", 2, 1000)
	k.drops(Conflict, 1)
	k.through(1100)
	k.want(Row{"out", 3, 1000})
}

// The rules change while the daemon is down.
func TestCheckpointWithOtherRules(t *testing.T) {
	k := start(t, 1000, "out (60) = sum in\nremoved (60) = sum in\n", nil)
	k.add("in", 1, 1000)
	k.restart("out (10) = max in grace=0s\n")
	k.add("in", 2, 1010)
	k.add("in", 3, 1020)
	k.through(1100)
	k.want(Row{"out", 3, 960}, Row{"removed", 1, 960}, Row{"out", 3, 1020})
	k.drops()
}

func TestCheckpointTakesOverTheTimesOfTheNewRules(t *testing.T) {
	k := start(t, 1000, "out (60) = sum in\n", nil)
	k.add("in", 1, 1000)
	data := k.a.Checkpoint()
	cfg := k.a.cfg
	cfg.Grace = 1
	k.run(cfg)
	if err := k.a.Restore(data); err != nil {
		t.Fatal(err)
	}
	k.add("in", 2, 1020)
	k.through(1081)
	k.want(Row{"out", 1, 960}, Row{"out", 2, 1020})
}

func TestCheckpointOfContestedRows(t *testing.T) {
	first, second := "out.<method> (10) = sum,max in\n", "out.<method> (60) = sum,avg in\n"
	for _, restarts := range []bool{false, true} {
		k := start(t, 1000, first, func(cfg *Config) { cfg.OutputIdle = 100 })
		step := func(ruleText string) {
			if restarts {
				k.restart(ruleText)
			} else {
				k.reload(ruleText)
			}
		}
		k.add("in", 1, 1000)
		step(second)
		k.add("in", 2, 1001)
		step(second)
		k.add("in", 4, 1002)
		k.add("in", 8, 1020)
		step(first)
		k.add("in", 16, 1070)
		step(first)
		k.add("in", 32, 1080)
		k.through(1300) // out.avg leaves
		step(first)
		k.add("in", 64, 1030)
		k.add("in", 64, 1000)
		k.add("in", 64, 1300)
		k.through(1400)
		k.want(Row{"out.sum", 7, 1000}, Row{"out.max", 4, 1000}, Row{"out.sum", 24, 1020}, Row{"out.avg", 12, 1020},
			Row{"out.sum", 32, 1080}, Row{"out.max", 32, 1080}, Row{"out.sum", 64, 1300}, Row{"out.max", 64, 1300})
		if s := k.a.Stats(); s.Dropped[TooOld] != 2 {
			t.Errorf("dropped %v", s.Dropped)
		}
	}
}

// Who made a row may have left, and what it made stays its own.
func TestCheckpointOfARowWhoseMakerHasLeft(t *testing.T) {
	rules := "out (10) = sum a\nout (10) = max b\n"
	k := start(t, 1000, rules, func(cfg *Config) { cfg.Keep, cfg.OutputIdle = 1, 40 })
	k.add("a", 1, 1000)
	k.through(1055)
	k.add("b", 1, 1000)
	k.through(1080)
	k.want(Row{"out", 1, 1000})
	k.restart(rules)
	k.restart(rules)
	k.add("b", 2, 1000)
	k.add("b", 2, 1001)
	k.through(1120)
	k.want()
	if s := k.a.Stats(); s.Added != 0 {
		t.Errorf("%+v", s)
	}
	k.reload("new (10) = sum new\n" + rules)
	k.add("b", 3, 1120)
	k.through(1200)
	k.want(Row{"out", 3, 1120})
}

// Nor may it be taken over while nobody is in force.
func TestCheckpointOfARowThatNobodyMakes(t *testing.T) {
	a, b := "out (10) = sum a\n", "out (10) = max b\n"
	k := start(t, 1000, a+b, func(cfg *Config) { cfg.Keep, cfg.OutputIdle = 1, 40 })
	k.add("a", 1, 1000)
	k.through(1055)
	k.add("b", 1, 1055)
	k.drops(Conflict, 1)
	k.reload("")
	k.through(1080)
	if s := k.a.Stats(); s.Outputs != 1 {
		t.Fatalf("%d outputs, want only the one that has lost", s.Outputs)
	}
	k.restart("")
	k.restart(b)
	k.add("b", 2, 1000)
	k.through(1100)
	k.want(Row{"out", 1, 1000})
}

func TestCheckpointCarriesNotBeforeOn(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in\n", func(cfg *Config) { cfg.NotBefore = 995 })
	data := k.a.Checkpoint()
	cfg := k.a.cfg
	cfg.NotBefore = 0
	k.run(cfg)
	if err := k.a.Restore(data); err != nil {
		t.Fatal(err)
	}
	k.add("in", 1, 900)
	k.drops(TooOld, 1)
}

// A last sign of life that is yet to come was given by a clock that was ahead. It holds
// until there is a checkpoint, and no longer.
func TestCheckpointForgetsNotBeforeThatIsToCome(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in\n", func(cfg *Config) { cfg.NotBefore = 1e9 })
	k.add("in", 1, 1000)
	k.drops(TooOld, 1)
	k.now = 1025
	data := k.a.Checkpoint()
	cfg := k.a.cfg
	cfg.NotBefore = 0
	k.run(cfg)
	if err := k.a.Restore(data); err != nil {
		t.Fatal(err)
	}
	k.add("in", 1, 1020)
	k.drops(TooOld, 1)
	k.add("in", 1, 1030)
	k.through(1100)
	k.want(Row{"out", 1, 1030})
}

func TestCheckpointOfAClockThatWasAhead(t *testing.T) {
	k := start(t, 1e6, "out (10) = sum in\n", nil)
	k.add("in", 1, 1000)
	k.tick(1e6 + 5)
	k.want(Row{"out", 1, 1000})
	k.add("in", 2, 1000)
	k.add("in", 4, 1010)
	data := k.a.Checkpoint()
	k.now = 1000
	k.run(k.a.cfg)
	if err := k.a.Restore(data); err != nil {
		t.Fatal(err)
	}
	k.through(1025)
	k.want(Row{"out", 3, 1000}, Row{"out", 4, 1010})
}

func TestCheckpointGoesOnWritingBack(t *testing.T) {
	k := start(t, 1000, "out (60) = sum in\n", func(cfg *Config) { cfg.WriteBack = 3 })
	k.add("in", 1, 1000)
	k.restart("out (60) = sum in\n")
	k.through(1003)
	k.want(Row{"out", 1, 960})
}

// rich returns a checkpoint that has something of everything.
func rich(t testing.TB) (*clock, []byte) {
	first := "out.<method> (10) = sum,p95 in\nx (10) = sum in\nx (60) = max in2\nleft (10) = sum in3\n"
	k := start(t, 1000, first, func(cfg *Config) { cfg.OutputIdle = 20; cfg.Keep = 1; cfg.NotBefore = 300 })
	k.add("in3", 1, 990)
	k.add("in3", 1, 700)
	k.through(1100)
	for i := range 12 {
		k.add("in", float64(i), 1100)
	}
	k.add("in", 1, 1000)
	k.through(1106)
	k.add("in", 1, 1000)
	k.add("in2", 1, 1100)
	k.a.SetRules(parseRules(t, "x (60) = max in2\nout.<method> (60) = sum,avg in\n"))
	k.add("in2", 1, 1160)
	k.add("in", 1, 1160)
	for i := range 2 {
		// One of them changed since it was emitted, and two of the series taking turns.
		k.measure(k.stream(rawStream), "r", plain(float64(i), 1105))
		k.measure(k.stream(sumStream), "s", complexCell(2, 4, 1, 3, 1, 1160))
		k.measure(k.stream(Stream{Period: 10, Method: cell.Avg, Emit: true, Grace: 1}), "s", plain(1, 1300))
		k.tick(k.now + 1)
	}
	return k, k.a.Checkpoint()
}

func TestDamagedCheckpoints(t *testing.T) {
	k, data := rich(t)
	load := func(data []byte) error {
		k.run(k.a.cfg)
		return k.a.Restore(data)
	}
	if err := load(data); err != nil {
		t.Fatal(err)
	}
	if s := k.a.Stats(); s.Buckets < 4 || s.Outputs < 4 || len(k.a.departed) == 0 {
		t.Fatalf("the checkpoint is poor: %+v", s)
	}
	for i := range data {
		bad := append([]byte(nil), data...)
		bad[i] ^= 1 << (i % 8)
		if err := load(bad); !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
		if err := load(data[:i]); !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
	}
	if err := load(append(data[:len(data):len(data)], 0)); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("a byte more: %v", err)
	}
	if err := load(nil); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("nothing: %v", err)
	}
}

// Whatever Restore takes, the aggregator lives with it.
func FuzzRestore(f *testing.F) {
	k, data := rich(f)
	empty := start(f, 0, "", nil).a.Checkpoint()
	const tail = 4 // the checksum, put right below
	f.Add(data[len(checkpointMagic) : len(data)-tail])
	f.Add(empty[len(checkpointMagic) : len(empty)-tail])
	cfg := k.a.cfg
	cfg.Rules = parseRules(f, "out.<method> (10) = sum,p95 in\nx (60) = max in2\nx (10) = sum in\n")
	f.Fuzz(func(t *testing.T, body []byte) {
		data := append([]byte(checkpointMagic), body...)
		data = binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, castagnoli))
		c := &clock{t: t, now: 1200}
		c.run(cfg)
		if err := c.a.Restore(data); err != nil {
			if !errors.Is(err, ErrCheckpoint) {
				t.Fatal(err)
			}
			return
		}
		for _, at := range []float64{1100, 700, 1300} {
			c.add("in", 1, at)
			c.add("in2", 1, at)
		}
		measure := func() {
			for _, s := range []Stream{rawStream, sumStream} {
				if id, err := c.a.Stream(s); err == nil { // there may be too many
					c.measure(id, "r", plain(1, c.now))
					c.measure(id, "s", plain(1, c.now))
				}
			}
		}
		measure()
		c.tick(1300)
		measure()
		c.tick(1250)
		c.reload("x (10) = sum in2\nout.<method> (10) = sum,avg in\n")
		c.add("in", 1, 1250)
		c.add("in2", 1, 1250)
		c.tick(5000)
		c.a.Buckets("x", math.MinInt64, math.MaxInt64)
		c.a.Buckets("out.p95", math.MinInt64, math.MaxInt64)
		c.balance(c.a.Stats())
		again := c.a.Checkpoint()
		c.tick(1e9)
		c.a.Flush()
		c.run(cfg)
		if err := c.a.Restore(again); err != nil {
			t.Fatalf("its own checkpoint is refused: %v", err)
		}
	})
}
