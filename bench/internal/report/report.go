// Package report turns measured runs into Markdown tables.
package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/check"
)

// A Run is what one run measured.
type Run struct {
	Points    int64
	Metrics   int           // distinct metrics sent
	NameBytes int64         // the length of all their names together
	CPU       time.Duration // user and system, from the first byte until the last output has arrived
	Input     time.Duration // from the first byte until every connection is read to its end
	Idle      int64         // resident bytes before the first byte
	After     int64         // resident bytes when the last output has arrived
	Peak      int64         // the most resident bytes at any time
	Harness   time.Duration // CPU of generator and sink during the input
	Resent    int64         // outputs that were delivered again
	Verdict   check.Verdict
	Spool     *Spool // nil unless the datapoints were spooled
	Kept      *Kept  // nil unless cells were kept
}

// NsPerPoint is the CPU time in nanoseconds for each datapoint.
func (r Run) NsPerPoint() float64 { return float64(r.CPU) / float64(r.Points) }

// perMetric is the resident memory that a metric takes beyond its name, in bytes.
func (r Run) perMetric() float64 {
	return float64(r.After-r.Idle-r.NameBytes) / float64(r.Metrics)
}

// A Row is a system under a workload.
type Row struct {
	Workload string
	System   string
	Rate     float64 // datapoints per second it was sent; 0: as many as it took
	Runs     []Run
}

// ns is the median CPU time for each datapoint; NaN without runs.
func (r *Row) ns() float64 { return spread(r.Runs, Run.NsPerPoint).median }

// A summary of some numbers.
type summary struct{ median, min, max float64 }

// spread summarises f over the runs; all is NaN if there are none.
func spread[R any](runs []R, f func(R) float64) summary {
	var x []float64
	for _, r := range runs {
		x = append(x, f(r))
	}
	return summarise(x)
}

func summarise(x []float64) summary {
	if len(x) == 0 {
		return summary{math.NaN(), math.NaN(), math.NaN()}
	}
	x = slices.Sorted(slices.Values(x))
	mid := len(x) / 2
	median := x[mid]
	if len(x)%2 == 0 {
		median = (x[mid-1] + x[mid]) / 2
	}
	return summary{median, x[0], x[len(x)-1]}
}

// Table writes one line for each row. The rows of a workload follow each other,
// and the last column compares them with the first of them.
func Table(w io.Writer, rows []*Row) {
	header(w, "load", "system", "runs", "points", "CPU s", "CPU ns/pt", "range", "kpts/s", "peak RSS MiB", "loss %", "exact buckets", "ratio")
	var first *Row
	for _, r := range rows {
		if first == nil || first.Workload != r.Workload {
			first = r
		}
		if len(r.Runs) == 0 {
			line(w, r.Workload, r.System, "0", "-", "-", "failed", "-", "-", "-", "-", "-", "-")
			continue
		}
		ns := spread(r.Runs, Run.NsPerPoint)
		line(w, r.Workload, r.System,
			fmt.Sprint(len(r.Runs)),
			fmt.Sprintf("%.0f", spread(r.Runs, func(r Run) float64 { return float64(r.Points) }).median),
			fmt.Sprintf("%.1f", spread(r.Runs, func(r Run) float64 { return r.CPU.Seconds() }).median),
			fmt.Sprintf("%.0f", ns.median),
			fmt.Sprintf("%.0f–%.0f", ns.min, ns.max),
			r.speed(),
			fmt.Sprintf("%.0f", spread(r.Runs, func(r Run) float64 { return mib(r.Peak) }).median),
			r.loss(),
			r.exact(),
			r.ratio(first))
	}
}

func (r *Row) speed() string {
	if r.Rate > 0 {
		return "paced"
	}
	return number(spread(r.Runs, func(r Run) float64 { return float64(r.Points) / r.Input.Seconds() / 1000 }).median)
}

