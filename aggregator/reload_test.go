package aggregator

import "testing"

func (c *clock) reload(ruleText string) {
	c.t.Helper()
	c.a.SetRules(parseRules(c.t, ruleText))
}

func TestReloadKeepsOpenBuckets(t *testing.T) {
	k := start(t, 1000, "out (60) = sum in\n", nil)
	k.add("in", 1, 1000)
	k.reload("new (60) = sum new\nout (60) = sum in\n")
	k.add("in", 2, 1000)
	k.reload("out (60) = sum in\n")
	k.add("in", 4, 1000)
	k.reload("out (60) = sum in grace=20s\n") // other options, the same output
	k.add("in", 8, 1000)
	k.through(1030)
	k.want(Row{"out", 15, 960})
	k.add("in", 1, 1030)
	k.through(1099)
	k.want()
	k.tick(1100)
	k.want(Row{"out", 1, 1020})
}

func TestReloadThatRemovesARule(t *testing.T) {
	k := start(t, 1000, "out (60) = sum in\nkept (60) = sum in2\n", func(cfg *Config) { cfg.ForwardAll = true })
	k.add("in", 1, 1000)
	k.reload("kept (60) = sum in2\n")
	k.add("in", 2, 1000)
	k.through(1024.75)
	k.want()
	k.tick(1025)
	k.want(Row{"out", 1, 960})
	if s := k.a.Stats(); s.Unmatched != 1 || s.Matched != 1 || s.Forwarded != 2 || s.Version != 2 || s.Rules != 1 {
		t.Errorf("%+v", s)
	}
	// Put back while it is held, it goes on.
	k.reload("out (60) = sum in\n")
	k.add("in", 4, 1000)
	k.through(1100)
	k.want(Row{"out", 5, 960})
}

func TestReloadThatChangesAnOutput(t *testing.T) {
	for _, c := range []struct {
		name, before, after string
		rows                []Row
	}{
		{"method", "out (60) = sum in", "out (60) = max in",
			[]Row{{"out", 1 + 2 + 4 + 8, 960}, {"out", 32, 1020}}},
		{"shorter period", "out (60) = sum in", "out (10) = sum in",
			[]Row{{"out", 1 + 2 + 4 + 8, 960}, {"out", 16, 1020}, {"out", 32, 1070}}},
		{"longer period", "out (10) = sum in", "out (60) = sum in",
			[]Row{{"out", 1 + 2, 1000}, {"out", 4 + 8, 1010}, {"out", 16 + 32, 1020}}},
		{"odd period", "out (10) = sum in", "out (7) = sum in", // begins at 1015
			[]Row{{"out", 1 + 2, 1000}, {"out", 4, 1010}, {"out", 8, 1015}, {"out", 16, 1022}, {"out", 32, 1071}}},
		{"from an odd period", "out (7) = sum in", "out (10) = sum in", // [1001, 1008), then from 1010
			[]Row{{"out", 1 + 2, 1001}, {"out", 4 + 8, 1010}, {"out", 16, 1020}, {"out", 32, 1070}}},
		{"pattern and method", "out (60) = sum in", "out (60) = max i*",
			[]Row{{"out", 1 + 2 + 4 + 8, 960}, {"out", 32, 1020}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := start(t, 1002, c.before+"\n", nil)
			k.add("in", 1, 1002)
			k.reload(c.after + "\n")
			k.add("in", 2, 1003)
			k.add("in", 4, 1012)
			k.add("in", 8, 1015)
			k.add("in", 16, 1022)
			k.add("in", 32, 1074)
			k.drops()
			k.through(1200)
			k.want(c.rows...)
		})
	}
}

func TestReloadBackAndForthBeforeTheBoundary(t *testing.T) {
	k := start(t, 1000, "out (60) = sum in\n", nil)
	k.add("in", 1, 1000)
	for _, method := range []string{"max", "min", "avg", "sum", "max", "count"} {
		k.reload("out (60) = " + method + " in\n")
		k.add("in", 1, 1000)
	}
	k.add("in", 5, 1020)
	k.add("in", 5, 900) // history goes to the old method
	k.through(1100)
	k.want(Row{"out", 7, 960}, Row{"out", 1, 1020}, Row{"out", 5, 900})
	k.drops()
}

