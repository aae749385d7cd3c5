// Command bench measures what a datapoint costs the coalesce daemon.
//
// It starts each measured system as a child process, sends it a workload over
// loopback, receives what it makes, and reads its CPU time and memory from /proc.
// What it makes must be exactly what follows from the datapoints sent. The
// result is Markdown on standard output; progress goes to standard error. The
// exit status is 1 if coalesce lost, doubled or invented a datapoint.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/system"
)

// The kernel kills a child when the thread that started it ends; the main thread
// ends last.
func init() { runtime.LockOSThread() }

// options are the command line.
type options struct {
	coalesce  string
	versus    string
	again     bool
	runs      int
	peerRuns  int
	cpu       time.Duration
	workloads string
	systems   string
	limit     time.Duration
	verbose   bool
}

func main() {
	var o options
	flag.StringVar(&o.coalesce, "coalesce", "coalesce", "coalesce `binary` to measure")
	flag.StringVar(&o.versus, "vs", "", "second coalesce `binary`, run in turn with the first and compared pair by pair")
	flag.BoolVar(&o.again, "aa", false, "compare the coalesce binary with itself, to see how far apart equals are")
	flag.IntVar(&o.runs, "runs", 7, "runs of coalesce for each workload")
	flag.IntVar(&o.peerRuns, "peer-runs", 1, "runs of each other system for each workload")
	flag.DurationVar(&o.cpu, "cpu", 2*time.Second, "CPU time that a run of coalesce takes at least")
	flag.StringVar(&o.workloads, "workloads", everything(), "workloads, comma-separated; W1+names is W1 with the variant names, compared with W1")
	flag.StringVar(&o.systems, "systems", "coalesce,carbon-c-relay,carbon-aggregator", "systems, comma-separated")
	flag.DurationVar(&o.limit, "limit", 30*time.Minute, "give up after this time")
	flag.BoolVar(&o.verbose, "v", false, "show the log of each measured process")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "bench: argument %q: want flags only\n", flag.Arg(0))
		os.Exit(2)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	b, err := newBench(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	b.measureAll(ctx)
	b.print(os.Stdout)
	if len(b.failures) > 0 {
		os.Exit(1)
	}
}

// newBench finds the programs to measure. A peer that is not installed is noted;
// without coalesce, where it is wanted, there is no bench.
func newBench(ctx context.Context, o options) (*bench, error) {
	if o.runs < 1 || o.peerRuns < 1 || o.cpu < 0 {
		return nil, fmt.Errorf("-runs %d, -peer-runs %d, -cpu %v: want at least 1, 1 and 0", o.runs, o.peerRuns, o.cpu)
	}
	if o.again && o.versus != "" {
		return nil, fmt.Errorf("-aa and -vs %s: want at most one of them", o.versus)
	}
	b := &bench{
		runs: o.runs, peerRuns: o.peerRuns, cpu: o.cpu, period: 5, verbose: o.verbose, progress: os.Stderr, loadBefore: loadAverage(),
	}
	var err error
	if b.groups, b.extras, err = choose(o.workloads); err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(o.systems, ",") {
		switch name {
		case "coalesce":
			b.own = ownSystems(o)
		case "carbon-c-relay":
			b.peers = append(b.peers, system.CarbonCRelay())
		case "carbon-aggregator":
			b.peers = append(b.peers, system.CarbonAggregator())
		default:
			return nil, fmt.Errorf("system %q is unknown: want some of coalesce,carbon-c-relay,carbon-aggregator", name)
		}
	}
	for _, s := range b.own {
		if err := s.Find(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	b.peers = slices.DeleteFunc(b.peers, func(s *system.System) bool {
		err := s.Find(ctx)
		if err != nil {
			b.note("%s is not measured: %v (%s)", s.Name, err, s.Package)
		}
		return err != nil
	})
	return b, nil
}

func ownSystems(o options) []*system.System {
	switch {
	case o.versus != "":
		return []*system.System{system.Coalesce("coalesce A", o.coalesce), system.Coalesce("coalesce B", o.versus)}
	case o.again:
		return []*system.System{system.Coalesce("coalesce A", o.coalesce), system.Coalesce("coalesce A again", o.coalesce)}
	default:
		return []*system.System{system.Coalesce("coalesce", o.coalesce)}
	}
}
