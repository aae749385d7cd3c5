package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/check"
	"github.com/coalesce-metrics/coalesce/bench/internal/load"
	"github.com/coalesce-metrics/coalesce/bench/internal/proc"
	"github.com/coalesce-metrics/coalesce/bench/internal/report"
	"github.com/coalesce-metrics/coalesce/bench/internal/sink"
	"github.com/coalesce-metrics/coalesce/bench/internal/system"
	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

// Bounds of the parts of a run, so that it ends by itself.
const (
	startLimit  = 30 * time.Second
	inputLimit  = 60 * time.Second // no datapoint is sent after it
	drainLimit  = 60 * time.Second // to read what was sent
	outputLimit = 60 * time.Second // to write what follows from it
	stopLimit   = 30 * time.Second
)

// A job is one run of one system.
type job struct {
	system *system.System
	w      *workload.Workload
	method string // of the rules
	points int
	script *load.Script
	period int
	strict bool // what is written while stopping counts, too
	log    func(string)
}

// A trial is a job that is being run.
type trial struct {
	*job
	dir     string
	sink    *sink.Sink
	p       *proc.Process // nil until it is started
	port    int           // that it listens on
	web     int           // likewise, for HTTP
	setup   system.Setup
	disk    *disk         // nil unless it spools
	before  time.Duration // its CPU time just before the first byte
	harness time.Duration // that of this process, likewise
	r       report.Run
}

// run starts the system, sends it the script, waits for its output and stops it.
func (j *job) run(ctx context.Context) (r report.Run, err error) {
	err = j.try(ctx, func(t *trial) error {
		e, err := t.measure(ctx)
		if err == nil && j.strict {
			err = t.stop(ctx, e)
		}
		r = t.r
		return err
	})
	return r, err
}

