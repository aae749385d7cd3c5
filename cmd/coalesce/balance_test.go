package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/internal/stubborn"
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

// sample is one line of /metrics.
type sample struct {
	name   string // without coalesce_
	labels map[string]string
	value  float64
}

// samples is one scrape of /metrics.
type samples []sample

var (
	sampleLine  = regexp.MustCompile(`^coalesce_([a-z_]+)(?:\{(.*)\})? (\S+)$`)
	sampleLabel = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

func scrape(t *testing.T, d *process) (found samples) {
	t.Helper()
	status, body := get(t, d, "/metrics")
	if status != http.StatusOK {
		t.Errorf("/metrics: status %d: %s", status, body)
	}
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		m := sampleLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue // comments, and the numbers of process and runtime
		}
		s := sample{name: m[1], labels: make(map[string]string)}
		for _, l := range sampleLabel.FindAllStringSubmatch(m[2], -1) {
			s.labels[l[1]] = l[2]
		}
		var err error
		if s.value, err = strconv.ParseFloat(m[3], 64); err != nil {
			t.Errorf("%s: %v", lines.Text(), err)
		}
		found = append(found, s)
	}
	return found
}

// sum adds up the samples of a name with the given labels.
func (s samples) sum(name string, labels ...string) (sum float64) {
	for _, x := range s {
		fits := x.name == name
		for i := 0; i < len(labels); i += 2 {
			fits = fits && x.labels[labels[i]] == labels[i+1]
		}
		if fits {
			sum += x.value
		}
	}
	return sum
}

// each returns the values that a label of a name has.
func (s samples) each(name, label string) (values []string) {
	for _, x := range s {
		if x.name == name {
			values = append(values, x.labels[label])
		}
	}
	return values
}

// checkBalance scrapes the daemon: whatever it is doing, nothing is unaccounted for.
func checkBalance(t *testing.T, d *process) samples {
	t.Helper()
	s := scrape(t, d)
	equal := func(what string, whole float64, parts ...float64) {
		t.Helper()
		sum := 0.0
		for _, p := range parts {
			sum += p
		}
		if whole != sum {
			t.Errorf("%s: %v is not the sum of %v", what, whole, parts)
		}
	}
	listeners := s.each("received_items_total", "listener")
	destinations := s.each("destination_rows_written_total", "destination")
	if len(listeners) == 0 || len(destinations) == 0 {
		t.Errorf("listeners %q, destinations %q in %v", listeners, destinations, s)
	}
	for _, l := range listeners {
		equal("items received by "+l, s.sum("received_items_total", "listener", l),
			s.sum("accepted_items_total", "listener", l), s.sum("refused_items_total", "listener", l))
	}
	equal("datapoints", s.sum("datapoints_accepted_total"),
		s.sum("datapoints_matched_total"), s.sum("datapoints_unmatched_total"), s.sum("datapoints_filtered_total"))
	equal("measurements", s.sum("measurements_received_total"), s.sum("measurements_accepted_total"), s.sum("measurements_refused_total"))
	equal("contributions", s.sum("contributions_total"), s.sum("contributions_added_total"), s.sum("contributions_dropped_total"))
	for _, to := range destinations {
		equal("rows for "+to, s.sum("destination_rows_made_total", "destination", to),
			s.sum("destination_rows_written_total", "destination", to), s.sum("destination_rows_in_flight", "destination", to),
			s.sum("destination_rows_queued", "destination", to), s.sum("destination_rows_spooled", "destination", to),
			s.sum("destination_rows_moved_total", "destination", to), s.sum("destination_rows_dropped_total", "destination", to))
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
