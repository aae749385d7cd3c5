package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var soak = flag.Duration("soak", 4*time.Second, "how long TestRulesUnderLoad goes on")

// Rules come and go while datapoints arrive: nothing is lost, no value is wrong, and
// nothing is left over.
//
// It does so for 4 s, or for longer with -soak.
func TestRulesUnderLoad(t *testing.T) {
	t.Parallel()
	const (
		senders, names = 2, 50
		churners       = 3
	)
	out := newSink(t)
	d := start(t, settings{
		rules: write(t, t.TempDir(), "rules.conf", "file.<s> (3600) = count l.<s>.*\n"), upstream: out.address,
		config: "[api_rules]\nperiod = \"1h\"\nforward_views = [\"obvs\"]\n[aggregation]\ngrace = \"1d\"\n", flags: []string{"--forward-all=false"},
	})
	a := newRuleAPI(t, d)
	a.create("l.<s>.*", "stays.<s>")
	at := time.Now().Unix() / 3600 * 3600
	goroutines := func() int {
		_, text := get(t, d, "/debug/pprof/goroutine?debug=1")
		var n int
		fmt.Sscanf(text, "goroutine profile: total %d", &n)
		return n
	}
	// What is in use once the garbage is collected, in bytes.
	heap := func() (n float64) {
		_, text := get(t, d, "/debug/pprof/heap?gc=1&debug=1")
		_, text, _ = strings.Cut(text, "# HeapAlloc = ")
		if _, err := fmt.Sscanf(text, "%f", &n); err != nil {
			t.Error("the heap:", err)
		}
		return n
	}
	before, heapBefore := goroutines(), heap()

	var stop atomic.Bool
	var sent [senders]int
	var running, churning sync.WaitGroup
	for s := range senders {
		conn := d.dial("tcp")
		running.Go(func() {
			var batch strings.Builder
			for i := range names {
				fmt.Fprintf(&batch, "l.s%d.n%d 1 %d\n", s, i, at)
			}
			for !stop.Load() {
				if _, err := io.WriteString(conn, batch.String()); err != nil {
					t.Error(err)
					return
				}
				sent[s] += names
			}
			conn.Close()
		})
	}
	changes := atomic.Int64{}
	for c := range churners {
		churning.Go(func() {
			for i := 0; !stop.Load(); i++ {
				id := a.create([]string{"l.<s>.<n>", "l.<s>.n*", "l.<s>.*"}[i%3], fmt.Sprintf("comes%d.<s>", c))
				if status, _ := a.do("POST", "/test", ruleBody("l.*.<n>", "<n>")); status != 200 {
					t.Errorf("test: status %d", status)
				}
				a.delete(id)
				changes.Add(2)
				checkBalance(t, d)
			}
		})
	}
	time.AfterFunc(*soak, func() { stop.Store(true) })
	running.Wait()
	churning.Wait()

	total := 0.0
	for _, n := range sent {
		total += float64(n)
	}
	await(t, "all datapoints", nil, func() bool { return scrape(t, d).sum("datapoints_accepted_total") == total })
	s := checkBalance(t, d)
	for i, n := range sent {
		for _, name := range []string{"aggregates.stays.s%d:obvs", "aggregates.stays.s%d:sum", "aggregates.file.s%d"} {
			name = fmt.Sprintf(name, i)
			if got := point(t, d, name, at); got != float64(n) {
				t.Errorf("%s is %v, %d were sent", name, got, n)
			}
		}
		for c := range churners {
			if got := point(t, d, fmt.Sprintf("aggregates.comes%d.s%d:avg", c, i), at); got != 1 && !math.IsNaN(got) {
				t.Errorf("the average of ones is %v", got)
			}
		}
	}
	if got := s.sum("series"); got != senders*names {
		t.Errorf("%v series, want %d", got, senders*names)
	}
	if got := s.sum("outputs"); got > senders*(2+churners) {
		t.Errorf("%v outputs", got)
	}
	if got := s.sum("contributions_dropped_total"); got != 0 {
		t.Errorf("%v contributions dropped", got)
	}
	if got := a.list(); len(got) != 1 {
		t.Errorf("rules left over: %q", got)
	}
	await(t, "no goroutine is left over", nil, func() bool { return goroutines() <= before+2 })
	heapAfter := heap()
	if grown := heapAfter - heapBefore; grown > 16<<20 {
		t.Errorf("the heap has grown by %.0f bytes", grown)
	}
	t.Logf("%.0f datapoints, %d changes of the rules, heap of %.1f MB before and %.1f MB after", total, changes.Load(), heapBefore/1e6, heapAfter/1e6)
	d.stop()
	rowsAre(out, at, map[string][]string{"stays.s0": {"1"}, "stays.s0:obvs": {fmt.Sprint(sent[0])}, "file.s1": {fmt.Sprint(sent[1])}})
}
