package check

import (
	"fmt"
	"maps"
	"slices"

	"github.com/coalesce-metrics/coalesce/bench/internal/sink"
	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

// percentileTolerance is the relative error allowed for a percentile.
const percentileTolerance = 0.01

// A Verdict is the outcome of a comparison.
type Verdict struct {
	Exact   int     // buckets in which every output is right
	Buckets int     // buckets sent into; 0 if all is forwarded
	Loss    float64 // share missing of the value sum, the count, the (output, bucket) pairs or the lines; negative if there is too much
	Total   float64 // sum of all values delivered, or the lines forwarded
	Problem string  // the first thing that is wrong; empty if nothing is
}

// OK reports whether everything was delivered, once, and nothing else was.
func (v Verdict) OK() bool { return v.Problem == "" }

// Mode is the mode in which a sink receives what Judge needs.
func Mode(forward bool, method string) sink.Mode {
	switch {
	case !forward:
		return sink.Aggregates
	case method == "count":
		return sink.Tally
	default:
		return sink.Count
	}
}

// Lines is the number of lines that a sink has at least when all was delivered.
func (e *Expected) Lines() int64 {
	if e.buckets == nil {
		return e.Points
	}
	return e.pairs()
}

// Judge compares the states of a sink, one for each destination, with the expectation.
func (e *Expected) Judge(states []sink.State) Verdict {
	var v Verdict
	if e.buckets == nil {
		v = e.judgeForwarded(states)
	} else {
		v = e.judgeAggregates(&states[0])
	}
	for i := range states {
		if st := &states[i]; st.Bad > 0 { // which may well be why more is wrong
			v.Problem = fmt.Sprintf("%d bad lines, first: %s; %s", st.Bad, st.FirstBad, v.Problem)
		}
	}
	return v
}

// wrong notes a problem, unless there is one already.
func (v *Verdict) wrong(format string, args ...any) {
	if v.Problem == "" {
		v.Problem = fmt.Sprintf(format, args...)
	}
}

func (e *Expected) judgeForwarded(states []sink.State) (v Verdict) {
	var lines int64
	for i := range states {
		lines += states[i].Lines
	}
	v.Total, v.Loss = float64(lines), 1-float64(lines)/float64(max(e.Points, 1))
	if lines != e.Points {
		v.wrong("%d lines forwarded, want %d", lines, e.Points)
	}
	for i := range states {
		if got := states[i].Lines; got != e.lines[i] {
			v.wrong("%d lines forwarded to destination %s, want %d", got, workload.Instance(i), e.lines[i])
		}
	}
	if Mode(true, e.method) == sink.Count {
		return v
	}
	known := make([]int, len(states))
	for m, c := range e.metrics {
		name := string(e.w.AppendMetric(nil, m))
		got, ok := states[e.owners[m]].Totals[name]
		if ok {
			known[e.owners[m]]++
		}
		if got.Lines != c.count || got.Sum != c.sum {
			v.wrong("%s: %d lines with a sum of %v forwarded, want %d with %v", name, got.Lines, got.Sum, c.count, c.sum)
		}
	}
	for i := range states {
		if n := len(states[i].Totals); n != known[i] {
			v.wrong("%d metrics forwarded to destination %s that are not for it", n-known[i], workload.Instance(i))
		}
	}
	return v
}

func (e *Expected) judgeAggregates(st *sink.State) Verdict {
	v := Verdict{Buckets: len(e.buckets)}
	names := make([]string, e.w.Outputs())
	for o := range names {
		names[o] = string(e.w.AppendOutput(nil, o))
	}
	var want, got float64
	for _, bucket := range slices.Sorted(maps.Keys(e.buckets)) {
		b := e.judgeBucket(names, bucket, st.Values[bucket])
		want, got = want+b.want, got+b.got
		if b.problem == "" {
			v.Exact++
		} else {
			v.wrong("bucket %d: %s", bucket, b.problem)
		}
	}
	for bucket, values := range st.Values {
		for name, x := range values {
			v.Total += x
			if e.buckets[bucket] == nil {
				v.wrong("%s %v %d: nothing was sent into this bucket", name, x, bucket)
			}
		}
	}
	if want > 0 {
		v.Loss = 1 - got/want
	}
	return v
}

// A bucketVerdict compares one bucket; want and got are in the unit of Verdict.Loss.
type bucketVerdict struct {
	want, got float64
	problem   string
}

func (e *Expected) judgeBucket(names []string, bucket int64, values map[string]float64) (b bucketVerdict) {
	known := 0
	for o, c := range e.buckets[bucket] {
		got, ok := values[names[o]]
		if ok {
			known++
		}
		if c.count == 0 {
			if ok && b.problem == "" {
				b.problem = fmt.Sprintf("%s is %v, but nothing was sent to it", names[o], got)
			}
			continue
		}
		low, high := c.bounds(e.method)
		if e.method == "p99" {
			b.want++
			if ok {
				b.got++
			}
		} else {
			b.want += low
			b.got += got
		}
		if b.problem != "" || ok && low <= got && got <= high {
			continue
		}
		b.problem = fmt.Sprintf("%s is missing", names[o])
		if ok {
			b.problem = fmt.Sprintf("%s is %v, want %v", names[o], got, low)
			if low != high {
				b.problem += fmt.Sprintf(" to %v", high)
			}
		}
	}
	if known != len(values) && b.problem == "" {
		b.problem = fmt.Sprintf("%d outputs that no rule makes", len(values)-known)
	}
	return b
}

// bounds returns the least and the greatest right value of an output.
func (c *tally) bounds(method string) (low, high float64) {
	switch method {
	case "count":
		return float64(c.count), float64(c.count)
	case "p99":
		return c.low * (1 - percentileTolerance), c.high * (1 + percentileTolerance)
	default:
		return c.sum, c.sum
	}
}
