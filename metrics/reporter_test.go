package metrics

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/upstream"
)

// report is one call of Send.
type report struct {
	after time.Duration // since the start
	lines string
	n     int
}

// watchReports runs a reporter until its context ends, and returns the reports
// as they come.
func watchReports(t *testing.T, cfg ReporterConfig, used func() (usage, bool)) <-chan report {
	t.Helper()
	reports := make(chan report, 10)
	start := time.Now()
	cfg.Now = func() float64 { return 1_700_000_000.9 + time.Since(start).Seconds() }
	cfg.Send = func(lines []byte, n int) { reports <- report{time.Since(start), string(lines), n} }
	r, err := NewReporter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.usage = used
	go r.Run(t.Context())
	return reports
}

func TestReporter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := example()
		var round atomic.Uint64
		round.Store(1)
		agg := src.Aggregator()
		src.Aggregator = func() aggregator.Stats {
			s := agg
			s.Accepted *= round.Load()
			s.Outputs += int(round.Load())
			return s
		}
		cpu := 2.0
		reports := watchReports(t, ReporterConfig{
			Sources: src, Prefix: "carbon", Host: "db1.example.org", Instance: "a", Interval: time.Minute,
		}, func() (usage, bool) {
			u := usage{cpu: cpu, resident: 4096}
			cpu += 15
			return u, true
		})
		want := strings.ReplaceAll(strings.TrimLeft(`
refused 26
kernelDrops 12
notAllowed 14
activeConnections 4
connectionLimitReached 2
metricsReceived 1000
matched 700
unmatched 250
filtered 50
badName 1
nameTooLong 2
blacklistMatches 30
whitelistRejects 17
badTags 13
forwarded 990
lateDatapoints 11
contributions 1524
added 1400
replaced 14
tooOld 60
tooNew 20
conflict 10
outputsFull 7
bucketsFull 3
notFinite 2
notIntegral 1
deleted 21
series 86
learned 90
evicted 4
allocatedBuffers 13
buckets 24
bucketsClosed 30
bucketsAmended 2
aggregateDatapointsSent 33
namesReloadOK 1
rules 2
reloadOK 0
reloads 5
reloadFailures 2
cellsKept 300
cellsPending 31
cellsWritten 240
cells.queueFull 1
cells.journalFull 2
cells.journalDamaged 4
cells.tooOld 0
cells.invalid 0
cells.unsaved 0
cells.deleted 5
journalErrors 3
storeOk 0
storeErrors 9
windowsLag 12.5
views 5
viewRows 300
viewsOverflowing 1
viewRowsExported 1234
unrouted 90
destinations.127_0_0_1:2004:None.attemptedRelays 1034
destinations.127_0_0_1:2004:None.sent 1000
destinations.127_0_0_1:2004:None.queued 14
destinations.127_0_0_1:2004:None.spooled 15
destinations.127_0_0_1:2004:None.resent 19
destinations.127_0_0_1:2004:None.fullQueueDrops 5
destinations.127_0_0_1:2004:None.stoppedDrops 2
destinations.127_0_0_1:2004:None.withheldDrops 4
destinations.127_0_0_1:2004:None.unencodableDrops 1
destinations.127_0_0_1:2004:None.spoolFullDrops 3
destinations.127_0_0_1:2004:None.spoolAgeDrops 2
destinations.127_0_0_1:2004:None.spoolDamagedDrops 1
destinations.127_0_0_1:2004:None.spoolErrorDrops 2
destinations.127_0_0_1:2004:None.connected 1
httpRefused 6
httpPanics 1
measurementRequests 51
measurements 766
measurementsRefused 66
cpuUsage 25
memUsage 4096
`, "\n"), "\n", " 1700000060\n")
		want = strings.ReplaceAll("\n"+want, "\n", "\ncarbon.aggregator.db1_example_org-a.")
		want = strings.TrimSuffix(strings.TrimPrefix(want, "\n"), "carbon.aggregator.db1_example_org-a.")
		got := <-reports
		if diff := cmp.Diff(want, got.lines); diff != "" || got.after != time.Minute {
			t.Errorf("after %v: %s", got.after, diff)
		}
		if n := strings.Count(got.lines, "\n"); got.n != n {
			t.Errorf("%d lines, said to be %d", n, got.n)
		}

		// Then only what has grown since; destinations say nothing where nothing
		// happened, gauges always something.
		round.Store(3)
		got = <-reports
		if got.after != 2*time.Minute {
			t.Errorf("second report after %v", got.after)
		}
		for series, want := range map[string]string{
			"metricsReceived": "2000", "matched": "0", "tooOld": "0", "allocatedBuffers": "15", "cpuUsage": "25",
			"destinations.127_0_0_1:2004:None.sent": "", "destinations.127_0_0_1:2004:None.queued": "14",
		} {
			line := "carbon.aggregator.db1_example_org-a." + series + " "
			_, rest, found := strings.Cut(got.lines, line)
			value, _, _ := strings.Cut(rest, " ")
			if found != (want != "") || value != want && found {
				t.Errorf("%s is %q, want %q", series, value, want)
			}
		}
	})
}