// try starts the system, calls f and ends the system.
func (j *job) try(ctx context.Context, f func(*trial) error) (err error) {
	t := &trial{job: j}
	if t.dir, err = os.MkdirTemp("", "coalesce-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(t.dir)
	if t.sink, err = sink.New(check.Mode(j.w.Forward, j.method), j.w.Sinks()); err != nil {
		return err
	}
	defer t.sink.Close()
	if j.w.Spool {
		t.disk = watch(t.dir)
	} else if err := t.sink.Open(); err != nil {
		return err
	}
	defer func() {
		if t.p != nil {
			t.p.Stop(stopLimit) // a second time, where all went well
			j.log(tail(filepath.Join(t.dir, "log"), err))
		}
	}()
	if err := t.start(ctx); err != nil {
		return err
	}
	return f(t)
}

// start sets the system up, and launches it.
func (t *trial) start(ctx context.Context) (err error) {
	site := system.Site{Dir: t.dir, SinkPorts: t.sink.Ports(), Period: t.period, Workload: t.w, Rules: t.w.RuleSet(t.method)}
	if site.Port, err = proc.FreePort(); err != nil {
		return err
	}
	if site.SparePort, err = proc.FreePort(); err != nil {
		return err
	}
	t.port, t.web = site.Port, site.SparePort
	t.setup = t.system.Configure(site)
	for name, content := range t.setup.Files {
		path := filepath.Join(t.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return t.launch(ctx)
}

// launch starts the system, and waits until it listens and rests.
func (t *trial) launch(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(t.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own handle
	if t.p, err = proc.Start(t.dir, log, t.setup.Env, t.system.Path, t.setup.Args...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	err = t.p.Wait(ctx, "it listens", func() (bool, error) {
		s, err := proc.PortSockets(t.port)
		return s.Listening, err
	})
	if err != nil {
		return err
	}
	return t.p.WaitIdle(ctx)
}

// measure fills in the run, and returns what it was judged by.
func (t *trial) measure(ctx context.Context) (*check.Expected, error) {
	var err error
	if t.r.Idle, _, err = t.p.Memory(); err != nil {
		return nil, err
	}
	sent, err := t.send(ctx)
	if err != nil {
		return nil, err
	}
	t.r.Input = time.Since(sent.Start)
	t.r.Harness = ownCPU() - t.harness
	t.r.Points = sent.Points
	t.r.Metrics = int(min(sent.Points, int64(t.w.Metrics())))
	t.r.NameBytes = t.w.NameBytes(t.r.Metrics)

	if t.disk != nil {
		if err := t.write(ctx, sent); err != nil {
			return nil, err
		}
	}
	e := check.Expect(t.w, t.method, sent)
	if t.disk != nil {
		err = t.drain(ctx, e)
	} else {
		err = t.await(ctx, e)
	}
	if err == nil && t.w.Store {
		err = t.settle(ctx, t.closed(sent))
	}
	if err != nil {
		return nil, err
	}
	after, err := t.p.CPU()
	if err != nil {
		return nil, err
	}
	t.r.CPU = after - t.before
	t.r.After, t.r.Peak, err = t.p.Memory()
	return e, err
}

// send sends the script, and waits until the system has read all of it.
func (t *trial) send(ctx context.Context) (*load.Sent, error) {
	pace := t.system.Pace(t.w.Name)
	o := load.Options{
		Points: t.points, Rate: pace.Rate, SendBuffer: pace.SendBuffer, Limit: inputLimit, Period: int64(t.period),
	}
	var err error
	o.Begin = func() { t.before, err = t.p.CPU(); t.harness = ownCPU() }
	if t.disk != nil {
		o.Before = func(n int) { t.disk.pace(ctx, n) }
	}
	sent, sendErr := t.script.Send(ctx, fmt.Sprintf("127.0.0.1:%d", t.port), o)
	if err := errors.Join(sendErr, err); err != nil {
		return nil, err
	}
	if sent.Points == 0 {
		return nil, fmt.Errorf("nothing was sent")
	}
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	err = t.p.Wait(ctx, "the input is read", func() (bool, error) {
		s, err := proc.PortSockets(t.port)
		return s.Open == 0 && s.Unread == 0, err
	})
	return sent, err
}

// await waits until the output is complete, or until none has come for so long
// that none will.
func (t *trial) await(ctx context.Context, e *check.Expected) error {
	quiet := t.system.Lateness + 2*time.Duration(t.period)*time.Second
	start, last, since := time.Now(), int64(-1), time.Now()
	return t.p.Wait(ctx, "its output is complete", func() (bool, error) {
		if n := t.sink.Lines(); n != last {
			last, since = n, time.Now()
			if n >= e.Lines() {
				t.judge(e)
				if t.r.Verdict.OK() {
					return true, nil
				}
			}
		}
		if time.Since(since) < quiet && time.Since(start) < outputLimit {
			return false, nil
		}
		t.judge(e)
		return true, nil
	})
}

func (t *trial) judge(e *check.Expected) {
	t.sink.View(func(states []sink.State) {
		t.r.Verdict, t.r.Resent = e.Judge(states), 0
		for i := range states {
			t.r.Resent += states[i].Resent
		}
	})
}

// stop stops the process, and judges what it has written until its end.
func (t *trial) stop(ctx context.Context, e *check.Expected) error {
	if err := t.p.Stop(stopLimit); err != nil {
		return err
	}
	// Its connections are at their end now, and soon read.
	for limit := time.Now().Add(stopLimit); t.sink.Connections() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			return fmt.Errorf("a connection to the sink is open although the process ended")
		}
	}
	t.judge(e)
	if t.w.Store {
		return t.readStore(ctx, e)
	}
	return nil
}

// ownCPU is the CPU time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("BUG: getrusage: " + err.Error()) // it cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// tail returns the end of a log, with the error that ended the run.
func tail(path string, err error) string {
	const most = 2000
	b, readErr := os.ReadFile(path)
	if readErr != nil {
		b = []byte(readErr.Error())
	}
	if len(b) > most {
		b = b[len(b)-most:]
	}
	if err != nil {
		return fmt.Sprintf("%v\n%s", err, b)
	}
	return string(b)
}
