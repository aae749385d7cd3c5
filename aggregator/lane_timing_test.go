package aggregator

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/rules"
)

const benchNow = 1763811003

func benchAggregator(tb testing.TB, lanes int, ruleText string, forward bool) *Aggregator {
	tb.Helper()
	parsed, diags := rules.Parse("bench.conf", []byte(ruleText), rules.Options{})
	if len(diags) > 0 {
		tb.Fatal(diags[0])
	}
	a, err := New(Config{
		Rules: rules.NewSet(parsed), Grace: 5, AmendDelay: -1, Keep: 5, Future: 600, OutputIdle: 3600,
		MaxSeries: 4_000_000, MaxOutputs: 1_000_000, MaxBuckets: 10_000_000, Lanes: lanes, ForwardAll: forward,
		Now: func() float64 { return benchNow }, Emit: func([]Row, bool) {}, Forward: func([]byte, int) {},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// workload is like those of `make bench`, from memory.
type workload struct {
	types, apps, servers, rules int
	method                      string
}

func (w workload) ruleText() string {
	var b strings.Builder
	for i := range w.rules {
		fmt.Fprintf(&b, "aggregates.<env>.app.<app>.all.requests%03d.count (60) = %s <env>.applications.<app>.*.requests%03d.count\n", i, w.method, i)
	}
	return b.String()
}

func (w workload) lines() []byte {
	var b []byte
	n := w.types * w.apps * w.servers
	for i := range n {
		b = fmt.Appendf(b, "prod.applications.app%03d.server%05d.requests%03d.count ", i/w.types%w.apps, i/w.types/w.apps, i%w.types)
		b = strconv.AppendFloat(b, float64(i*7919%4000+1)/4, 'f', -1, 64)
		b = append(b, " 1763811000\n"...)
	}
	return append(b, make([]byte, plaintext.Pad)...)[:len(b)]
}

// feed sends at least points datapoints through one lane at a time, in buffers
// of 256 KiB as a listener does, and returns how many.
func feedLines(a *Aggregator, lines []byte, points int) int {
	s := plaintext.NewScanner(16384)
	var b plaintext.Batch
	done := 0
	for done < points {
		for from := 0; from < len(lines) && done < points; {
			to := min(from+256<<10, len(lines))
			to = from + plaintext.Complete(lines[from:to])
			b.Buf = lines
			l := a.Acquire()
			for from < to {
				from = s.Scan(&b, from, to)
				l.Add(&b)
				done += b.N
			}
			l.Release()
		}
	}
	return done
}

func BenchmarkLane(b *testing.B) {
	for name, w := range map[string]workload{
		"W1-10k-names":   {10, 10, 100, 10, "sum"},
		"W2-1M-names":    {100, 100, 100, 100, "sum"},
		"W3-1000-rules":  {1000, 1, 10, 1000, "sum"},
		"W6-percentiles": {10, 10, 100, 10, "p99"},
	} {
		b.Run(name, func(b *testing.B) {
			a := benchAggregator(b, 1, w.ruleText(), false)
			lines := w.lines()
			feedLines(a, lines, w.types*w.apps*w.servers)
			before := a.Stats()
			b.ReportAllocs()
			b.ResetTimer()
			n := feedLines(a, lines, b.N)
			b.StopTimer()
			if s := a.Stats(); s.Added-before.Added != uint64(n) {
				b.Fatalf("%d of %d datapoints were added", s.Added-before.Added, n)
			}
		})
	}
}

// W1 with ten rewrite rules and both lists: a known name pays nothing for them.
func BenchmarkLaneWithNames(b *testing.B) {
	w := workload{10, 10, 100, 10, "sum"}
	var rewrites, lists strings.Builder
	rewrites.WriteString("[pre]\n")
	for i := range 10 {
		fmt.Fprintf(&rewrites, "^prod\\.old%d\\. = prod.new%d.\n", i, i)
		fmt.Fprintf(&lists, "\\.secret%d\\.\n", i)
	}
	for name, on := range map[string]bool{"off": false, "on": true} {
		b.Run(name, func(b *testing.B) {
			a := benchAggregator(b, 1, w.ruleText(), false)
			if on {
				p := new(naming.Policy)
				p.Rewrites, _ = naming.ParseRewrites("rewrite.conf", []byte(rewrites.String()))
				p.Deny, _ = naming.ParseList("deny.conf", []byte(lists.String()), naming.Regexps)
				p.Allow, _ = naming.ParseList("allow.conf", []byte("^prod\n"+lists.String()), naming.Regexps)
				a.SetNames(p)
			}
			lines := w.lines()
			feedLines(a, lines, 10000)
			before := a.Stats()
			b.ReportAllocs()
			b.ResetTimer()
			n := feedLines(a, lines, b.N)
			b.StopTimer()
			if s := a.Stats(); s.Added-before.Added != uint64(n) {
				b.Fatalf("%d of %d datapoints were added", s.Added-before.Added, n)
			}
		})
	}
}

// Names seen for the first time.
func BenchmarkNewNames(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("%d-rules", n), func(b *testing.B) {
			w := workload{n, 10, max(1, b.N/n/10+1), n, "sum"}
			a := benchAggregator(b, 1, w.ruleText(), false)
			lines := w.lines()
			b.ReportAllocs()
			b.ResetTimer()
			feedLines(a, lines, b.N)
		})
	}
}

// Two lanes on two cores against one, with many outputs and with one.
func BenchmarkLanes(b *testing.B) {
	for name, w := range map[string]workload{
		"many-outputs": {10, 10, 100, 10, "sum"},
		"one-output":   {1, 1, 10000, 1, "sum"},
	} {
		for _, lanes := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/lanes=%d", name, lanes), func(b *testing.B) {
				a := benchAggregator(b, lanes, w.ruleText(), false)
				lines := w.lines()
				feedLines(a, lines, 10000)
				b.ResetTimer()
				var wg sync.WaitGroup
				for range lanes {
					wg.Go(func() { feedLines(a, lines, b.N/lanes) })
				}
				wg.Wait()
				b.StopTimer()
				if s := a.Stats(); s.Added < uint64(b.N/lanes*lanes) {
					b.Fatalf("%d of %d datapoints were added", s.Added, b.N)
				}
			})
		}
	}
}

func BenchmarkForward(b *testing.B) {
	a := benchAggregator(b, 1, "x (60) = sum nothing.like.it\n", true)
	lines := workload{10, 100, 100, 10, "sum"}.lines()
	feedLines(a, lines, 100000)
	b.ReportAllocs()
	b.ResetTimer()
	feedLines(a, lines, b.N)
}
