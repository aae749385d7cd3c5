package aggregator

import (
	"math"
	"testing"
)

func TestBucketsAreAligned(t *testing.T) {
	for _, c := range []struct {
		name   string
		period string
		time   float64
		start  int64
	}{
		{"within", "10", 1005, 1000},
		{"at the start", "10", 1000, 1000},
		{"just before the end", "10", 1009.999, 1000},
		{"odd period", "7", 1000, 994},
		{"odd period at its start", "7", 994, 994},
		{"one second", "1", 999.5, 999},
		{"longer than the time since 1970", "2000", 1000, 0},
		{"zero", "10", 0, 0},
		{"minus zero", "10", math.Copysign(0, -1), 0},
		{"fraction below zero", "10", -0.5, -10},
		{"minus one", "10", -1, -10},
		{"minus a period", "10", -10, -10},
		{"just below minus a period", "10", -10.5, -20},
		{"odd period below zero", "7", -1, -7},
		{"long ago", "60", -9e15, -9e15},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := start(t, 1010, "out ("+c.period+") = sum in\n", nil)
			k.add("in", 2, c.time)
			k.add("in", 3, c.time)
			if got, _ := k.a.Buckets("out", math.MinInt64, math.MaxInt64); len(got) != 1 || got[0].Start != c.start || got[0].Value() != 5 {
				t.Errorf("buckets %+v, want one at %d with 5", got, c.start)
			}
			k.tick(5000)
			k.want(Row{"out", 5, c.start})
		})
	}
}

func TestTimesThatAreNone(t *testing.T) {
	for _, eventTime := range []bool{false, true} {
		k := start(t, 1000, "out (10) = sum in\n", func(cfg *Config) { cfg.EventTime = eventTime })
		for _, time := range []float64{math.Inf(1), math.Inf(-1), math.NaN(), 1e300, -1e300} {
			k.add("in", 1, time)
		}
		k.drops(TooNew, 2, TooOld, 3)
		k.a.Flush()
		k.want()
	}
}

func TestBucketClosesAfterItsGrace(t *testing.T) {
	for _, c := range []struct {
		name, rule string
		start      int64
		closes     float64
	}{
		{"default", "out (60) = sum in", 960, 1025},
		{"at most half the period", "out (6) = sum in", 1014, 1023},
		{"a rule's own", "out (60) = sum in grace=30s", 960, 1050},
		{"a rule's own above the period", "out (60) = sum in grace=2m", 960, 1140},
		{"none", "out (60) = sum in grace=0s", 960, 1020},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := start(t, 1015, c.rule+"\n", nil)
			k.add("in", 1, 1015)
			if next := k.a.Next(); next != c.closes {
				t.Errorf("next due at %v, want %v", next, c.closes)
			}
			k.through(c.closes - 0.25)
			k.want()
			k.tick(c.closes)
			k.want(Row{"out", 1, c.start})
			k.through(c.closes + 500)
			k.want()
			if s := k.a.Stats(); s.Closed != 1 || s.Amended != 0 || s.Rows != 1 {
				t.Errorf("closed %d, amended %d, rows %d, want 1, 0, 1", s.Closed, s.Amended, s.Rows)
			}
		})
	}
}

func TestLateDatapointAmendsTheWholeValue(t *testing.T) {
	for _, c := range []struct {
		name   string
		amend  float64
		amends float64 // when
		again  float64
	}{
		{"delay as the grace", -1, 1105, 1110},
		{"delay of its own", 20, 1120, 1140},
		{"no delay", 0, 1100, 1100.25},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := start(t, 1000, "out (60) = sum in keep=100\n", func(cfg *Config) { cfg.AmendDelay = c.amend })
			k.add("in", 1, 1000)
			k.through(1100)
			k.want(Row{"out", 1, 960})
			k.add("in", 2, 1001)
			k.add("in", 4, 1019)
			if c.amend != 0 {
				k.through(c.amends - 0.25)
				k.want()
			}
			k.tick(c.amends)
			k.want(Row{"out", 7, 960})
			// The next one waits from the last emission at least.
			k.now = c.amends + 0.25
			k.add("in", 8, 1002)
			k.through(c.again - 0.25)
			k.want()
			k.through(c.again + 0.25)
			k.want(Row{"out", 15, 960})
			if s := k.a.Stats(); s.Closed != 1 || s.Amended != 2 || s.Late != 3 {
				t.Errorf("closed %d, amended %d, late %d, want 1, 2, 3", s.Closed, s.Amended, s.Late)
			}
		})
	}
}

