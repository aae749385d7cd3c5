package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/ask"
	"github.com/coalesce-metrics/coalesce/bench/internal/load"
	"github.com/coalesce-metrics/coalesce/bench/internal/proc"
	"github.com/coalesce-metrics/coalesce/bench/internal/system"
	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

const (
	findTimes   = 200 // that each pattern is asked for
	renderTimes = 40  // that each target is asked for
)

// patterns are looked for among the names of workload.Named. Most have three nodes with
// wildcards.
var patterns = []string{
	"prod.applications.*",
	"prod.applications.app01?.server04?.requests00?.count",
	"prod.*.*.server042.*.count",
	"prod.applications.*.server0*5.*7.count",
	"prod.applications.*.*.*99.count",
}

func (b *bench) measureFind(ctx context.Context) { b.find(ctx, workload.Named(), patterns) }

// find measures how soon names of a workload are found.
func (b *bench) find(ctx context.Context, w *workload.Workload, patterns []string) {
	script := load.Render(w, w.Lines(), system.FullSpeed.Conns, system.FullSpeed.Chunk)
	var questions []*ask.Question
	for _, p := range patterns {
		questions = append(questions, ask.Names(p, func(yield func(string) bool) {
			for m := range w.Metrics() {
				if !yield(string(w.AppendMetric(nil, m))) {
					return
				}
			}
		}))
	}
	for _, s := range b.own {
		j := job{system: s, w: w, method: w.Method, points: w.Lines(), script: script, period: b.period, log: b.logOf(s)}
		b.query(ctx, &j, func(t *trial) error {
			if err := t.fill(ctx); err != nil {
				return err
			}
			b.note("find, %s: a metric that is kept takes %d bytes of memory, its name of %d included, and %.1f µs of CPU time when it is new",
				s.Name, (t.r.After-t.r.Idle)/int64(t.r.Metrics), t.r.NameBytes/int64(t.r.Metrics), t.r.NsPerPoint()/1000)
			return b.askAll(ctx, t, questions, findTimes)
		})
	}
}

// query makes a trial for questions; what goes wrong is a failure.
func (b *bench) query(ctx context.Context, j *job, f func(*trial) error) {
	if err := j.try(ctx, f); err != nil {
		b.fail("%s, %s: %v", j.w.Name, j.system.Name, err)
		fmt.Fprintf(b.progress, "failed: %s, %s: %v\n", j.w.Name, j.system.Name, err)
	}
}

// fill sends each metric once, and notes what that takes.
func (t *trial) fill(ctx context.Context) (err error) {
	if t.r.Idle, _, err = t.p.Memory(); err != nil {
		return err
	}
	sent, err := t.send(ctx)
	if err != nil {
		return err
	}
	if t.r.Points = sent.Points; t.r.Points != int64(t.w.Metrics()) {
		return fmt.Errorf("only %d of %d metrics were sent within %v", t.r.Points, t.w.Metrics(), inputLimit)
	}
	limit, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	if err := t.p.WaitIdle(limit); err != nil {
		return err
	}
	after, err := t.p.CPU()
	if err != nil {
		return err
	}
	t.r.CPU, t.r.Metrics, t.r.NameBytes = after-t.before, t.w.Metrics(), t.w.NameBytes(t.w.Metrics())
	t.r.After, t.r.Peak, err = t.p.Memory()
	return err
}

// askAll asks each question so many times.
func (b *bench) askAll(ctx context.Context, t *trial, questions []*ask.Question, times int) error {
	for _, q := range questions {
		l, err := q.Ask(ctx, fmt.Sprintf("127.0.0.1:%d", t.web), times, t.p.CPU)
		if err != nil {
			return err
		}
		l.System = t.system.Name
		b.latencies = append(b.latencies, l)
		fmt.Fprintf(b.progress, "%-9s %-18s %s: %v and less than %v in half of %d answers\n", t.w.Name, t.system.Name, q.What,
			l.First.Round(time.Microsecond), l.Median().Round(time.Microsecond), times)
	}
	return nil
}

func (b *bench) measureRender(ctx context.Context) { b.render(ctx, workload.History(), historyPoints) }

