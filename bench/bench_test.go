package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/report"
	"github.com/coalesce-metrics/coalesce/bench/internal/system"
	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

var (
	tinySum     = &workload.Workload{Name: "T1", Tails: 3, Apps: 4, Servers: 5, Variants: 1, Rules: 3, Method: "sum", CheckPoints: 1000}
	tinyOnce    = &workload.Workload{Name: "T4", Tails: 3, Apps: 4, Servers: 50, Variants: 1, Rules: 3, Method: "sum", Once: true, CheckPoints: 600}
	tinyForward = &workload.Workload{Name: "T5", Tails: 3, Apps: 4, Servers: 5, Variants: 1, Rules: 3, Method: "sum", Forward: true, CheckPoints: 1000}
	tinyPickle  = &workload.Workload{Name: "T1+pickle", Base: "T1", Tails: 3, Apps: 4, Servers: 500, Variants: 1, Rules: 3, Method: "sum", Pickle: true, CheckPoints: 6000}
	tinyHash    = &workload.Workload{Name: "T5+hash", Base: "T5", Tails: 3, Apps: 4, Servers: 5, Variants: 1, Rules: 3, Method: "sum", Forward: true, Destinations: 4, CheckPoints: 1000}
	tinySpool   = &workload.Workload{Name: "T5+spool", Base: "T5", Tails: 3, Apps: 4, Servers: 5, Variants: 1, Rules: 3, Method: "sum", Forward: true, Spool: true, CheckPoints: 1000, MostPoints: 2000}
	tinyStore   = &workload.Workload{Name: "T1+store", Base: "T1", Tails: 3, Apps: 4, Servers: 5, Variants: 1, Rules: 3, Method: "sum", Store: true, CheckPoints: 1000}
	tinyKeep    = &workload.Workload{Name: "T1+keep", Base: "T1", Tails: 3, Apps: 4, Servers: 5, Variants: 1, Rules: 3, Method: "sum", Store: true, Keep: 1, CheckPoints: 1000, MostRuns: 1}
	tinyP99     = &workload.Workload{Name: "T6", Tails: 1, Apps: 2, Servers: 50, Variants: 10, Rules: 1, Method: "p99", CheckPoints: 2000}
)

// fakeSystem is a coalesce that misbehaves in the given mode.
func fakeSystem(t *testing.T, name, mode string) *system.System {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := system.Coalesce(name, path)
	s.Env = []string{"FAKE=" + mode}
	s.Lateness = 0 // of what is missing, nothing will come
	return s
}

func TestBench(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
	tests := map[string]struct {
		mode    string
		w       *workload.Workload
		failure string // in the first failure; empty if there must be none
	}{
		"sums":                 {"right", tinySum, ""},
		"each metric once":     {"right", tinyOnce, ""},
		"forwarding":           {"right", tinyForward, ""},
		"percentiles":          {"right", tinyP99, ""},
		"stored":               {"right", tinyStore, ""},
		"metrics kept":         {"right", tinyKeep, ""},
		"a cell not stored":    {"forgets", tinyStore, "in the store: aggregates."},
		"in pickle":            {"right", tinyPickle, ""},
		"hashed":               {"right", tinyHash, ""},
		"spooled":              {"right", tinySpool, ""},
		"a lost point":         {"loses", tinySum, "count: bucket"},
		"a doubled point":      {"doubles", tinySum, "count: bucket"},
		"a lost line":          {"loses", tinyForward, "lines forwarded"},
		"a doubled line":       {"doubles", tinyForward, "lines forwarded"},
		"a frame's lost point": {"loses", tinyPickle, "count: bucket"},
		"a wrong destination":  {"misroutes", tinyHash, "forwarded to destination"},
		"a line not spooled":   {"loses", tinySpool, "lines forwarded"},
		"wrong percentiles":    {"p95", tinyP99, "p99: bucket"},
		"wrong while ending":   {"late", tinySum, "is 0.25, want"},
		"crash":                {"crashes", tinySum, "T1, fake, count: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var progress bytes.Buffer
			b := &bench{groups: [][]*workload.Workload{{tt.w}}, own: []*system.System{fakeSystem(t, "fake", tt.mode)},
				runs: 1, peerRuns: 1, period: 1, verbose: true, progress: &progress}
			b.measureAll(context.Background())
			var out strings.Builder
			b.print(&out)
			if tt.failure == "" {
				if len(b.failures) > 0 {
					t.Errorf("failures %q\n%s", b.failures, progress.String())
				}
				if len(b.counted) != 1 || len(b.rows[0].Runs) != 1 || !strings.Contains(out.String(), "| "+tt.w.Name+" | fake | 1 | ") {
					t.Errorf("printed:\n%s", out.String())
				}
			} else if len(b.failures) == 0 || !strings.Contains(b.failures[0], tt.failure) || !strings.Contains(out.String(), "**Failed**") {
				t.Errorf("failures %q, want %q; printed\n%s", b.failures, tt.failure, out.String())
			}
		})
	}
}

