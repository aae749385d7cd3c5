// Package check compares what a system delivered with what it was sent.
package check

import (
	"cmp"
	"slices"

	"github.com/coalesce-metrics/coalesce/bench/internal/load"
	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
	"github.com/coalesce-metrics/coalesce/route"
)

// Expected is what a system has to deliver.
type Expected struct {
	Points int64 // datapoints sent

	w       *workload.Workload
	method  string
	buckets map[int64][]tally // by bucket, then output; nil if all is forwarded
	metrics []tally           // by metric, if all is forwarded
	owners  []int             // likewise; the destination that each metric goes to
	lines   []int64           // by destination, if all is forwarded
}

// A tally is what one output takes in during one bucket, or what is sent of one metric.
type tally struct {
	count     int64
	sum       float64
	low, high float64 // between which a p99 lies
	values    []weighted
}

type weighted struct {
	value float64
	times int64
}

// Expect computes what must follow from the datapoints sent, if the rules have
// the given method. Values are multiples of 1/4 and their sums far below 2^50,
// so that everything here is exact.
func Expect(w *workload.Workload, method string, sent *load.Sent) *Expected {
	e := &Expected{Points: sent.Points, w: w, method: method}
	if w.Forward {
		e.metrics = make([]tally, w.Metrics())
		e.owners, e.lines = owners(w), make([]int64, w.Sinks())
		sent.EachLine(func(_ int64, i int, times int64) {
			m := w.Metric(i)
			e.metrics[m].add(w.Value(i), times)
			e.lines[e.owners[m]] += times
		})
		return e
	}
	e.buckets = map[int64][]tally{}
	sent.EachLine(func(bucket int64, i int, times int64) {
		cells := e.buckets[bucket]
		if cells == nil {
			cells = make([]tally, w.Outputs())
			e.buckets[bucket] = cells
		}
		c := &cells[w.Output(i)]
		c.add(w.Value(i), times)
		if method == "p99" {
			c.values = append(c.values, weighted{w.Value(i), times})
		}
	})
	for _, cells := range e.buckets {
		for i := range cells {
			cells[i].rank()
		}
	}
	return e
}

// owners returns the destination of each metric in carbon's hash ring.
func owners(w *workload.Workload) []int {
	all := make([]int, w.Metrics())
	if w.Sinks() == 1 {
		return all
	}
	// The ring knows its nodes by host and instance; ports are no part of it.
	c := route.RingConfig{ReplicationFactor: 1}
	for i := range w.Sinks() {
		c.Nodes = append(c.Nodes, route.Node{Host: "127.0.0.1", Instance: workload.Instance(i), HasInstance: true})
	}
	ring, err := route.NewRing(c)
	if err != nil {
		panic("BUG: ring of the workload: " + err.Error())
	}
	var name []byte
	var owner [1]int
	for m := range all {
		name = w.AppendMetric(name[:0], m)
		all[m] = ring.Get(owner[:0], name)[0]
	}
	return all
}

func (c *tally) add(value float64, times int64) {
	c.count += times
	c.sum += value * float64(times)
}

// rank finds the two neighbouring values between which every common definition
// of the 99th percentile puts it: nearest rank, and interpolation at .99(n-1).
func (c *tally) rank() {
	if len(c.values) == 0 {
		return
	}
	slices.SortFunc(c.values, func(a, b weighted) int { return cmp.Compare(a.value, b.value) })
	c.low = c.at(99 * (c.count - 1) / 100)
	c.high = c.at(min(99*c.count/100, c.count-1))
	c.values = nil
}

// at returns the value that has n others before it.
func (c *tally) at(n int64) float64 {
	for _, v := range c.values {
		if n < v.times {
			return v.value
		}
		n -= v.times
	}
	panic("BUG: rank beyond the number of values")
}

// pairs is the number of (output, bucket) pairs that must be delivered.
func (e *Expected) pairs() (n int64) {
	for _, cells := range e.buckets {
		for i := range cells {
			if cells[i].count > 0 {
				n++
			}
		}
	}
	return n
}
