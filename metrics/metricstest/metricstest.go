// Package metricstest reads what a daemon answers at /metrics, for tests.
package metricstest

import (
	"bufio"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Sample is one number of the daemon.
type Sample struct {
	Name   string // without coalesce_
	Labels map[string]string
	Value  float64
}

// Samples is one scrape.
type Samples []Sample

var (
	line  = regexp.MustCompile(`^coalesce_([a-z_]+)(?:\{(.*)\})? (\S+)$`)
	label = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

// Parse reads an answer. Comments, and the numbers of the process and of the
// runtime, are left out.
func Parse(body string) (all Samples, err error) {
	lines := bufio.NewScanner(strings.NewReader(body))
	for lines.Scan() {
		m := line.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		s := Sample{Name: m[1], Labels: make(map[string]string)}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			s.Labels[l[1]] = l[2]
		}
		if s.Value, err = strconv.ParseFloat(m[3], 64); err != nil {
			return nil, fmt.Errorf("%s: %w", lines.Text(), err)
		}
		all = append(all, s)
	}
	return all, lines.Err()
}

// Sum adds up the samples of a name with the given labels, each followed by its
// value.
func (s Samples) Sum(name string, labels ...string) (sum float64) {
	for _, x := range s {
		fits := x.Name == name
		for i := 0; i < len(labels); i += 2 {
			fits = fits && x.Labels[labels[i]] == labels[i+1]
		}
		if fits {
			sum += x.Value
		}
	}
	return sum
}

// Values returns, once each and sorted, what a label of a name is.
func (s Samples) Values(name, label string) []string {
	var values []string
	for _, x := range s {
		if x.Name == name {
			values = append(values, x.Labels[label])
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// Unbalanced says which of the sums that always hold do not.
func (s Samples) Unbalanced() (wrong []string) {
	equal := func(what string, whole float64, parts ...float64) {
		sum := 0.0
		for _, p := range parts {
			sum += p
		}
		if whole != sum {
			wrong = append(wrong, fmt.Sprintf("%s: %v is not the sum of %v", what, whole, parts))
		}
	}
	for _, l := range s.Values("received_items_total", "listener") {
		of := func(name string) float64 { return s.Sum(name, "listener", l) }
		equal("items received by "+l, of("received_items_total"), of("accepted_items_total"), of("refused_items_total"))
	}
	equal("datapoints", s.Sum("datapoints_accepted_total"),
		s.Sum("datapoints_matched_total"), s.Sum("datapoints_unmatched_total"), s.Sum("datapoints_filtered_total"))
	equal("measurements", s.Sum("measurements_received_total"), s.Sum("measurements_accepted_total"), s.Sum("measurements_refused_total"))
	equal("contributions", s.Sum("contributions_total"), s.Sum("contributions_added_total"), s.Sum("contributions_dropped_total"))
	equal("cells", s.Sum("cells_found_total")+s.Sum("cells_kept_total"),
		s.Sum("cells_pending"), s.Sum("cells_written_total"), s.Sum("cells_replaced_total"), s.Sum("cells_dropped_total"))
	for _, to := range s.Values("destination_rows_written_total", "destination") {
		of := func(name string) float64 { return s.Sum("destination_rows_"+name, "destination", to) }
		equal("rows for "+to, of("made_total")+of("found_total"),
			of("written_total"), of("in_flight"), of("queued"), of("spooled"), of("moved_total"), of("dropped_total"))
	}
	return wrong
}