// loss is that of the worst run. What is not zero does not look like zero.
func (r *Row) loss() string {
	var worst float64
	for _, run := range r.Runs {
		if math.Abs(run.Verdict.Loss) > math.Abs(worst) {
			worst = run.Verdict.Loss
		}
	}
	switch {
	case worst == 0:
		return "0"
	case math.Abs(worst) < 0.00001:
		return fmt.Sprintf("%.0e", 100*worst)
	default:
		return fmt.Sprintf("%.3f", 100*worst)
	}
}

func (r *Row) exact() string {
	exact, buckets := 0, 0
	for _, run := range r.Runs {
		exact, buckets = exact+run.Verdict.Exact, buckets+run.Verdict.Buckets
	}
	if buckets == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", exact, buckets)
}

func (r *Row) ratio(first *Row) string {
	if r == first {
		return "1"
	}
	if math.IsNaN(first.ns()) {
		return "-"
	}
	return number(r.ns() / first.ns())
}

// WithManyMetrics returns those rows in which a metric's share of the memory can
// be told; below that it drowns in what varies anyway.
func WithManyMetrics(rows []*Row) (many []*Row) {
	for _, r := range rows {
		if len(r.Runs) > 0 && r.Runs[0].Metrics >= 500_000 {
			many = append(many, r)
		}
	}
	return many
}

// Memory writes one line for each row. Rows must have runs.
func Memory(w io.Writer, rows []*Row) {
	header(w, "load", "system", "metrics", "idle MiB", "after MiB", "peak MiB", "bytes per metric beyond its name", "range")
	for _, r := range rows {
		per := spread(r.Runs, Run.perMetric)
		median := func(f func(Run) int64) string {
			return fmt.Sprintf("%.0f", spread(r.Runs, func(r Run) float64 { return mib(f(r)) }).median)
		}
		line(w, r.Workload, r.System,
			fmt.Sprint(r.Runs[0].Metrics),
			median(func(r Run) int64 { return r.Idle }),
			median(func(r Run) int64 { return r.After }),
			median(func(r Run) int64 { return r.Peak }),
			fmt.Sprintf("%.0f", per.median),
			fmt.Sprintf("%.0f–%.0f", per.min, per.max))
	}
}

// A Comparison holds runs of two kinds in pairs, each one soon after the other.
type Comparison struct {
	What, Against string
	A, B          []Run // of equal length; B are those of What
}

// Pairs writes the ratio of each pair, what over against; below 1, what takes less.
func Pairs(w io.Writer, comparisons []Comparison) {
	header(w, "what", "against", "pairs", "CPU ratio", "range", "pair by pair", "peak RSS ratio", "range")
	for _, c := range comparisons {
		var cpu, memory []float64
		var each []string
		for i := range c.A {
			cpu = append(cpu, c.B[i].NsPerPoint()/c.A[i].NsPerPoint())
			memory = append(memory, float64(c.B[i].Peak)/float64(c.A[i].Peak))
			each = append(each, fmt.Sprintf("%.3f", cpu[i]))
		}
		x, m := summarise(cpu), summarise(memory)
		line(w, c.What, c.Against, fmt.Sprint(len(cpu)),
			fmt.Sprintf("%.3f", x.median), fmt.Sprintf("%.3f–%.3f", x.min, x.max), strings.Join(each, " "),
			fmt.Sprintf("%.3f", m.median), fmt.Sprintf("%.3f–%.3f", m.min, m.max))
	}
}

// HarnessNs is the median CPU time of generator and sink for each datapoint.
func HarnessNs(runs []Run) float64 {
	return spread(runs, func(r Run) float64 { return float64(r.Harness) / float64(r.Points) }).median
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// number prints three digits of small numbers, and whole ones from 100 on.
func number(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.2f", x)
	}
}

// words are the columns that are not set flush right.
var words = []string{"measurements", "load", "store", "system", "what", "against", "pair by pair", "question", "answer"}

// header writes the names of the columns.
func header(w io.Writer, columns ...string) {
	line(w, columns...)
	rule := make([]string, len(columns))
	for i, c := range columns {
		rule[i] = "--:"
		if slices.Contains(words, c) {
			rule[i] = "---"
		}
	}
	fmt.Fprintf(w, "|%s|\n", strings.Join(rule, "|"))
}

func line(w io.Writer, cells ...string) {
	fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
}
