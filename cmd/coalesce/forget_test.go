package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api/windows"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/spf13/cobra"
)

// forgetterVariable has the test binary be a daemon that forgets the series that it reads
// from its standard input: a list in JSON in each line.
const forgetterVariable = "COALESCE_TEST_FORGETTER"

func forgetterMain() error {
	cmd := newRun()
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, problems := config.Load(cmd.Flag("config").Value.String(), overrides(cmd.Flags())...)
		if err := problems.Err(); err != nil {
			return err
		}
		d, err := newDaemon(cfg, newLogger(os.Stderr, cfg.Log), io.Discard)
		if err == nil {
			err = d.start()
		}
		if err != nil {
			return err
		}
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		go func() {
			for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
				var names []string
				err := json.Unmarshal(lines.Bytes(), &names)
				if err == nil {
					err = d.forgetSeries(context.Background(), names)
				}
				fmt.Println("forgot", err)
			}
		}()
		<-signals
		return d.stop(context.Background())
	}
	cmd.SetArgs(os.Args[2:]) // without run
	return cmd.Execute()
}

// forgetter is such a daemon.
type forgetter struct {
	*process
	in  io.Writer
	out *bufio.Scanner
}

func startForgetter(t *testing.T, s settings) *forgetter {
	t.Helper()
	p := newProcess(t, s.args(t)...)
	p.cmd = exec.Command(os.Args[0], p.cmd.Args[1:]...)
	p.cmd.Env = append(os.Environ(), forgetterVariable+"=1")
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.launch()
	return &forgetter{p, in, bufio.NewScanner(out)}
}

// forget returns when the daemon has forgotten series.
func (f *forgetter) forget(names ...string) {
	f.t.Helper()
	text, err := json.Marshal(names)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(f.in, "%s\n", text); err != nil {
		f.t.Fatal(err)
	}
	if !f.out.Scan() || f.out.Text() != "forgot <nil>" {
		f.t.Fatalf("the daemon says %q", f.out.Text())
	}
}

// Series that are deleted are gone at once, wherever they were: in open buckets, in those
// to be amended, in the journal and the store. They stay so after a kill and an orderly
// restart, and what comes for them counts anew.
func TestForgetSeries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: write(t, dir, "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=1\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address, config: windowSettings,
	}
	names := []string{"m;host=a", "m;host=b", "plain.m", "aggregates.k.a", "never.seen"}
	value := func(name string, v int, at int64) string {
		metric, host, tagged := strings.Cut(name, ";host=")
		if !tagged {
			return fmt.Sprintf(`{"metric":%q,"value":%d,"timestamp":%d}`, metric, v, at)
		}
		return fmt.Sprintf(`{"metric":%q,"value":%d,"timestamp":%d,"tags":{"host":%q}}`, metric, v, at, host)
	}
	old := time.Now().Unix()/900*900 - 1800
	send := func(d *forgetter, v int, at int64) {
		t.Helper()
		var values []string
		for _, name := range []string{"m;host=a", "m;host=b", "plain.m", "other;host=a", "other.m"} {
			values = append(values, value(name, v, at))
		}
		collect(t, d.process, values)
	}
	gone := func(d *forgetter) {
		t.Helper()
		for _, name := range names {
			if got := render(t, d.process, old, time.Now().Unix()+100, name, name+":obvs"); len(got) > 0 {
				t.Errorf("render of %s: %v", name, got)
			}
			if rows := window(t, d.process, "24h", name, old, time.Now().Unix()+900); len(rows) > 0 {
				t.Errorf("window of %s: %v", name, rows)
			}
		}
		if got := found(t, d.process, "*.*"); got["plain.m"] || !got["other.m"] {
			t.Errorf("found %v", got)
		}
		for expr, n := range map[string]int{"name=m": 0, "host=b": 0, "host=a": 1, "name=plain.m": 0} {
			if got := answer[[]string](t, d.process, "/tags/findSeries?expr="+url.QueryEscape(expr)); len(got) != n {
				t.Errorf("%s: %q", expr, got)
			}
		}
		if got := render(t, d.process, old, old+10, "other.m:sum")["other.m:sum"][old]; got != 7 {
			t.Errorf("other.m has %v, want 7", got)
		}
	}

	d := startForgetter(t, s)
	send(d, 3, old)
	send(d, 4, old+1)
	first := soon()
	feed(d.process, out, first, "k.a.x 1", "k.b.x 1")
	rowsAre(out, first, map[string][]string{"k.a": {"1"}, "k.b": {"1"}})
	d.forgotten()
	d.written()
	send(d, 100, old+600) // in the journal soon, or the store
	now := time.Now().Unix()
	send(d, 1000, now) // open
	send(d, 1000, now-20)
	if got := render(t, d.process, old, old+10, "m;host=a:sum")["m;host=a:sum"][old]; got != 7 {
		t.Fatalf("m has %v, want 7", got)
	}
	d.forget(names...)
	gone(d)
	if n := balanced(t, d.process).sum("contributions_dropped_total", "reason", "deleted"); n == 0 {
		t.Error("no contribution was deleted")
	}
	d.kill()

	d = startForgetter(t, s)
	d.loaded()
	gone(d)
	counted := func(when string, v float64) {
		t.Helper()
		for _, name := range names[:3] {
			if got := render(t, d.process, old, old+900, name+":sum")[name+":sum"]; len(got) != 1 || got[old] != v {
				t.Errorf("%s: %s has %v, want %v", when, name, got, v)
			}
		}
	}
	collect(t, d.process, []string{value("m;host=a", 5, old), value("m;host=b", 5, old), value("plain.m", 5, old)})
	counted("held", 5)
	feed(d.process, out, first, "k.a.x 5", "k.b.x 5") // a bucket that was emitted before
	out.wait("the rows", func(r *received) bool {
		return r.last(fmt.Sprintf("aggregates.k.a %d", first)) == "5" && r.last(fmt.Sprintf("aggregates.k.b %d", first)) == "6"
	})
	d.forgotten()
	d.written()
	counted("kept", 5)
	d.kill()

	d = startForgetter(t, s)
	d.loaded()
	counted("after a kill", 5)
	d.forget(names...)
	d.forget("m;host=a")
	gone(d)
	collect(t, d.process, []string{value("m;host=a", 6, old)})
	d.forget("m;host=a")
	d.stop()

	d = startForgetter(t, s)
	d.loaded()
	gone(d)
	d.stop()
	cells, series := stored(t, s.data)
	for k := range cells {
		if slices.Contains(names, k.name) {
			t.Errorf("the store has %v", k)
		}
	}
	for _, name := range names {
		if _, ok := series[name]; ok {
			t.Errorf("the store has the series %s", name)
		}
	}
}

