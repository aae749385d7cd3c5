package periods

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestHistory(t *testing.T) {
	type event struct {
		announced     bool
		period, start int64
	}
	for name, c := range map[string]struct {
		events  []event
		present int64
		want    History
	}{
		"no change":               {[]event{{false, 10, 100}, {false, 10, 50}, {true, 10, 0}}, 10, nil},
		"a change":                {[]event{{false, 30, 120}}, 30, History{{10, Always, 120}, {30, 120, Never}}},
		"announced":               {[]event{{true, 30, 0}}, 30, History{{10, Always, Never}, {30, Never, Never}}},
		"announced, and goes on":  {[]event{{true, 30, 0}, {false, 10, 110}, {false, 30, 120}, {false, 30, 150}}, 30, History{{10, Always, 120}, {30, 120, Never}}},
		"announced, and taken in": {[]event{{true, 30, 0}, {true, 10, 0}}, 10, nil},
		"late":                    {[]event{{false, 30, 120}, {false, 10, 110}}, 30, History{{10, Always, 120}, {30, 120, Never}}},
		"earlier than the change": {[]event{{false, 30, 120}, {false, 30, 90}}, 30, History{{10, Always, 120}, {30, 90, Never}}},
		"back":                    {[]event{{false, 30, 120}, {false, 10, 180}}, 10, History{{10, Always, 120}, {30, 120, 180}, {10, 180, Never}}},
		"back, and late":          {[]event{{false, 30, 120}, {false, 10, 180}, {false, 30, 90}}, 10, History{{10, Always, 120}, {30, 90, 180}, {10, 180, Never}}},
		"back, announced, late":   {[]event{{false, 30, 120}, {true, 10, 0}, {false, 10, 60}, {false, 10, 180}}, 10, History{{10, Always, 120}, {30, 120, 180}, {10, 180, Never}}},
		"late of another":         {[]event{{false, 30, 120}, {false, 7, 70}}, 30, History{{7, 70, 71}, {10, Always, 120}, {30, 120, Never}}},
		"announced twice":         {[]event{{true, 30, 0}, {true, 60, 0}, {false, 60, 120}}, 60, History{{10, Always, 120}, {60, 120, Never}}},
	} {
		t.Run(name, func(t *testing.T) {
			present, h := int64(10), History(nil)
			for _, e := range c.events {
				if e.announced {
					present, h = e.period, h.Announce(present, e.period)
				} else {
					present, h = h.Meet(present, e.period, e.start)
				}
			}
			if present != c.present || !slices.Equal(h, c.want) {
				t.Errorf("%d with %v, want %d with %v", present, h, c.present, c.want)
			}
		})
	}
}

func TestJoin(t *testing.T) {
	stored := History{{10, Always, 120}, {30, 120, Never}}
	for name, c := range map[string]struct {
		present int64
		h, of   History
		earlier int64
		want    History
	}{
		"nothing":              {10, nil, nil, 10, nil},
		"what was stored":      {30, nil, stored, 30, stored},
		"changed since":        {30, nil, nil, 10, History{{10, Always, Never}, {30, Always, Never}}},
		"changed, and begun":   {60, History{{30, 150, 180}, {60, 180, Never}}, stored, 30, History{{10, Always, 120}, {30, 120, 180}, {60, 180, Never}}},
		"back since":           {10, nil, stored, 30, History{{10, Always, 120}, {30, 120, Never}, {10, Always, Never}}},
		"announced, and known": {30, History{{10, Always, Never}, {30, Never, Never}}, nil, 10, History{{10, Always, Never}, {30, Never, Never}}},
	} {
		if got := c.h.Join(c.present, c.of, c.earlier); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// However a series changes its period, what it has of a time is found; written and read
// it is the same; and what comes late leaves the present one.
func TestNothingIsMissed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type kept struct{ period, start int64 }
		var all []kept
		period := rapid.SampledFrom([]int64{7, 10, 30, 60})
		draw := func() int64 { return period.Draw(t, "period") }
		present, h := draw(), History(nil)
		known, stored := present, History(nil) // by a store, which gets all at times
		now := int64(1000)
		keep := func(p, start int64) {
			present, h = h.Meet(present, p, start)
			all = append(all, kept{p, start})
			known, stored = stored.Meet(known, p, start)
			stored = Parse(stored.String())
		}
		newest, open := present, false
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				newest = draw()
				if open || rapid.Bool().Draw(t, "announced") {
					open = true // until a cell comes
					h, present = h.Announce(present, newest), newest
				}
			case 1:
				if len(all) > 0 {
					late := rapid.SampledFrom(all).Draw(t, "late")
					before := present
					if keep(late.period, late.start); present != before {
						t.Fatalf("what came late has made a period of %d one of %d", before, present)
					}
				}
			default:
				now += 60 - now%60 + newest - (now+60-now%60)%newest
				keep(newest, now)
				open = false
				now += newest
				if present != newest || known != newest {
					t.Fatalf("the period is %d and %d, want %d", present, known, newest)
				}
			}
		}
		for _, k := range all {
			for _, x := range []struct {
				p int64
				h History
			}{{present, h}, {known, stored}} {
				if in := x.h.Within(x.p, k.start, k.start+1); !slices.Contains(in, k.period) {
					t.Fatalf("%d at %d is not in %v: %v", k.period, k.start, in, x.h)
				}
			}
		}
	})
}

func TestFollow(t *testing.T) {
	later := History{{10, 60, 120}, {30, 120, Never}}
	for name, c := range map[string]struct {
		present int64
		h       History
		want    History
		then    int64
	}{
		"the same before": {10, nil, History{{10, Always, 120}, {30, 120, Never}}, 30},
		"another before":  {60, nil, History{{60, Always, 60}, {10, 60, 120}, {30, 120, Never}}, 30},
		"as it was":       {30, History{{10, Always, 120}, {30, 120, Never}}, History{{10, Always, 120}, {30, 120, Never}}, 30},
	} {
		then, got := c.h.Follow(c.present, later)
		if then != c.then {
			t.Errorf("%s: %d, want %d", name, then, c.then)
		}
		for _, s := range c.want {
			if !slices.ContainsFunc(got, func(x Span) bool { return x.Period == s.Period && x.From <= s.From && x.Until >= s.Until }) {
				t.Errorf("%s: %v lacks some of %v", name, got, s)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	present, h := int64(1), History(nil)
	for p := int64(2); p < 100; p++ {
		present, h = h.Meet(present, p, p*1000)
	}
	if len(h) != Max || h[Max-1].Period != 99 || h[0].Period != 99-Max+1 {
		t.Errorf("%v", h)
	}
	for _, text := range []string{"", "x", "1:2", "1:2:3", "0:1:2,3:4:5", "9999999999999999999:1:2,10:1:2", ",,,"} {
		if h := Parse(text); h != nil {
			t.Errorf("%q is %v", text, h)
		}
	}
}
