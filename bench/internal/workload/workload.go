// Package workload defines the metrics, values and rules of each benchmark load.
package workload

import (
	"math"
	"strconv"
)

// A Workload is a set of metric names with the values sent for them, and the
// rules that the measured system has to apply. Every metric is named
//
//	prod.applications.app017.server042.requests003.count
//
// and every rule sums, counts or ranks over the servers of one application.
type Workload struct {
	Name  string // short name, such as W1, or W1+names for a variant
	About string // what it is meant to show
	Base  string // the workload that this is a variant of; empty if it is none

	Tails    int // distinct last parts ("requests003.count") of the metrics sent
	Apps     int // applications for each tail
	Servers  int // servers for each application and tail
	Variants int // different values sent in turn for each metric

	Rules   int    // rules configured
	Method  string // aggregation method of the rules: sum or p99
	Forward bool   // no rule matches, and every datapoint is to be forwarded
	Once    bool   // every metric is sent exactly once

	CheckPoints int // datapoints of the conservation run
	MostPoints  int // datapoints of a run; 0: the bench's own bound

	Pickle       bool // datapoints are sent in pickle, as carbon's relay does
	Destinations int  // what is forwarded is hashed over so many; 0: all goes to one
	Spool        bool // the destination is down until all that was sent is on the disk
	Store        bool // closed cells are kept in a store on the disk
	Keep         int  // the metrics are kept there, too, in cells of so many seconds; 0: they are not
	HTTP         bool // queries are answered
	APIRules     int  // rules made over HTTP before; see APIRule
	MostRuns     int  // runs of coalesce; 0: as many as the bench makes

	// Settings are what coalesce is configured with beside the usual: values in
	// TOML by dotted key. Files are what they refer to, content by name.
	Settings map[string]string
	Files    map[string]string
}

// All lists the workloads in the order of their names.
func All() []*Workload {
	return []*Workload{
		{Name: "W1", About: "10 000 metrics, 10 rules, 100 outputs", Tails: 10, Apps: 10, Servers: 100, Variants: 1,
			Rules: 10, Method: "sum", CheckPoints: 3_000_000},
		{Name: "W2", About: "1 000 000 metrics, 100 rules, 10 000 outputs", Tails: 100, Apps: 100, Servers: 100, Variants: 1,
			Rules: 100, Method: "sum", CheckPoints: 3_000_000},
		{Name: "W3", About: "10 000 metrics, 1 000 rules, 1 000 outputs", Tails: 1000, Apps: 1, Servers: 10, Variants: 1,
			Rules: 1000, Method: "sum", CheckPoints: 3_000_000},
		{Name: "W4", About: "2 000 000 metrics sent once each, 10 rules, 100 outputs", Tails: 10, Apps: 10, Servers: 20_000, Variants: 1,
			Rules: 10, Method: "sum", Once: true, CheckPoints: 2_000_000},
		{Name: "W5", About: "100 000 metrics that match none of 10 rules, all forwarded", Tails: 10, Apps: 100, Servers: 100, Variants: 1,
			Rules: 10, Method: "sum", Forward: true, CheckPoints: 2_000_000},
		{Name: "W6", About: "10 000 metrics, 10 rules, p99 into 100 outputs", Tails: 10, Apps: 10, Servers: 100, Variants: 10,
			Rules: 10, Method: "p99", CheckPoints: 2_000_000},
	}
}

// Named is what is sent so that names can be looked for: a million metrics, each kept.
func Named() *Workload {
	return &Workload{Name: "find", Tails: 100, Apps: 100, Servers: 100, Variants: 1, Rules: 1, Method: "sum", Once: true,
		Store: true, Keep: 86_400, HTTP: true,
		Settings: map[string]string{"aggregation.max_outputs": "2_000_000"}}
}

// History is what is sent so that series can be drawn: 100 outputs of three metrics each.
func History() *Workload {
	return &Workload{Name: "render", Tails: 10, Apps: 10, Servers: 3, Variants: 1, Rules: 10, Method: "sum",
		Store: true, HTTP: true,
		// Longer than a day, so that it does not end while it is being asked for.
		Settings: map[string]string{"store.retention": `"2d"`}}
}

// Measured is for measurements that are sent over HTTP, and kept.
func Measured() *Workload {
	return &Workload{Name: "measurements", Tails: 1, Apps: 1, Servers: 1, Variants: 1, Rules: 1, Method: "sum", Store: true, HTTP: true,
		Settings: map[string]string{"measurements.period": `"10s"`}}
}

