package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/load"
	"github.com/coalesce-metrics/coalesce/bench/internal/report"
	"github.com/coalesce-metrics/coalesce/bench/internal/system"
	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

// maxPoints bounds a run, however little a datapoint costs.
const maxPoints = 60_000_000

// A bench is a plan with its results.
type bench struct {
	workloads []*workload.Workload
	own       []*system.System // one coalesce, or two that are compared
	peers     []*system.System
	runs      int
	peerRuns  int
	cpu       time.Duration // that a run of coalesce takes at least
	period    int           // seconds of a bucket
	verbose   bool
	progress  io.Writer

	rows        []*report.Row
	comparisons []report.Comparison
	counted     []string // what the conservation runs found
	notes       []string
	failures    []string
}

func (b *bench) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

func (b *bench) fail(format string, args ...any) {
	b.failures = append(b.failures, fmt.Sprintf(format, args...))
}

// measureAll measures until it is done or ctx is.
func (b *bench) measureAll(ctx context.Context) {
	for _, w := range b.workloads {
		if ctx.Err() == nil {
			b.measure(ctx, w)
		}
	}
	if ctx.Err() != nil {
		b.fail("not finished: %v", context.Cause(ctx))
	}
}

// measure runs one workload on all systems, in turns, so that what else the
// machine does meets all alike.
func (b *bench) measure(ctx context.Context, w *workload.Workload) {
	scripts := scripts{w: w}
	points := b.conserve(ctx, w, &scripts)
	own, peers := b.addRows(w)
	pairs := report.Comparison{Workload: w.Name}
	retries := 2
	for round := 0; round < max(b.runs, b.peerRuns) && ctx.Err() == nil; round++ {
		var results []report.Run
		for i, s := range b.own {
			if round >= b.runs {
				break
			}
			if r, ok := b.one(ctx, s, w, w.Method, points, &scripts); ok {
				results = append(results, r)
				own[i].Runs = append(own[i].Runs, r)
			}
		}
		if more := b.enlarge(w, points, results); more > points && retries > 0 {
			fmt.Fprintf(b.progress, "%s: too short, starting again with %d points\n", w.Name, more)
			points, round = more, -1
			retries--
			pairs = report.Comparison{Workload: w.Name}
			for _, row := range own {
				row.Runs = nil
			}
			continue
		}
		if len(results) == 2 {
			pairs.A, pairs.B = append(pairs.A, results[0]), append(pairs.B, results[1])
		}
		for i, s := range b.peers {
			if len(peers[i].Runs) >= b.peerRuns || round >= b.peerRuns {
				continue
			}
			if r, ok := b.one(ctx, s, w, w.Method, s.Points[w.Name], &scripts); ok {
				peers[i].Runs = append(peers[i].Runs, r)
			}
		}
	}
	if len(b.own) == 2 {
		b.comparisons = append(b.comparisons, pairs)
	}
}

// addRows adds the rows of a workload to the result.
func (b *bench) addRows(w *workload.Workload) (own, peers []*report.Row) {
	for _, s := range b.own {
		own = append(own, &report.Row{Workload: w.Name, System: s.Name})
	}
	for _, s := range b.peers {
		peers = append(peers, &report.Row{Workload: w.Name, System: s.Name, Rate: s.Pace(w.Name).Rate})
	}
	b.rows = append(append(b.rows, own...), peers...)
	return own, peers
}

// conserve counts datapoints: with the method count in all rules, the outputs
// must add up to what was sent. It returns the datapoints of a timed run, by
// what a datapoint cost here.
func (b *bench) conserve(ctx context.Context, w *workload.Workload, scripts *scripts) (points int) {
	for _, s := range b.own {
		r, ok := b.one(ctx, s, w, "count", w.CheckPoints, scripts)
		if !ok {
			continue
		}
		b.counted = append(b.counted, fmt.Sprintf("| %s | %s | %d | %.0f | %d |", w.Name, s.Name, r.Points, r.Verdict.Total, r.Resent))
		// With nothing to go by, one tick: too much CPU time makes for too few points,
		// which enlarge finds out.
		perPoint := float64(max(r.CPU, 10*time.Millisecond)) / float64(r.Points)
		points = max(points, int(1.2*float64(b.cpu)/perPoint))
	}
	if w.Once {
		return w.Lines()
	}
	// Every line at least twice: a metric costs more when it is seen first.
	return min(max(points, 2*w.Lines()), maxPoints)
}

// enlarge returns how many points it takes for each of the runs to use enough CPU
// time: the same number if they did, or if there are no more.
func (b *bench) enlarge(w *workload.Workload, points int, runs []report.Run) int {
	need := points
	for _, r := range runs {
		if r.CPU < b.cpu && !w.Once {
			ratio := float64(b.cpu) / float64(max(r.CPU, 10*time.Millisecond))
			need = max(need, int(1.2*ratio*float64(points)))
		}
	}
	return min(need, maxPoints)
}

// one makes one run. If it is one of coalesce, what is wrong with it is a failure.
func (b *bench) one(ctx context.Context, s *system.System, w *workload.Workload, method string, points int, scripts *scripts) (r report.Run, ok bool) {
	own := s.Points == nil
	j := job{
		system: s, w: w, method: method, points: points, period: b.period, strict: own,
		script: scripts.get(s.Pace(w.Name), points),
		log: func(text string) {
			if b.verbose {
				fmt.Fprintf(b.progress, "--- %s\n%s\n---\n", s.Name, text)
			}
		},
	}
	r, err := j.run(ctx)
	problem := r.Verdict.Problem
	if err != nil {
		problem = strings.ReplaceAll(err.Error(), "\n", "; ") // it becomes an item of a list
	}
	if problem != "" {
		problem = fmt.Sprintf("%s, %s, %s: %s", w.Name, s.Name, method, problem)
		if own {
			b.fail("%s", problem)
		} else {
			b.note("%s", problem)
		}
	}
	if err != nil {
		fmt.Fprintf(b.progress, "failed: %s\n", problem)
		return r, false
	}
	if r.Resent > 0 && own {
		b.note("%s, %s, %s: %d outputs were delivered more than once; the last value counts", w.Name, s.Name, method, r.Resent)
	}
	fmt.Fprintf(b.progress, "%s  %-18s %-5s %9d points  %8.0f ns/pt  %5.2f s CPU  %7.0f kpts/s  %5.0f MiB  loss %g  exact %d/%d  %s\n",
		w.Name, s.Name, method, r.Points, r.NsPerPoint(), r.CPU.Seconds(), float64(r.Points)/r.Input.Seconds()/1000,
		float64(r.Peak)/(1<<20), r.Verdict.Loss, r.Verdict.Exact, r.Verdict.Buckets, r.Verdict.Problem)
	return r, true
}

// scripts renders each script of a workload once.
type scripts struct {
	w    *workload.Workload
	made map[scriptKey]*load.Script
}

type scriptKey struct{ conns, chunk, lines int }

func (s *scripts) get(p system.Pace, points int) *load.Script {
	k := scriptKey{p.Conns, p.Chunk, min(points, s.w.Lines())}
	if s.made[k] == nil {
		if s.made == nil {
			s.made = map[scriptKey]*load.Script{}
		}
		s.made[k] = load.Render(s.w, k.lines, k.conns, k.chunk)
	}
	return s.made[k]
}
