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
	groups     [][]*workload.Workload // each a workload with its variants
	extras     []extra
	own        []*system.System // one coalesce, or two that are compared
	peers      []*system.System
	runs       int
	peerRuns   int
	cpu        time.Duration // that a run of coalesce takes at least
	period     int           // seconds of a bucket
	verbose    bool
	progress   io.Writer
	loadBefore string // the machine's load average before anything is started

	rows        []*report.Row
	comparisons []report.Comparison
	cellRows    []*report.CellRow
	latencies   []*report.Latency
	posted      []*report.PostRow
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
	for _, group := range b.groups {
		if ctx.Err() == nil {
			b.measure(ctx, group)
		}
	}
	for _, x := range b.extras {
		if ctx.Err() == nil {
			x.measure(b, ctx)
		}
	}
	if ctx.Err() != nil {
		b.fail("not finished: %v", context.Cause(ctx))
	}
}

// An entry is a workload that is being measured.
type entry struct {
	w          *workload.Workload
	points     int             // of a run of coalesce
	own, peers []*report.Row   // by system
	rounds     [][]*report.Run // the runs of coalesce by round, then system; nil where one failed
}

// measure runs a workload and its variants on all systems, in turns, so that what
// else the machine does meets all alike.
func (b *bench) measure(ctx context.Context, group []*workload.Workload) {
	scripts := scripts{}
	var entries []*entry
	for _, w := range group {
		e := &entry{w: w, points: b.conserve(ctx, w, scripts)}
		b.addRows(e)
		entries = append(entries, e)
	}
	retries := 2
	for round := 0; round < max(b.runs, b.peerRuns) && ctx.Err() == nil; round++ {
		if round < b.runs {
			for _, e := range entries {
				if most := e.w.MostRuns; most == 0 || round < most {
					e.rounds = append(e.rounds, b.ownRound(ctx, e, scripts))
				}
			}
			if retries > 0 && b.enlargeAll(entries) {
				retries--
				round = -1
				continue
			}
		}
		if round < b.peerRuns {
			for _, e := range entries {
				b.peerRound(ctx, e, scripts)
			}
		}
	}
	b.finish(entries)
}

// ownRound makes one run of each coalesce.
func (b *bench) ownRound(ctx context.Context, e *entry, scripts scripts) []*report.Run {
	runs := make([]*report.Run, len(b.own))
	for i, s := range b.own {
		if r, ok := b.one(ctx, s, e.w, e.w.Method, e.points, scripts); ok {
			runs[i] = &r
		}
	}
	return runs
}

// peerRound makes one run of each other system that has not had all of its own, as
// after a new start.
func (b *bench) peerRound(ctx context.Context, e *entry, scripts scripts) {
	for i, row := range e.peers {
		s := b.peers[i]
		if s.Points[e.w.Name] == 0 || len(row.Runs) >= b.peerRuns {
			continue
		}
		if r, ok := b.one(ctx, s, e.w, e.w.Method, s.Points[e.w.Name], scripts); ok {
			row.Runs = append(row.Runs, r)
		}
	}
}

// enlargeAll has everything start again if the last round of some workload was too
// short, and reports whether it has.
func (b *bench) enlargeAll(entries []*entry) (again bool) {
	for _, e := range entries {
		if more := b.enlarge(e.w, e.points, e.rounds[len(e.rounds)-1]); more > e.points {
			fmt.Fprintf(b.progress, "%s: too short, starting again with %d points\n", e.w.Name, more)
			e.points, again = more, true
		}
	}
	if again {
		for _, e := range entries {
			e.rounds = nil
		}
	}
	return again
}

// finish enters the runs into the rows, and compares them: two systems under one
// workload, and each variant with what it is a variant of.
func (b *bench) finish(entries []*entry) {
	for _, e := range entries {
		for _, runs := range e.rounds {
			for i, r := range runs {
				if r != nil {
					e.own[i].Runs = append(e.own[i].Runs, *r)
				}
			}
		}
		if len(b.own) == 2 {
			b.compare(e, 1, e, 0)
		}
		if e != entries[0] {
			for i := range b.own {
				b.compare(e, i, entries[0], i)
			}
		}
	}
}

// compare pairs the runs of system i under x with those of system k under y.
func (b *bench) compare(x *entry, i int, y *entry, k int) {
	c := report.Comparison{
		What:    x.w.Name + ", " + b.own[i].Name,
		Against: y.w.Name + ", " + b.own[k].Name,
	}
	for round := range min(len(x.rounds), len(y.rounds)) {
		if p, q := x.rounds[round][i], y.rounds[round][k]; p != nil && q != nil {
			c.A, c.B = append(c.A, *q), append(c.B, *p)
		}
	}
	b.comparisons = append(b.comparisons, c)
}