// While late datapoints keep coming, for which the archive is asked what it has, nothing
// of a deleted series comes back.
func TestForgetBesideLateData(t *testing.T) {
	cfg := config.Default()
	cfg.Data, cfg.Store.At, cfg.Store.Cycle = "", "memory", config.Duration(3*time.Millisecond)
	c, err := newCells(&cfg, true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close(t.Context())
	inputs, problems := inputRules(&cfg)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	agg, err := aggregator.New(aggregator.Config{
		Rules: rules.NewSet(inputs), Archive: c.aggregatorArchive(), Announce: c.announce, Departed: c.departed,
		AmendDelay: 0, Future: 60, OutputIdle: 3600, MaxSeries: 100, MaxOutputs: 100, MaxBuckets: 1000, Lanes: 2,
		Now: unixNow, Emit: func([]aggregator.Row, bool) {}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"a;k=1", "a;k=2", "b"}
	begin := time.Now().Unix()/900*900 - 900
	collect := collectInto(agg)
	var mu sync.RWMutex // held to collect by those who have read the phase
	phase := int64(0)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	loop := func(pause time.Duration, f func(r *rand.Rand)) {
		running.Go(func() {
			for r := rand.New(rand.NewPCG(1, 2)); ctx.Err() == nil; time.Sleep(pause) {
				f(r)
			}
		})
	}
	running.Go(func() { c.arch.Run(ctx) })
	loop(100*time.Microsecond, func(*rand.Rand) { agg.Tick() })
	for range 2 {
		loop(50*time.Microsecond, func(r *rand.Rand) {
			mu.RLock()
			defer mu.RUnlock()
			collect([]windows.Point{{Name: names[r.IntN(3)], Value: float64(phase), Time: float64(begin + r.Int64N(100))}})
		})
	}
	slowly := func(names []string) {
		agg.ForgetSeries(names)
		time.Sleep(3 * time.Millisecond) // in which buckets are made, and closed
	}
	deleted := func() bool {
		s := c.arch.Stats()
		return agg.Stats().Dropped[aggregator.Deleted] > 0 && s.Kept > 0 && s.Dropped[archive.Deleted] > 0
	}
	enough := time.Now().Add(patience)
	for k := int64(0); k < 150 || !deleted() && time.Now().Before(enough); k++ {
		mu.Lock()
		phase = k
		mu.Unlock()
		if err := c.forgetSeries(t.Context(), slowly, names); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			cells, err := c.arch.Cells(t.Context(), names, 10, begin, begin+100)
			if err != nil {
				t.Fatal(err)
			}
			for i, name := range names {
				for _, b := range cells[i] {
					if int64(b.Cell.Min) < k-1 { // what was on its way may have come afterwards
						t.Fatalf("in round %d %s has %+v", k, name, b.Cell)
					}
				}
			}
			time.Sleep(4 * time.Millisecond)
		}
	}
	await(t, "the names to be known", nil, func() bool { return c.names.Len() == 3 })
	if !deleted() {
		t.Errorf("%+v, %+v", agg.Stats(), c.arch.Stats())
	}
}
