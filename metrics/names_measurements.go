package metrics

import "github.com/coalesce-metrics/coalesce/api/measurements"

// measurement reads one number of the measurements that come over HTTP.
func measurement[N uint64 | int](value func(m *measurements.Stats) N) func(*snapshot, sample) {
	return func(s *snapshot, emit sample) {
		if s.Measurements != nil {
			emit(float64(value(&s.measurements)))
		}
	}
}

// limit shows a bound of measurements.
func limit(value func(l *Limits) int) func(*snapshot, sample) {
	return func(s *snapshot, emit sample) {
		if s.Measurements != nil {
			emit(float64(value(&s.Limits)))
		}
	}
}

var measurementFamilies = []family{{
	name: "measurement_requests_total", kind: counter, series: as("measurementRequests"),
	help: "Requests that send measurements.",
	read: measurement(func(m *measurements.Stats) uint64 { return m.Requests }),
}, {
	name: "measurement_requests_malformed_total", kind: counter,
	help: "Requests that cannot be read; what is in them is in no other number.",
	read: measurement(func(m *measurements.Stats) uint64 { return m.Malformed }),
}, {
	name: "measurements_received_total", kind: counter, series: as("measurements"),
	help: "Measurements in requests that can be read: the sum of accepted and refused ones.",
	read: measurement(func(m *measurements.Stats) uint64 {
		n := m.Accepted
		for _, refused := range m.Refused {
			n += refused
		}
		return n
	}),
}, {
	name: "measurements_accepted_total", kind: counter,
	help: "Measurements handed to the aggregator, where one of count n is n datapoints.",
	read: measurement(func(m *measurements.Stats) uint64 { return m.Accepted }),
}, {
	name: "measurements_refused_total", kind: counter, labels: []string{"reason"}, series: func([]string) string { return "measurementsRefused" },
	help: "Measurements of requests that were refused as a whole, by reason.",
	read: func(s *snapshot, emit sample) {
		if s.Measurements == nil {
			return
		}
		for r, n := range s.measurements.Refused {
			emit(float64(n), measurements.Reason(r).String())
		}
	},
}, {
	name: "measurement_metrics", kind: gauge,
	help: "Metrics that measurements were sent for, or that were made over HTTP.",
	read: measurement(func(m *measurements.Stats) int { return m.Metrics }),
}, {
	name: "measurement_metrics_limit", kind: gauge,
	help: "How many of them there can be (measurements.metrics).",
	read: limit(func(l *Limits) int { return l.MeasuredMetrics }),
}, {
	name: "measurement_tag_sets", kind: gauge,
	help: "Combinations of metric and tags that measurements came for in this hour.",
	read: measurement(func(m *measurements.Stats) int { return m.Series }),
}, {
	name: "measurement_tag_sets_limit_reached_total", kind: counter,
	help: "Requests refused because a metric, or all, had too many of them (measurements.tag_sets, aggregation.max_outputs).",
	read: measurement(func(m *measurements.Stats) uint64 { return m.Limited }),
}}