// Two binaries are run in pairs; a peer's faults are noted, and are no failure.
func TestBenchPairs(t *testing.T) {
	peer := fakeSystem(t, "peer", "loses")
	peer.Points = map[string]int{"T1": 500}
	b := &bench{groups: [][]*workload.Workload{{tinySum}}, runs: 2, peerRuns: 1, period: 1, progress: new(bytes.Buffer),
		own:   []*system.System{fakeSystem(t, "A", "right"), fakeSystem(t, "B", "right")},
		peers: []*system.System{peer}}
	b.measureAll(context.Background())
	if len(b.failures) > 0 {
		t.Errorf("failures %q", b.failures)
	}
	if !strings.Contains(strings.Join(b.notes, "\n"), "T1, peer, sum: bucket") {
		t.Errorf("notes %q", b.notes)
	}
	if len(b.comparisons) != 1 || len(b.comparisons[0].A) != 2 || len(b.comparisons[0].B) != 2 {
		t.Errorf("comparisons %+v", b.comparisons)
	}
	if len(b.rows) != 3 || len(b.rows[0].Runs) != 2 || len(b.rows[1].Runs) != 2 || len(b.rows[2].Runs) != 1 {
		t.Errorf("rows %+v", b.rows)
	}
}

// A variant is compared with its workload, run by run; a peer that it cannot be had of
// has no row.
func TestBenchVariants(t *testing.T) {
	peer := fakeSystem(t, "peer", "right")
	peer.Points = map[string]int{"T5": 500}
	b := &bench{groups: [][]*workload.Workload{{tinyForward, tinyHash, tinySpool}}, runs: 2, peerRuns: 1, period: 1,
		progress: new(bytes.Buffer), own: []*system.System{fakeSystem(t, "own", "right")}, peers: []*system.System{peer}}
	b.measureAll(context.Background())
	if len(b.failures) > 0 {
		t.Fatalf("failures %q", b.failures)
	}
	var rows, compared []string
	for _, r := range b.rows {
		rows = append(rows, fmt.Sprint(r.Workload, " ", r.System, " ", len(r.Runs)))
	}
	for _, c := range b.comparisons {
		compared = append(compared, fmt.Sprint(c.What, " | ", c.Against, " ", len(c.A), len(c.B)))
	}
	if want := []string{"T5 own 2", "T5 peer 1", "T5+hash own 2", "T5+spool own 2"}; !slices.Equal(rows, want) {
		t.Errorf("rows %q, want %q", rows, want)
	}
	if want := []string{"T5+hash, own | T5, own 2 2", "T5+spool, own | T5, own 2 2"}; !slices.Equal(compared, want) {
		t.Errorf("comparisons %q, want %q", compared, want)
	}
	var out strings.Builder
	b.print(&out)
	for _, want := range []string{"| T5+spool | own | write | 2 | 120 |", "| T5+spool | own | drain | 2 | 120 |", "| T5+hash, own | T5, own | 2 |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// A run that falls short has all of its group start again, and a run that failed
// leaves its pair out.
func TestRounds(t *testing.T) {
	run := func(cpu time.Duration) *report.Run { return &report.Run{Points: 1000, CPU: cpu} }
	b := &bench{cpu: 2 * time.Second, progress: new(bytes.Buffer), own: []*system.System{{Name: "own"}}}
	base := &entry{w: tinySum, points: 1000, own: []*report.Row{{}}, rounds: [][]*report.Run{{run(2 * time.Second)}}}
	short := &entry{w: tinyPickle, points: 1000, own: []*report.Row{{}}, rounds: [][]*report.Run{{run(time.Second)}}}
	if !b.enlargeAll([]*entry{base, short}) || base.points != 1000 || short.points != 2400 || base.rounds != nil || short.rounds != nil {
		t.Errorf("%+v, %+v", base, short)
	}
	base.rounds = [][]*report.Run{{run(1)}, {run(2)}, {run(3)}}
	short.rounds = [][]*report.Run{{run(4)}, {nil}, {run(6)}}
	b.finish([]*entry{base, short})
	if len(base.own[0].Runs) != 3 || len(short.own[0].Runs) != 2 {
		t.Errorf("rows %+v, %+v", base.own[0], short.own[0])
	}
	if c := b.comparisons; len(c) != 1 || len(c[0].A) != 2 || c[0].A[1].CPU != 3 || c[0].B[1].CPU != 6 {
		t.Errorf("comparisons %+v", c)
	}
}

func TestBenchCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := &bench{groups: [][]*workload.Workload{{tinySum}}, own: []*system.System{fakeSystem(t, "A", "right")},
		runs: 1, peerRuns: 1, period: 1, progress: new(bytes.Buffer)}
	b.measureAll(ctx)
	if len(b.failures) == 0 {
		t.Error("no failure")
	}
}

func TestNewBench(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // without any peer
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAKE", "right")
	good := options{coalesce: path, runs: 1, peerRuns: 1, cpu: time.Second, workloads: "W1", systems: "coalesce,carbon-c-relay"}
	b, err := newBench(context.Background(), good)
	if err != nil || len(b.own) != 1 || b.own[0].Version != "fake 1" || len(b.peers) != 0 ||
		len(b.notes) != 1 || !strings.Contains(b.notes[0], "carbon-c-relay is not measured") {
		t.Errorf("%+v, %v", b, err)
	}
	for name, spoil := range map[string]func(*options){
		"no runs":            func(o *options) { o.runs = 0 },
		"unknown system":     func(o *options) { o.systems = "graphite" },
		"unknown workload":   func(o *options) { o.workloads = "W0" },
		"both comparisons":   func(o *options) { o.versus, o.again = path, true },
		"no such binary":     func(o *options) { o.coalesce = "/nowhere/coalesce" },
		"no such second one": func(o *options) { o.versus = "/nowhere/coalesce" },
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			spoil(&o)
			if _, err := newBench(context.Background(), o); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestEnlarge(t *testing.T) {
	b := &bench{cpu: 2 * time.Second}
	run := func(cpu time.Duration) []*report.Run {
		return []*report.Run{{CPU: 3 * time.Second}, nil, {CPU: cpu}}
	}
	tests := map[string]struct {
		w    *workload.Workload
		cpu  time.Duration
		want int
	}{
		"enough":     {tinySum, 2 * time.Second, 1000},
		"half":       {tinySum, time.Second, 2400},
		"nothing":    {tinySum, 0, 240_000},
		"no more":    {tinySpool, time.Second, 2000},
		"all sent":   {tinyOnce, time.Second, 1000},
		"no end yet": {tinySum, time.Nanosecond, 240_000},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := b.enlarge(tt.w, 1000, run(tt.cpu)); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
	if got := b.enlarge(tinySum, maxPoints, run(0)); got != maxPoints {
		t.Errorf("%d, want no more than %d", got, maxPoints)
	}
}