// What is sent is read by our own listeners without a fault.
func TestReporterLinesAreDatapoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := example()
		src.Upstream = func() []upstream.DestinationStats {
			return []upstream.DestinationStats{{Name: "host:1:two words;\u00a0x", Written: 3}}
		}
		got := <-watchReports(t, ReporterConfig{
			Sources: src, Prefix: "a.b", Host: "h x;y", Instance: "i", Interval: time.Second,
		}, processUsage)
		s := plaintext.NewScanner(1000)
		buf := append([]byte(got.lines), make([]byte, plaintext.Pad)...)[:len(got.lines)]
		b := plaintext.Batch{Buf: buf}
		n := 0
		for from := 0; from < len(buf); n += b.N {
			from = s.Scan(&b, from, len(buf))
		}
		if n != got.n || s.Refused != [plaintext.NumReasons]uint64{} {
			t.Errorf("%d of %d lines are datapoints; refused %v", n, got.n, s.Refused)
		}
		if want := "a.b.aggregator.h_x_y-i.destinations.host:1:two_words__x.sent 3 "; !strings.Contains(got.lines, want) {
			t.Errorf("no %q in\n%s", want, got.lines)
		}
	})
}

func TestReporterOff(t *testing.T) {
	r, err := NewReporter(ReporterConfig{
		Prefix: "carbon", Host: "h", Instance: "a", Now: func() float64 { return 0 },
		Send: func([]byte, int) { t.Error("a report was sent") },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Run(context.Background()) // returns
}

func TestReporterErrors(t *testing.T) {
	good := ReporterConfig{
		Prefix: "carbon", Host: "h", Instance: "a", Now: func() float64 { return 0 }, Send: func([]byte, int) {},
	}
	for name, spoil := range map[string]func(c *ReporterConfig){
		"prefix":   func(c *ReporterConfig) { c.Prefix = "" },
		"host":     func(c *ReporterConfig) { c.Host = "" },
		"instance": func(c *ReporterConfig) { c.Instance = "" },
		"interval": func(c *ReporterConfig) { c.Interval = -1 },
		"clock":    func(c *ReporterConfig) { c.Now = nil },
		"send":     func(c *ReporterConfig) { c.Send = nil },
	} {
		c := good
		spoil(&c)
		if _, err := NewReporter(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDestinationNode(t *testing.T) {
	for name, want := range map[string]string{
		"127.0.0.1:2004":    "127_0_0_1:2004:None", // the example of carbon
		"graphite:2003:b":   "graphite:2003:b",
		"graphite:2003:":    "graphite:2003:",
		"[::1]:2003":        "::1:2003:None",
		"unix:///run/x.y z": "unix:___run_x_y_z",
		"stdout:":           "stdout:",
	} {
		if got := destinationNode(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

// One name stands for one number, on either side.
func TestNamesAreUnique(t *testing.T) {
	names, series := map[string]bool{}, map[string]string{}
	src := example()
	s := src.read()
	for _, f := range families {
		if names[f.name] || f.help == "" {
			t.Errorf("%s: twice, or without help", f.name)
		}
		names[f.name] = true
		if f.series == nil {
			continue
		}
		f.read(s, func(_ float64, labels ...string) {
			name := f.series(labels)
			if other, taken := series[name]; taken && other != f.name {
				t.Errorf("%s: %s and %s", name, other, f.name)
			}
			series[name] = f.name
		})
	}
}

func TestProcessUsage(t *testing.T) {
	u, ok := processUsage()
	if !ok {
		if _, err := os.Stat("/proc/self/statm"); err == nil {
			t.Error("unknown")
		}
		return
	}
	if u.resident < 1<<20 || u.resident > 1<<40 || u.cpu < 0 || u.cpu > 3600 {
		t.Errorf("%+v", u)
	}
}
