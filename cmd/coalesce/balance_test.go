package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/internal/stubborn"
	"github.com/coalesce-metrics/coalesce/metrics/metricstest"
)

// get asks the daemon over HTTP.
func get(t *testing.T, d *process, path string) (status int, body string) {
	t.Helper()
	resp, err := stubborn.Client(patience).Get("http://" + d.address("http", "tcp") + path)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(text)
}

// samples is one scrape of /metrics.
type samples metricstest.Samples

func scrape(t *testing.T, d *process) samples {
	t.Helper()
	status, body := get(t, d, "/metrics")
	if status != http.StatusOK {
		t.Errorf("/metrics: status %d: %s", status, body)
	}
	found, err := metricstest.Parse(body)
	if err != nil {
		t.Error(err)
	}
	return samples(found)
}

// sum adds up the samples of a name with the given labels.
func (s samples) sum(name string, labels ...string) float64 {
	return metricstest.Samples(s).Sum(name, labels...)
}

// checkBalance scrapes the daemon: whatever it is doing, nothing is unaccounted for.
func checkBalance(t *testing.T, d *process) samples {
	t.Helper()
	s := scrape(t, d)
	for _, name := range []string{"received_items_total", "destination_rows_written_total"} {
		if !slices.ContainsFunc(s, func(x metricstest.Sample) bool { return x.Name == name }) {
			t.Errorf("no %s in %v", name, s)
		}
	}
	for _, wrong := range metricstest.Samples(s).Unbalanced() {
		t.Error(wrong)
	}
	return s
}

// checkCounts waits until all that was sent has come in and compares the numbers.
func (f *flow) checkCounts(d *process) {
	f.t.Helper()
	f.mu.Lock()
	want := f.sent
	forwarded := 0
	for _, n := range f.raw {
		forwarded += n
	}
	f.mu.Unlock()
	var s samples
	await(f.t, "all items to be counted", nil, func() bool {
		s = checkBalance(f.t, d)
		return s.sum("received_items_total") >= float64(want.received) || f.t.Failed()
	})
	for name, n := range map[string]int{
		"received_items_total": want.received, "refused_items_total": want.refused, "accepted_items_total": want.received - want.refused,
		"datapoints_accepted_total": want.received - want.refused, "datapoints_forwarded_total": forwarded,
		"datapoints_matched_total": want.matched, "datapoints_unmatched_total": want.unmatched,
		"contributions_total": want.contributions, "contributions_added_total": want.contributions,
	} {
		if got := s.sum(name); got != float64(n) {
			f.t.Errorf("%s is %v, want %d", name, got, n)
		}
	}
	if got := s.sum("refused_items_total", "reason", "bad_fields"); got != float64(want.refused) {
		f.t.Errorf("%v lines are refused as bad_fields, want %d", got, want.refused)
	}
}

// Its own numbers go the way of all rows, under carbon's names, and are not
// taken for anything else there.
func TestOwnSeries(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	d := start(t, settings{
		rules: write(t, t.TempDir(), "rules.conf", ruleFileOf(counting)), upstream: out.address,
		config: "[metrics]\nprefix = \"own\"\ninstance = \"x\"\ninterval = \"1s\"\n",
	})
	feed(d, out, 1500000000, "a.b.c 1", "a.b.d 2", "unmatched 3")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	begins := fmt.Sprintf("own.aggregator.%s-x.metricsReceived ", strings.ReplaceAll(host, ".", "_"))
	out.wait(begins, func(r *received) bool {
		for _, line := range r.lines {
			if strings.HasPrefix(line, begins+"3 ") {
				return true
			}
		}
		return false
	})
	s := checkBalance(t, d)
	if self, raw := s.sum("destination_rows_made_total", "kind", "self"), s.sum("destination_rows_made_total", "kind", "raw"); self == 0 || raw != 3 {
		t.Errorf("%v rows of its own and %v raw ones, want some and 3", self, raw)
	}
	if status, body := get(t, d, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if status, body := get(t, d, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d %s", status, body)
	}
	d.stop()
}

// A destination may have a queue of its own size.
func TestQueueLimits(t *testing.T) {
	t.Parallel()
	plain, own := newSink(t), newSink(t)
	d := start(t, settings{
		rules: noRules(t), upstream: plain.address,
		config: fmt.Sprintf("[queue]\ndatapoints = 900\n[[destination]]\nname = \"own\"\naddress = %q\nqueue_datapoints = 7\nqueue_bytes = \"1MiB\"\n", own.address),
	})
	s := scrape(t, d)
	for destination, want := range map[string][2]float64{plain.address: {900, 256 << 20}, "own": {7, 1 << 20}} {
		rows := s.sum("destination_queue_limit_rows", "destination", destination)
		bytes := s.sum("destination_queue_limit_bytes", "destination", destination)
		if got := [2]float64{rows, bytes}; got != want {
			t.Errorf("%s: rows and bytes %v, want %v", destination, got, want)
		}
	}
	d.stop()
}
