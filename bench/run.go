package main

import (
	"context"
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
	stopLimit   = 5 * time.Second
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

// run starts the system, sends it the script, waits for its output and stops it.
func (j *job) run(ctx context.Context) (r report.Run, err error) {
	dir, err := os.MkdirTemp("", "coalesce-bench-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	s, err := sink.Listen(check.Mode(j.w.Forward, j.method))
	if err != nil {
		return r, err
	}
	defer s.Close()
	p, port, err := j.start(ctx, dir, s.Port())
	if p != nil {
		defer func() {
			p.Stop(stopLimit) // a second time, where all went well
			j.log(tail(filepath.Join(dir, "log"), err))
		}()
	}
	if err != nil {
		return r, err
	}
	e, err := j.measure(ctx, p, port, s, &r)
	if err != nil || !j.strict {
		return r, err
	}
	if err := p.Stop(stopLimit); err != nil {
		return r, err
	}
	// Its connections are at their end now, and soon read.
	for limit := time.Now().Add(stopLimit); s.Open() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			return r, fmt.Errorf("a connection to the sink is open although the process ended")
		}
	}
	s.View(func(st *sink.State) { r.Verdict = e.Judge(st); r.Resent = st.Resent })
	return r, nil
}

// start starts the system, and waits until it listens and rests. The process is
// returned even with an error, if it was started.
func (j *job) start(ctx context.Context, dir string, sinkPort int) (p *proc.Process, port int, err error) {
	site := system.Site{Dir: dir, SinkPort: sinkPort, Period: j.period, Forward: j.w.Forward, Rules: j.w.RuleSet(j.method)}
	if site.Port, err = proc.FreePort(); err != nil {
		return nil, 0, err
	}
	if site.SparePort, err = proc.FreePort(); err != nil {
		return nil, 0, err
	}
	setup := j.system.Configure(site)
	for name, content := range setup.Files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return nil, 0, err
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, 0, err
	}
	defer log.Close() // the process has its own handle
	if p, err = proc.Start(dir, log, setup.Env, j.system.Path, setup.Args...); err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	err = p.Wait(ctx, "it listens", func() (bool, error) {
		s, err := proc.PortSockets(site.Port)
		return s.Listening, err
	})
	if err != nil {
		return p, 0, err
	}
	return p, site.Port, p.WaitIdle(ctx)
}

// measure fills in r, and returns what it was judged by.
func (j *job) measure(ctx context.Context, p *proc.Process, port int, s *sink.Sink, r *report.Run) (*check.Expected, error) {
	var err error
	if r.Idle, _, err = p.Memory(); err != nil {
		return nil, err
	}
	var before, harness time.Duration
	pace := j.system.Pace(j.w.Name)
	sent, err := j.script.Send(ctx, fmt.Sprintf("127.0.0.1:%d", port), load.Options{
		Points: j.points, Rate: pace.Rate, SendBuffer: pace.SendBuffer, Limit: inputLimit, Period: int64(j.period),
		Begin: func() { before, err = p.CPU(); harness = ownCPU() },
	})
	if err != nil {
		return nil, err
	}
	if sent.Points == 0 {
		return nil, fmt.Errorf("nothing was sent")
	}
	drain, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	err = p.Wait(drain, "the input is read", func() (bool, error) {
		s, err := proc.PortSockets(port)
		return s.Open == 0 && s.Unread == 0, err
	})
	if err != nil {
		return nil, err
	}
	r.Input = time.Since(sent.Start)
	r.Harness = ownCPU() - harness
	r.Points = sent.Points
	r.Metrics = int(min(sent.Points, int64(j.w.Metrics())))
	r.NameBytes = j.w.NameBytes(r.Metrics)

	e := check.Expect(j.w, j.method, sent)
	if err := j.await(ctx, p, s, e, r); err != nil {
		return nil, err
	}
	after, err := p.CPU()
	if err != nil {
		return nil, err
	}
	r.CPU = after - before
	r.After, r.Peak, err = p.Memory()
	return e, err
}

// await waits until the output is complete, or until none has come for so long
// that none will.
func (j *job) await(ctx context.Context, p *proc.Process, s *sink.Sink, e *check.Expected, r *report.Run) error {
	quiet := j.system.Lateness + 2*time.Duration(j.period)*time.Second
	start, last, since := time.Now(), int64(-1), time.Now()
	return p.Wait(ctx, "its output is complete", func() (bool, error) {
		if n := s.Lines(); n != last {
			last, since = n, time.Now()
			if n >= e.Lines() {
				s.View(func(st *sink.State) { r.Verdict = e.Judge(st); r.Resent = st.Resent })
				if r.Verdict.OK() {
					return true, nil
				}
			}
		}
		if time.Since(since) < quiet && time.Since(start) < outputLimit {
			return false, nil
		}
		s.View(func(st *sink.State) { r.Verdict = e.Judge(st); r.Resent = st.Resent })
		return true, nil
	})
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
