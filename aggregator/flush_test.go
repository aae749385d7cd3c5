package aggregator

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func eventTime(t *testing.T, ruleText string) *clock {
	return start(t, 1e6, ruleText, func(cfg *Config) { cfg.EventTime = true })
}

func TestEventTimeKnowsNoClock(t *testing.T) {
	k := eventTime(t, "out (10) = sum in\n")
	for _, at := range []float64{1e9, 5, -5, 1000, 1e9, 1e12} {
		k.add("in", 1, at)
	}
	if next := k.a.Next(); next != never {
		t.Errorf("something is due at %v", next)
	}
	k.a.Flush()
	want := []Row{{"out", 1, -10}, {"out", 1, 0}, {"out", 1, 1000}, {"out", 2, 1e9}, {"out", 1, 1e12}}
	if !slices.Equal(k.rows, want) {
		t.Errorf("rows %v, want %v", k.rows, want)
	}
	k.drops()
	k.rows = nil
	k.a.Flush()
	k.want()
}

func TestFlushIsInOrderOfTimeAndName(t *testing.T) {
	k := eventTime(t, `a.<method>.z (10) = sum,max *.<n>
a.n (10) = sum *.<n>
a.sum (10) = sum *.<n>
b.<n> (20) = count *.<n>
b.<n>;tag=<n> (10) = count *.<n>
`)
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		k.add("in."+string(rune('a'+r.IntN(20))), 1, float64(r.IntN(1000)))
	}
	k.a.Flush()
	if len(k.rows) < 4*100+20*50 || k.emitted < 2 {
		t.Fatalf("%d rows in %d calls", len(k.rows), k.emitted)
	}
	for i := 1; i < len(k.rows); i++ {
		x, y := k.rows[i-1], k.rows[i]
		if x.Time > y.Time || x.Time == y.Time && strings.Compare(x.Name, y.Name) >= 0 {
			t.Fatalf("%v before %v", x, y)
		}
	}
	if s := k.a.Stats(); int(s.Rows) != len(k.rows) || s.Closed != uint64(s.Buckets) {
		t.Errorf("%+v", s)
	}
}

func TestFlushAtAStop(t *testing.T) {
	k := start(t, 1000, "out (10) = sum in\n", nil)
	k.add("in", 1, 980)
	k.add("in", 2, 1000)
	k.through(1005)
	k.want(Row{"out", 1, 980})
	k.add("in", 4, 980)
	k.add("in", 8, 1005)
	k.add("in", 16, 1030)
	k.a.Flush()
	k.want(Row{"out", 5, 980}, Row{"out", 10, 1000}, Row{"out", 16, 1030})
	if s := k.a.Stats(); s.Closed != 3 || s.Amended != 1 {
		t.Errorf("closed %d, amended %d, want 3, 1", s.Closed, s.Amended)
	}
	k.through(1200)
	k.want()
}

// Emit may look at what is held.
func TestEmitMayRead(t *testing.T) {
	k := start(t, 1000, "out.<n> (10) = sum in.<n>\n", nil)
	read := 0
	k.a.cfg.Emit = func(rows []Row, _ bool) {
		for _, r := range rows[:min(len(rows), 10)] {
			b, _ := k.a.Buckets(r.Name, r.Time, r.Time+1)
			if len(b) != 1 || b[0].Value() != r.Value {
				t.Errorf("%v reads %v", r, b)
			}
			read++
		}
	}
	for i := range 3000 {
		k.add("in."+string(rune('a'+i%26))+strings.Repeat("x", i/26), 1, 1000)
	}
	k.through(1020)
	if read < 30 {
		t.Errorf("%d rows were looked at", read)
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type sent struct {
			Row
			at time.Time
		}
		var rows []sent
		now := func() float64 { return float64(time.Now().UnixNano()) / 1e9 }
		cfg := plainConfig()
		cfg.Rules = parseRules(t, "out (10) = sum in\n")
		cfg.Now, cfg.Logger = now, slog.New(slog.DiscardHandler)
		cfg.Emit = func(r []Row, _ bool) {
			for _, x := range r {
				rows = append(rows, sent{x, time.Now()})
			}
		}
		a, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { a.Run(ctx); close(done) }()
		begun := time.Now() // midnight, a multiple of 10 seconds
		add := func() {
			l := a.Acquire()
			addTo(l, "in", 1, now())
			l.Release()
		}
		for range 25 {
			add()
			time.Sleep(time.Second)
		}
		time.Sleep(20 * time.Second)
		cancel()
		<-done
		if len(rows) != 3 {
			t.Fatalf("%d rows, want 3: %v", len(rows), rows)
		}
		for i, r := range rows {
			want := sent{Row{"out", 10, begun.Unix() + int64(10*i)}, begun.Add(time.Duration(10*i+15) * time.Second)}
			if i == 2 {
				want.Value = 5
			}
			late := r.at.Sub(want.at)
			if r.Row != want.Row || late < 0 || late > 2*shortestNap {
				t.Errorf("%v at %v, want %v at %v", r.Row, r.at, want.Row, want.at)
			}
		}
		add()
		time.Sleep(time.Hour)
		if len(rows) != 3 {
			t.Error("it ran on after its context was done")
		}
	})
}