// A change of the list of methods must not tear the row that stays from its
// bucket, though one of the new rows is free at once.
func TestReloadThatChangesOneOfSeveralMethods(t *testing.T) {
	k := start(t, 1000, "out.<method> (60) = sum,max in\n", nil)
	k.add("in", 1, 1000)
	k.reload("out.<method> (60) = sum,avg in\n")
	k.add("in", 2, 1000)
	k.through(1030)
	k.want(Row{"out.sum", 3, 960}, Row{"out.max", 2, 960})
	k.add("in", 4, 1030)
	k.through(1090)
	k.want(Row{"out.sum", 4, 1020}, Row{"out.avg", 4, 1020})
	// And back in the middle of a bucket.
	k.add("in", 8, 1090)
	k.reload("out.<method> (60) = sum,max in\n")
	k.add("in", 16, 1091)
	k.add("in", 32, 1031) // late, for the other one
	k.add("in", 64, 1001) // late, for the first
	k.through(1150)
	k.want(Row{"out.sum", 36, 1020}, Row{"out.avg", 18, 1020}, Row{"out.sum", 67, 960}, Row{"out.max", 64, 960},
		Row{"out.sum", 24, 1080}, Row{"out.avg", 12, 1080})
	k.add("in", 5, 1150)
	k.through(1210)
	k.want(Row{"out.sum", 5, 1140}, Row{"out.max", 5, 1140})
	k.drops()
}

func TestReloadThatSwapsConflictingRules(t *testing.T) {
	a, b := "out (10) = sum a\n", "out (10) = max b\n"
	k := start(t, 1000, a+b, nil)
	k.add("a", 1, 1000)
	k.add("b", 100, 1000)
	k.drops(Conflict, 1)
	k.reload(b + a)
	k.add("a", 2, 1001) // its bucket goes on
	k.drops(Conflict, 1)
	k.add("a", 4, 1010)
	k.drops(Conflict, 2)
	k.add("b", 50, 1010)
	k.add("b", 60, 1011)
	k.through(1030)
	k.want(Row{"out", 3, 1000}, Row{"out", 60, 1010})
	if r := k.a.RuleStats(); r[0].Output != "out" || r[0].Matched != 3 || r[0].Dropped != 1 || r[1].Matched != 3 || r[1].Dropped != 1 ||
		r[0].Closed != 1 || r[1].Closed != 1 {
		t.Errorf("%+v", r)
	}
	k.reload(a)
	k.add("a", 8, 1020)
	k.through(1050)
	k.want(Row{"out", 8, 1020})
	k.drops(Conflict, 2)
}

func TestFirstInTheFileIsReachedLast(t *testing.T) {
	k := start(t, 1000, "out (10) = sum a grace=2s\nout (20) = max b grace=0s\n", nil)
	k.add("b", 3, 1000)
	k.add("a", 5, 1001) // goes into the bucket that is there
	k.add("a", 7, 1020)
	k.add("b", 9, 1021) // has lost by now
	k.drops(Conflict, 1)
	k.reload("new (10) = sum new\nout (10) = sum a grace=2s\nout (20) = max b grace=0s\n")
	k.add("b", 4, 981) // its own time goes by its own rule
	k.through(1000.25)
	k.want(Row{"out", 4, 980})
	k.through(1020.25)
	k.want(Row{"out", 5, 1000})
	k.through(1100)
	k.want(Row{"out", 7, 1020})
}

// Periods that do not divide each other: the bucket in which the other one begins
// is cut, however a datapoint finds it.
func TestBucketIsCutWhereAnotherPeriodBegins(t *testing.T) {
	k := start(t, 1002, "out (10) = sum a\n", nil)
	k.add("a", 1, 1002)
	k.reload("out (7) = max b\nout (10) = sum a\n")
	k.add("b", 100, 1003)  // begins at 1015
	k.add("a", 2, 1012)    // opens [1010, 1020)
	k.add("a", 4, 1014.75) // finds it open
	k.add("a", 8, 1015)
	k.add("a", 16, 1019)
	k.drops(Conflict, 2)
	k.add("b", 50, 1016)
	k.through(1100)
	k.want(Row{"out", 101, 1000}, Row{"out", 6, 1010}, Row{"out", 50, 1015})
}