func TestBucketIsKeptAndThenTooOld(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in keep=3\n", nil)
	k.add("in", 1, 1000)
	k.through(1039.75) // its end and three periods are at 1040
	k.want(Row{"out", 1, 1000})
	k.add("in", 2, 1000)
	k.through(1069.5) // kept on, because of the late datapoint
	k.want(Row{"out", 3, 1000})
	k.add("in", 4, 1000)
	k.through(1200)
	k.want(Row{"out", 7, 1000})
	k.drops()
	k.add("in", 8, 1000)
	k.add("in", 8, 1009.5)
	k.drops(TooOld, 2)
	k.add("in", 16, 1010) // the next one was never emitted
	k.through(1400)
	k.want(Row{"out", 16, 1010})
	k.drops(TooOld, 2)
	if s := k.a.Stats(); s.Buckets != 0 || s.Outputs != 1 {
		t.Errorf("%d buckets, %d outputs, want 0, 1", s.Buckets, s.Outputs)
	}
}

func TestKeepBeginsWithTheLastDatapoint(t *testing.T) {
	// They come for the same bucket, so that only the first asks for it.
	t.Run("before it closes", func(t *testing.T) {
		k := start(t, 1000, "out (10) = sum in grace=1h\n", nil)
		k.add("in", 1, 1000)
		k.through(4600)
		k.add("in", 2, 1000)
		k.through(4649)
		k.want(Row{"out", 3, 1000})
		k.add("in", 4, 1000)
		k.drops()
		k.through(9000)
		k.want(Row{"out", 7, 1000})
	})
	t.Run("while it waits to be amended", func(t *testing.T) {
		k := start(t, 1000, "out (10) = sum in\n", func(cfg *Config) { cfg.AmendDelay = 600 })
		k.add("in", 1, 1000)
		k.through(1020)
		k.add("in", 2, 1000)
		k.through(1610)
		k.add("in", 4, 1000)
		k.through(1650)
		k.want(Row{"out", 1, 1000}, Row{"out", 7, 1000})
		k.add("in", 8, 1000)
		k.drops()
		k.through(3000)
		k.want(Row{"out", 15, 1000})
	})
}

func TestKeepOfNothing(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in keep=0\n", nil)
	k.add("in", 1, 1000)
	k.through(1015)
	k.add("in", 2, 1000)
	k.drops(TooOld, 1)
	k.through(1100)
	k.want(Row{"out", 1, 1000})
}

func TestFutureLimitInsideAnOpenBucket(t *testing.T) {
	k := start(t, 7200, "out (3600) = sum in\n", nil)
	l := k.a.Acquire()
	addTo(l, "in", 1, 7200)
	addTo(l, "in", 2, 7800)
	addTo(l, "in", 4, 7800.5) // its bucket is open, but it is too far ahead
	addTo(l, "in", 8, 7801)
	l.Release()
	k.drops(TooNew, 2)
	k.now = 7201
	k.add("in", 8, 7801)
	k.drops(TooNew, 2)
	k.tick(20000)
	k.want(Row{"out", 11, 7200})
}

func TestDatapointAheadOfTheClock(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in\n", nil)
	k.add("in", 1, 1500)
	k.add("in", 2, 1000)
	k.add("in", 4, 1500)
	k.through(1514.75)
	k.want(Row{"out", 2, 1000})
	k.tick(1515)
	k.want(Row{"out", 5, 1500})
}

func TestHistoryOpensAndClosesAfterTheGrace(t *testing.T) {
	k := start(t, 1e6, "out (60) = sum in\n", nil)
	k.add("in", 1, 1000)
	k.add("in", 2, 1001)
	k.add("in", 4, 2000)
	k.through(1e6 + 4.75)
	k.want()
	k.tick(1e6 + 5)
	k.want(Row{"out", 3, 960}, Row{"out", 4, 1980})
	k.drops()
	// Replayed once more it is amended, for as long as it is held.
	k.add("in", 8, 1000)
	k.through(1e6 + 1000)
	k.want(Row{"out", 11, 960})
	k.add("in", 16, 1000)
	k.drops(TooOld, 1)
}

func TestManyRangesOfHistory(t *testing.T) {
	k := start(t, 1e6, "out (10) = sum in\n", nil)
	for i := range 100 { // every other bucket
		k.now++
		k.add("in", 1, float64(1000+20*i))
		k.tick(k.now)
	}
	k.through(k.now + 1000)
	if n := len(k.rows); n != 100 {
		t.Fatalf("%d rows, want 100", n)
	}
	k.rows = nil
	for i := range 100 {
		k.add("in", 1, float64(1000+20*i))
	}
	k.drops(TooOld, 100) // none may be opened again
	// The newest gaps are still known as gaps, the oldest count as emitted.
	k.add("in", 1, 1000+20*99-10)
	k.add("in", 1, 3000)
	k.drops(TooOld, 100)
	k.add("in", 1, 1010)
	k.drops(TooOld, 101)
}

