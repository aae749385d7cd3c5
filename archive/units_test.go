package archive

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
)

func TestTiers(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), func(cfg *Config) { cfg.Windows[1].Retention = 3 * day })
	for period, want := range map[int64]string{
		1:    "[{1 86400} {10 3600} {60 259200} {900 604800}]",
		7:    "[{7 86400}]",
		10:   "[{10 86400} {60 259200} {900 604800}]",
		20:   "[{20 86400} {60 259200} {900 604800}]",
		60:   "[{60 259200} {900 604800}]",
		50:   "[{50 86400} {900 604800}]",
		900:  "[{900 604800}]",
		3600: "[{3600 86400}]",
		0:    "[]",
	} {
		if got := fmt.Sprint(w.a.Tiers(period)); got != want {
			t.Errorf("%d: %s, want %s", period, got, want)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(cfg *Config)
		want   string
	}{
		"no store":         {func(cfg *Config) { cfg.Store = nil }, "store"},
		"no clock":         {func(cfg *Config) { cfg.Now = nil }, "clock"},
		"no cycle":         {func(cfg *Config) { cfg.Cycle = 0 }, "cycle 0s"},
		"no retention":     {func(cfg *Config) { cfg.Retention = -1 }, "retention -1"},
		"no memory":        {func(cfg *Config) { cfg.MaxPending = 0 }, "bounds"},
		"no disk":          {func(cfg *Config) { cfg.MaxJournal = 0 }, "bounds"},
		"no step":          {func(cfg *Config) { cfg.Windows[0].Step = 0 }, `window "5m"`},
		"points":           {func(cfg *Config) { cfg.Windows[0].Span = 301 }, "span 301 s"},
		"steps twice":      {func(cfg *Config) { cfg.Windows[1].Step = 10 }, "step 10 s"},
		"steps descending": {func(cfg *Config) { cfg.Windows[0].Step, cfg.Windows[0].Span = 300, 300 }, "step 60 s"},
		"no multiple":      {func(cfg *Config) { cfg.Windows[1].Step, cfg.Windows[1].Span = 75, 750 }, "step 75 s"},
		"no such window":   {func(cfg *Config) { cfg.Windows[2].Retention = 0 }, `window "24h"`},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{
				Store: memory.New(memory.Options{}), Dir: t.TempDir(), Windows: plainWindows(), Retention: day, Cycle: time.Second,
				MaxPending: 1, MaxJournal: 1, Now: func() float64 { return 0 },
			}
			c.change(&cfg)
			if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// The set of spans against one of seconds.
func TestSpans(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		var s spans
		var in [200]bool
		joined := false // there were too many
		for range 1 + r.IntN(12) {
			from := r.Int64N(190)
			x := span{from, from + r.Int64N(10)}
			s = s.add(x)
			for i := x.from; i < x.to; i++ {
				in[i] = true
			}
			joined = joined || len(s) == maxSpans
		}
		if len(s) > maxSpans {
			t.Fatalf("%v", s)
		}
		for i := range s {
			if s[i].empty() || i > 0 && s[i].from <= s[i-1].to {
				t.Fatalf("%v", s)
			}
		}
		extra := 0
		for i, want := range in {
			got := s.touches(int64(i), int64(i)+1)
			if want && !got {
				t.Fatalf("%v lacks %d", s, i)
			}
			if got && !want {
				extra++
			}
		}
		if extra > 0 && !joined {
			t.Fatalf("%v has %d too many", s, extra)
		}
	}
}

// pick counts each second once, by the finest cells.
func TestPick(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	steps := []int64{5, 10, 60, 300}
	for range 2000 {
		var cells []store.Cell
		finest := make(map[int64]int64)
		for _, step := range steps {
			for start := int64(0); start < 600; start += step {
				if r.Int64N(600) > step+100 {
					continue
				}
				cells = append(cells, store.Cell{Step: step, Start: start})
				inner := false // as a whole or in part
				for s := start; s < start+step; s++ {
					inner = inner || finest[s] > 0
				}
				for s := start; s < start+step && !inner; s++ {
					finest[s] = step
				}
			}
		}
		r.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		got := make(map[int64]int64)
		for _, c := range pick(slices.Clone(cells)) {
			for s := c.Start; s < c.Start+c.Step; s++ {
				if got[s] != 0 {
					t.Fatalf("second %d is there twice, of %v", s, cells)
				}
				got[s] = c.Step
			}
		}
		for s, step := range finest {
			if got[s] != step {
				t.Fatalf("second %d is of %d s, want %d, of %v", s, got[s], step, cells)
			}
		}
	}
	for want, cells := range map[int][]store.Cell{
		0: {{Step: 10, Start: 400}, {Step: 15, Start: 385}, {Step: 5, Start: 410}},
		1: {{Step: 10, Start: 400}, {Step: 15, Start: 390}, {Step: 5, Start: 410}},
		2: {{Step: 30, Start: 390}, {Step: 20, Start: 380}, {Step: 5, Start: 410}},
	} {
		n := 0
		if overlapping(cells, func(store.Cell) { n++ }); n != want {
			t.Errorf("%d of %v overlap, want %d", n, cells, want)
		}
	}
}

// cluster has every place in one group, and its reads do not bring much more.
func TestCluster(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 300 {
		const width = 60
		wanted := make(map[place]bool)
		shape := r.IntN(3)
		for range 1 + r.IntN(500) {
			p := place{r.IntN([]int{1000, 3, 50}[shape]), width * r.Int64N([]int64{2, 500, 50}[shape])}
			wanted[p] = true
		}
		var places []place
		for p := range wanted {
			places = append(places, p)
		}
		read, groups := 0, cluster(places, width)
		for _, g := range groups {
			read += len(g.is) * int((g.hi-g.lo)/width)
			for _, i := range g.is {
				for s := g.lo; s < g.hi; s += width {
					delete(wanted, place{i, s})
				}
			}
		}
		if len(wanted) > 0 || read > 2*len(places)+16*len(groups) {
			t.Fatalf("%d groups read %d cells for %d, and lack %d", len(groups), read, len(places), len(wanted))
		}
	}
	places := make([]place, 10_000)
	for i := range places {
		places[i] = place{i, 60}
	}
	if n := len(cluster(places, 60)); n != 1 {
		t.Errorf("%d groups for one bucket of many series", n)
	}
}

// An archive that is the first to emit vouches for all time, until its state is lost.
func TestFirst(t *testing.T) {
	w := newWorld(t, memory.New(memory.Options{}), func(cfg *Config) { cfg.First = true })
	w.now += 7200
	for _, c := range []struct {
		start int64
		want  Cover
	}{{epoch - 10, Whole}, {epoch - 2*day, Coarse}, {epoch - 8*day, Refused}} {
		if got := w.a.Covers(10, c.start); got != c.want {
			t.Errorf("%d is %v, want %v", c.start, got, c.want)
		}
	}
	w.cfg.First = false
	w.crash()
	if got := w.a.Covers(10, epoch-10); got != Whole {
		t.Errorf("after a crash it is %v", got)
	}
	w.keep("m", 10, epoch-7200, 1)
	w.cycle()
	w.check()
	w.checkStored()
	w.a.closeJournal()
	w.cfg.First = true
	if err := os.Truncate(filepath.Join(w.cfg.Dir, stateName), 100); err != nil {
		t.Fatal(err)
	}
	w.open()
	if got := w.a.Covers(10, epoch-10); got != Refused {
		t.Errorf("with a damaged state it is %v", got)
	}
}