func TestSecondRuleTakesOverWhenTheFirstGetsNothing(t *testing.T) {
	k := start(t, 1000, "out (10) = sum a\nout (20) = max b\n", func(cfg *Config) { cfg.Keep, cfg.OutputIdle = 1, 30 })
	k.add("a", 1, 1000)
	k.add("b", 2, 1000)
	k.drops(Conflict, 1)
	for k.now < 1200 {
		k.through(k.now + 10)
		k.add("b", 4, k.now)
	}
	k.through(1300)
	s := k.a.Stats()
	if s.Dropped[Conflict] > 8 || s.Dropped[TooOld] > 2 {
		t.Errorf("dropped %v of %d, though nothing came by the first rule", s.Dropped, s.Contributions)
	}
	seen := map[int64]float64{}
	for _, r := range k.rows {
		if v, ok := seen[r.Time]; ok && v > r.Value {
			t.Errorf("%v overwrites %v", r, v)
		}
		seen[r.Time] = r.Value
	}
	// The first comes back, and wins again.
	k.rows = nil
	k.add("b", 4, 1300)
	k.add("a", 8, 1320)
	k.add("b", 4, 1320)
	k.through(1400)
	k.want(Row{"out", 4, 1300}, Row{"out", 8, 1320})
}

// The values of a name stay what they were, even when whoever made them is
// unknown by now.
func TestAnotherOutputOfTheNameKeepsOffItsPast(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in\n", func(cfg *Config) { cfg.OutputIdle = 60 })
	k.add("in", 1, 1000)
	k.add("in", 2, 1010)
	k.through(1300)
	k.want(Row{"out", 1, 1000}, Row{"out", 2, 1010})
	if s := k.a.Stats(); s.Outputs != 0 {
		t.Fatalf("%d outputs, want 0", s.Outputs)
	}
	k.reload("out (10) = max in\n")
	k.add("in", 4, 1000)
	k.add("in", 8, 1010)
	k.drops(TooOld, 2)
	k.add("in", 16, 1020)
	k.through(1400)
	k.want(Row{"out", 16, 1020})
}

func TestLaneHeldAcrossAReload(t *testing.T) {
	k := start(t, 1000, "out (60) = sum in\n", nil)
	held := k.a.Acquire()
	addTo(held, "in", 1, 1000)
	k.reload("other (60) = sum in\n")
	addTo(held, "in", 2, 1000) // by the rules at its Acquire
	other := k.a.Acquire()
	addTo(other, "in", 4, 1000)
	addTo(held, "in", 8, 1000)
	addTo(other, "in", 16, 1000)
	held.Release()
	other.Release()
	k.through(1100)
	k.want(Row{"out", 11, 960}, Row{"other", 20, 960})
	k.reload("out (60) = sum in\n")
	k.add("in", 32, 1000)
	k.through(1200)
	k.want(Row{"out", 43, 960})
	k.drops()
}

func TestManyReloads(t *testing.T) {
	k := start(t, 1000, "out (60) = sum in\nkeep (60) = sum other\n", nil)
	k.add("in", 1, 1000)
	k.add("other", 1, 1000)
	for range 3 * maxChanges {
		k.reload("keep (60) = sum other\n")
		k.reload("out (60) = sum in\nkeep (60) = sum other\n")
	}
	k.add("in", 2, 1000)
	k.add("other", 2, 1000)
	k.through(1030)
	k.want(Row{"out", 3, 960}, Row{"keep", 3, 960})
}

func TestKnownNameOnlyTriesTheChangedRules(t *testing.T) {
	k := start(t, 1000, "out (60) = sum in\n", nil)
	k.add("in", 1, 1000)
	k.add("else", 1, 1000)
	for i := range 10 {
		k.reload([]string{"out (60) = sum in\n", "out (60) = sum in\nnew (60) = sum new.*\n"}[i%2])
		k.add("in", 1, 1000)
		k.add("else", 1, 1000)
	}
	if s := k.a.Stats(); s.Learned != 2 {
		t.Errorf("%d names were matched against all rules, want 2", s.Learned)
	}
}