// Metrics is the number of distinct metric names.
func (w *Workload) Metrics() int { return w.Tails * w.Apps * w.Servers }

// Lines is the number of distinct lines: each metric with each of its values.
func (w *Workload) Lines() int { return w.Metrics() * w.Variants }

// Outputs is the number of distinct outputs that the rules make.
func (w *Workload) Outputs() int {
	if w.Forward {
		return 0
	}
	return w.Tails * w.Apps
}

// Sinks is the number of destinations that the measured system writes to.
func (w *Workload) Sinks() int { return max(1, w.Destinations) }

// Instance is what the i-th of several destinations, from 0, is called in a hash ring.
func Instance(i int) string { return string(rune('a' + i)) }

// Metric returns the number of the metric that line i carries. Neighbouring
// lines carry different tails, and so meet different rules.
func (w *Workload) Metric(i int) int { return i % w.Metrics() }

// Output returns the number of the output that line i feeds.
func (w *Workload) Output(i int) int { return w.Metric(i) % (w.Tails * w.Apps) }

// AppendMetric appends the name of metric m to dst.
func (w *Workload) AppendMetric(dst []byte, m int) []byte {
	dst = append(dst, "prod.applications.app"...)
	dst = appendNumber(dst, m/w.Tails%w.Apps)
	dst = append(dst, ".server"...)
	dst = appendNumber(dst, m/w.Tails/w.Apps)
	dst = append(dst, '.')
	return appendTail(dst, "requests", m%w.Tails)
}

// AppendOutput appends the name of output o to dst.
func (w *Workload) AppendOutput(dst []byte, o int) []byte {
	dst = append(dst, "aggregates.prod.app.app"...)
	dst = appendNumber(dst, o/w.Tails)
	dst = append(dst, ".all."...)
	return appendTail(dst, "requests", o%w.Tails)
}

// NameBytes is the total length of the names of the first n metrics.
func (w *Workload) NameBytes(n int) int64 {
	var total int64
	var buf []byte
	for m := range min(n, w.Metrics()) {
		buf = w.AppendMetric(buf[:0], m)
		total += int64(len(buf))
	}
	return total
}

// Value returns the value of line i: a multiple of 1/4, so that sums in float64
// are exact in any order. Values of p99 loads fall off exponentially, so that
// neighbouring percentiles are clearly apart; the others are spread evenly
// over (0, 1000].
func (w *Workload) Value(i int) float64 {
	u := uniform(i)
	if w.Method == "p99" {
		return math.Ceil(-math.Log(u)*400) / 4
	}
	return math.Ceil(u*4000) / 4
}

// A Rule is one aggregation rule, free of any system's syntax. It means
//
//	aggregates.<env>.app.<app>.all.TAIL = METHOD <env>.applications.<app>.*.TAIL
type Rule struct {
	Method string
	Tail   string
}

// RuleSet returns the rules to configure, with the given method in all of them.
func (w *Workload) RuleSet(method string) []Rule {
	stem := "requests"
	if w.Forward {
		stem = "latency" // which no metric sent has
	}
	rules := make([]Rule, w.Rules)
	for i := range rules {
		rules[i] = Rule{Method: method, Tail: string(appendTail(nil, stem, i))}
	}
	return rules
}

// APIRule returns the i-th of the rules made over HTTP. It has the shape of a metric,
// and is told from those that are sent by its last node alone.
func APIRule(i int) (pattern, output string) {
	tail := string(appendTail(nil, "latency", i))
	return "<env>.applications.<app>.*." + tail, "aggregates.<env>.api.<app>.all." + tail
}

func appendTail(dst []byte, stem string, n int) []byte {
	dst = append(dst, stem...)
	dst = appendNumber(dst, n)
	return append(dst, ".count"...)
}

// appendNumber appends n in at least three digits.
func appendNumber(dst []byte, n int) []byte {
	for limit := 100; limit > max(n, 1) && limit > 1; limit /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

// uniform maps i to a number in (0, 1] that looks random (splitmix64).
func uniform(i int) float64 {
	h := (uint64(i) + 1) * 0x9E3779B97F4A7C15
	h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
	h = (h ^ h>>27) * 0x94D049BB133111EB
	h ^= h >> 31
	return float64(h>>11+1) / (1 << 53)
}
