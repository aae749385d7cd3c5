package aggregator

import (
	"fmt"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
)

// What is remembered must not grow with time.

func TestIdleOutputsAreQueuedOnce(t *testing.T) {
	k := start(t, 1000, "out.<n> (1) = sum in.<n>\n", func(cfg *Config) { cfg.Keep = 0; cfg.OutputIdle = 1e6 })
	for range 1000 {
		for n := range 3 {
			k.add(fmt.Sprintf("in.%d", n), 1, k.now)
		}
		k.tick(k.now + 3)
	}
	if n := len(k.a.idle); n != 3 {
		t.Errorf("3 outputs wait %d times to leave", n)
	}
	k.tick(k.now + 1e6)
	if s := k.a.Stats(); s.Outputs != 0 || len(k.a.idle) != 0 {
		t.Errorf("%d outputs did not leave", s.Outputs)
	}
}

func TestIdleOutputComesBackToLife(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in\n", func(cfg *Config) { cfg.Keep = 0; cfg.OutputIdle = 100 })
	for range 20 {
		k.add("in", 1, k.now)
		k.through(k.now + 90)
	}
	if s := k.a.Stats(); s.Outputs != 1 || s.Learned != 1 {
		t.Errorf("%+v", s)
	}
	k.through(k.now + 30)
	if s := k.a.Stats(); s.Outputs != 0 {
		t.Errorf("%d outputs", s.Outputs)
	}
}

func TestScheduleHoldsFewEntriesForABucket(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in keep=100000\n", func(cfg *Config) { cfg.WriteBack = 1 })
	for i := range 1000 {
		k.add("in", 1, 1000)
		k.through(k.now + 6)
		if n := len(k.a.schedule.queue); n > 3 {
			t.Fatalf("%d entries for one bucket after %d amendments", n, i)
		}
	}
	k.tick(k.now + 1e6 - 20)
	if s := k.a.Stats(); s.Buckets != 1 || s.Amended < 900 {
		t.Errorf("%d buckets, %d amended; the last datapoint is not that long ago", s.Buckets, s.Amended)
	}
	k.tick(k.now + 40)
	if s := k.a.Stats(); s.Buckets != 0 || len(k.a.schedule.queue) != 0 {
		t.Errorf("%d buckets, %d entries", s.Buckets, len(k.a.schedule.queue))
	}
}

func TestTermsOfARowAreJoined(t *testing.T) {
	k := start(t, 1000, "", func(cfg *Config) { cfg.Keep, cfg.OutputIdle = 1, 5 })
	for i := range 100 {
		k.reload(fmt.Sprintf("out (10) = %s in\n", []string{"sum", "max", "min"}[i%3]))
		for range 40 { // the one before leaves while this one is held
			k.add("in", float64(i), k.now)
			k.tick(k.now + 1)
		}
	}
	c := k.a.claims["out"]
	if c == nil {
		t.Fatal("the row is not known")
	}
	if n := len(*c.terms.Load()); n > maxLeftTerms+2 {
		t.Errorf("%d terms", n)
	}
	k.through(k.now + 100)
	seen := map[int64]bool{}
	for _, r := range k.rows {
		seen[r.Time] = true
	}
	if len(seen) != 400 || len(k.rows) != 400 {
		t.Fatalf("%d rows for %d times, want 400", len(k.rows), len(seen))
	}
	// No past value can be overwritten.
	k.rows = nil
	before := k.a.Stats()
	for at := range seen {
		k.add("in", 1e9, float64(at))
	}
	k.through(k.now + 100)
	k.want()
	if s := k.a.Stats(); s.Added != before.Added {
		t.Errorf("%d datapoints were added to the past", s.Added-before.Added)
	}
}

// A row goes to and fro between two outputs, neither of which ever leaves.
func TestTermsOfARowThatAlternatesAreJoined(t *testing.T) {
	for _, way := range []string{"rules", "streams"} {
		t.Run(way, func(t *testing.T) {
			k := start(t, 1000, "", func(cfg *Config) { cfg.Keep = 30 })
			change := func(i int) { k.reload(fmt.Sprintf("out (%d) = sum in\n", 1+i%2)) }
			add := func(_ int, at float64) { k.add("in", 1, at) }
			if way == "streams" {
				ids := [2]StreamID{
					k.stream(Stream{Period: 1, Method: cell.Sum, Emit: true}),
					k.stream(Stream{Period: 2, Method: cell.Sum, Emit: true}),
				}
				change = func(int) {}
				add = func(i int, at float64) { k.measure(ids[i%2], "out", plain(1, at)) }
			}
			const turns, each = 300, 6
			for i := range turns {
				change(i)
				for range each {
					add(i, k.now)
					k.through(k.now + 1)
				}
			}
			if n := len(*k.a.claims["out"].terms.Load()); n > maxTerms+2 {
				t.Errorf("%d terms", n)
			}
			add(turns-1, k.now-3*each) // still held
			k.through(k.now + 100)
			sum, latest := 0.0, map[int64]float64{}
			for _, r := range k.rows {
				sum += r.Value - latest[r.Time]
				latest[r.Time] = r.Value
			}
			if sum != turns*each+1 {
				t.Errorf("the rows have %v datapoints, %d came", sum, turns*each+1)
			}
			// No past value can be overwritten.
			k.rows = nil
			before := k.a.Stats()
			for at := 1000; at < 1000+turns*each; at++ {
				add(turns-1, float64(at))
			}
			k.through(k.now + 100)
			k.want()
			if s := k.a.Stats(); s.Added != before.Added {
				t.Errorf("%d datapoints were added to the past", s.Added-before.Added)
			}
			k.balance(k.a.Stats())
		})
	}
}

func TestOutputsThatLeftAreRememberedTogether(t *testing.T) {
	k := start(t, 1e6, "out.<n> (10) = sum in.<n>\n", func(cfg *Config) {
		cfg.MaxOutputs, cfg.Keep, cfg.OutputIdle = 3, 0, 0
	})
	for i := range 30 {
		k.add(fmt.Sprintf("in.%d", i), 1, 1000+10*float64(i))
		k.tick(k.now + 10)
	}
	if n := len(k.a.departed); n > 3 {
		t.Errorf("%d outputs that left are told apart, at most 3", n)
	}
	if len(k.rows) != 30 {
		t.Fatalf("%d rows", len(k.rows))
	}
	k.rows = nil
	for i := range 30 {
		k.add(fmt.Sprintf("in.%d", i), 1, 1000+10*float64(i))
		k.tick(k.now + 10)
	}
	k.want()
	k.drops(TooOld, 30)
	k.add("in.0", 1, 990) // before all of them
	k.add("in.1", 1, 1300)
	k.drops(TooOld, 30)
}