func TestClockStepsBack(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in\n", nil)
	k.add("in", 1, 1000)
	k.through(1020)
	k.want(Row{"out", 1, 1000})
	k.tick(990)
	k.want()
	k.through(1030)
	k.want() // nothing is emitted again
	k.add("in", 2, 1000)
	k.tick(1031)
	k.tick(1011) // while an amendment waits
	k.through(1016)
	k.want(Row{"out", 3, 1000})
	k.add("in", 4, 1011)
	k.through(1025)
	k.want(Row{"out", 4, 1010})
	k.drops()
}

func TestForwardJumpIsCorrected(t *testing.T) {
	const year = 365 * 86400
	k := start(t, 1000, "out (60) = sum in\nother (60) = sum in2\n", func(cfg *Config) { cfg.OutputIdle = 100 })
	k.add("in", 1, 1000)
	k.tick(1000 + year)
	k.want(Row{"out", 1, 960})
	// During the jump: a bucket opens, a held one gets more, an output is made.
	k.add("in", 2, 1021)
	k.add("in2", 2, 1021)
	k.tick(1001 + year)
	k.want()
	k.tick(1010)
	k.want()
	k.add("in", 4, 1022)
	k.through(1085)
	k.want(Row{"out", 6, 1020}, Row{"other", 2, 1020})
	k.add("in", 8, 1085)
	k.add("in", 16, 1022)
	k.through(1145)
	k.want(Row{"out", 22, 1020}, Row{"out", 8, 1080})
	k.drops()
	k.add("in", 32, 1000) // closed too early in the jump, and amended now
	k.through(5000)
	k.want(Row{"out", 33, 960})
	if s := k.a.Stats(); s.Outputs != 0 || s.Buckets != 0 {
		t.Errorf("%d outputs with %d buckets do not leave", s.Outputs, s.Buckets)
	}
}

func TestAmendmentDoesNotWaitForAJumpedClock(t *testing.T) {
	const year = 365 * 86400
	k := start(t, 1000, "out (600) = sum in keep=100000\n", nil)
	k.add("in", 1, 1000)
	k.tick(1000 + year)
	k.want(Row{"out", 1, 600})
	k.add("in", 2, 1001)
	k.tick(1000 + year)
	k.tick(1010) // corrected while the amendment waits
	k.through(1015)
	k.want(Row{"out", 3, 600})
	k.add("in", 4, 1002)
	k.through(1021)
	k.want(Row{"out", 7, 600})
}

func TestClockIsAlreadyBackAtTheFirstTick(t *testing.T) {
	k := start(t, 1e6, "out (10) = sum in\n", func(cfg *Config) { cfg.OutputIdle = 10 })
	k.add("in", 1, 1000)
	k.tick(1000)
	k.through(1015)
	k.want(Row{"out", 1, 1000})
	k.through(1200)
	if s := k.a.Stats(); s.Outputs != 0 {
		t.Errorf("the output does not leave")
	}
}

func TestWriteBackEmitsOpenBuckets(t *testing.T) {
	k := start(t, 1021, "out (60) = sum in\nshort (2) = sum in\n", func(cfg *Config) { cfg.WriteBack = 10 })
	k.add("in", 1, 1021)
	k.through(1030.75)
	k.want(Row{"short", 1, 1020})
	k.through(1031)
	k.tick(1030) // a step back puts nothing off
	k.through(1040)
	k.want(Row{"out", 1, 1020})
	k.through(1051) // nothing new
	k.want()
	k.add("in", 2, 1052)
	k.through(1062)
	k.want(Row{"out", 3, 1020}, Row{"short", 2, 1052})
	k.add("in", 4, 1062)
	k.through(1085)
	k.want(Row{"out", 7, 1020}, Row{"short", 4, 1062})
	k.through(1200)
	k.want()
	if s := k.a.Stats(); s.Early != 3 || s.Closed != 4 || s.Amended != 0 {
		t.Errorf("early %d, closed %d, amended %d, want 3, 4, 0", s.Early, s.Closed, s.Amended)
	}
}

func TestBucketInProgressAtTheStart(t *testing.T) {
	k := start(t, 1000, "out (60) = sum in\n", nil)
	k.add("in", 1, 1000)
	k.add("in", 1, 900)
	k.add("in", 1, 1020)
	k.through(1100)
	k.want(Row{"out", 1, 960}, Row{"out", 1, 900}, Row{"out", 1, 1020})
	if s := k.a.Stats(); s.Partial != 1 || s.Closed != 3 {
		t.Errorf("partial %d of %d closed, want 1 of 3", s.Partial, s.Closed)
	}
}

func TestBucketsOfAnEarlierRunAreRefused(t *testing.T) {
	k := start(t, 1003, "out (60) = sum in\n", func(cfg *Config) { cfg.NotBefore = 1001 })
	k.add("in", 1, 900)
	k.add("in", 1, 1003) // its bucket began while the earlier run was alive
	k.drops(TooOld, 2)
	k.add("in", 1, 1020)
	k.drops(TooOld, 2)
}