// addRows adds the rows of a workload to the result, also those that stay empty
// because every run fails. A peer of which the workload cannot be had gets none.
func (b *bench) addRows(e *entry) {
	for _, s := range b.own {
		row := &report.Row{Workload: e.w.Name, System: s.Name}
		e.own, b.rows = append(e.own, row), append(b.rows, row)
	}
	for _, s := range b.peers {
		row := &report.Row{Workload: e.w.Name, System: s.Name, Rate: s.Pace(e.w.Name).Rate}
		e.peers = append(e.peers, row)
		if s.Points[e.w.Name] > 0 {
			b.rows = append(b.rows, row)
		}
	}
}

// conserve counts datapoints: with the method count in all rules, the outputs
// must add up to what was sent. It returns the datapoints of a timed run, by
// what a datapoint cost here.
func (b *bench) conserve(ctx context.Context, w *workload.Workload, scripts scripts) (points int) {
	for _, s := range b.own {
		r, ok := b.one(ctx, s, w, "count", w.CheckPoints, scripts)
		if !ok {
			continue
		}
		b.counted = append(b.counted, fmt.Sprintf("| %s | %s | %d | %.0f | %d |", w.Name, s.Name, r.Points, r.Verdict.Total, r.Resent))
		// With nothing to go by, one tick: too much CPU time makes for too few points,
		// which enlarge finds out.
		cpu := r.CPU
		if r.Kept != nil {
			cpu -= r.Kept.Later // the same for many datapoints
		}
		perPoint := float64(max(cpu, 10*time.Millisecond)) / float64(r.Points)
		points = max(points, int(1.2*float64(b.cpu)/perPoint))
	}
	if w.Once {
		return w.Lines()
	}
	// Every line at least twice: a metric costs more when it is seen first.
	return min(max(points, 2*w.Lines()), most(w))
}

// most is the most datapoints of a run.
func most(w *workload.Workload) int {
	if w.MostPoints > 0 {
		return w.MostPoints
	}
	return maxPoints
}

// enlarge returns how many points it takes for each of the runs to use enough CPU
// time: the same number if they did, or if there are no more.
func (b *bench) enlarge(w *workload.Workload, points int, runs []*report.Run) int {
	need := points
	for _, r := range runs {
		if r != nil && r.CPU < b.cpu && !w.Once {
			ratio := float64(b.cpu) / float64(max(r.CPU, 10*time.Millisecond))
			need = max(need, int(1.2*ratio*float64(points)))
		}
	}
	return min(need, most(w))
}

// one makes one run. If it is one of coalesce, what is wrong with it is a failure.
func (b *bench) one(ctx context.Context, s *system.System, w *workload.Workload, method string, points int, scripts scripts) (r report.Run, ok bool) {
	own := s.Points == nil
	j := job{
		system: s, w: w, method: method, points: points, period: b.period, strict: own,
		script: scripts.get(w, s.Pace(w.Name), points), log: b.logOf(s),
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
	fmt.Fprintf(b.progress, "%-9s %-18s %-5s %9d points  %8.0f ns/pt  %5.2f s CPU  %7.0f kpts/s  %5.0f MiB  loss %g  exact %d/%d  %s\n",
		w.Name, s.Name, method, r.Points, r.NsPerPoint(), r.CPU.Seconds(), float64(r.Points)/r.Input.Seconds()/1000,
		float64(r.Peak)/(1<<20), r.Verdict.Loss, r.Verdict.Exact, r.Verdict.Buckets, r.Verdict.Problem)
	return r, true
}

// logOf returns what takes the log of a run of a system.
func (b *bench) logOf(s *system.System) func(string) {
	return func(text string) {
		if b.verbose {
			fmt.Fprintf(b.progress, "--- %s\n%s\n---\n", s.Name, text)
		}
	}
}

// scripts holds the scripts of a workload and its variants, each rendered once.
type scripts map[scriptKey]*load.Script

type scriptKey struct {
	pickle              bool
	conns, chunk, lines int
}

func (s scripts) get(w *workload.Workload, p system.Pace, points int) *load.Script {
	k := scriptKey{w.Pickle, p.Conns, p.Chunk, min(points, w.Lines())}
	if s[k] == nil {
		s[k] = load.Render(w, k.lines, k.conns, k.chunk)
	}
	return s[k]
}