// render measures how soon the outputs of a workload are read.
func (b *bench) render(ctx context.Context, w *workload.Workload, points int) {
	for _, s := range b.own {
		j := job{system: s, w: w, method: w.Method, period: historyStep, log: b.logOf(s)}
		b.query(ctx, &j, func(t *trial) error {
			h := newHistory(w, points, time.Now())
			if err := h.keep(ctx, t); err != nil {
				return err
			}
			return b.askAll(ctx, t, h.questions(), renderTimes)
		})
	}
}

const (
	historyStep   = 60 // seconds
	historyPoints = 24 * 60
	historyLimit  = 60 * time.Second
)

// A history is some minutes, the last of which is over.
type history struct {
	w      *workload.Workload
	points int   // of each output
	last   int64 // the start of the last minute, Unix seconds
}

func newHistory(w *workload.Workload, points int, now time.Time) *history {
	second := now.Unix()
	return &history{w, points, second - second%historyStep - historyStep}
}

// before returns the start of the minute n minutes before the last.
func (h *history) before(n int) int64 { return h.last - int64(n)*historyStep }

// value is what a metric has in the minute that begins at at, a multiple of 1/4.
func (h *history) value(metric int, at int64) float64 {
	return float64((int64(metric)*7919+at/historyStep*31)%4001) / 4
}

// minutes yields the starts of the minutes.
func (h *history) minutes(yield func(at int64) bool) {
	for at := h.before(h.points - 1); at <= h.last; at += historyStep {
		if !yield(at) {
			return
		}
	}
}

// lines returns what is sent, oldest first.
func (h *history) lines() (b []byte) {
	for at := range h.minutes {
		for m := range h.w.Metrics() {
			b = append(h.w.AppendMetric(b, m), ' ')
			b = append(strconv.AppendFloat(b, h.value(m, at), 'f', -1, 64), ' ')
			b = append(strconv.AppendInt(b, at+int64(m%historyStep), 10), '\n')
		}
	}
	return b
}

// keep sends the history, waits until all of it is in the store, and has the daemon
// start again without anything in memory.
func (h *history) keep(ctx context.Context, t *trial) error {
	if err := h.send(ctx, t); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, historyLimit)
	defer cancel()
	rows := int64(h.w.Outputs()) * int64(h.points)
	err := t.p.Wait(limit, "all rows have arrived", func() (bool, error) { return t.sink.Lines() >= rows, nil })
	if err != nil {
		return fmt.Errorf("%w; there are %d of %d", err, t.sink.Lines(), rows)
	}
	if err := t.settle(ctx, time.Now()); err != nil {
		return err
	}
	t.p.Kill()
	return t.launch(ctx)
}

func (h *history) send(ctx context.Context, t *trial) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", t.port))
	if err != nil {
		return err
	}
	err = c.SetDeadline(time.Now().Add(historyLimit))
	if err == nil {
		_, err = c.Write(h.lines())
	}
	if err := errors.Join(err, c.Close()); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	return t.p.Wait(limit, "the input is read", func() (bool, error) {
		s, err := proc.PortSockets(t.port)
		return s.Open == 0 && s.Unread == 0, err
	})
}

// questions asks for all series, and for their sum.
func (h *history) questions() []*ask.Question {
	all := map[string]ask.Points{}
	for m := range h.w.Metrics() {
		name := string(h.w.AppendOutput(nil, h.w.Output(m)))
		p, ok := all[name]
		if !ok {
			p = h.empty()
		}
		i := 0
		for at := range h.minutes {
			p.Values[i] += h.value(m, at)
			i++
		}
		all[name] = p
	}
	sum := h.empty()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for i, v := range all[name].Values {
			sum.Values[i] += v
		}
	}
	const target = "aggregates.prod.app.*.all.*.count"
	const sumTarget = "sumSeries(" + target + ")"
	day := ask.Range{From: h.before(h.points), Until: h.last}
	return []*ask.Question{
		ask.Series(target, "json", day, all),
		ask.Series(target, "pickle", day, all),
		ask.Series(sumTarget, "json", day, map[string]ask.Points{sumTarget: sum}),
	}
}

func (h *history) empty() ask.Points {
	return ask.Points{Start: h.before(h.points - 1), Step: historyStep, Values: make([]float64, h.points)}
}
