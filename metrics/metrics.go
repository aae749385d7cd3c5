// Package metrics shows the daemon's own numbers.
//
// Each number is defined once, in the tables of names.go, with its name for
// Prometheus and, where it has one, its name as a Graphite series. A
// [Collector] answers scrapes, a [Reporter] sends the series; both read the
// numbers when they need them, so that counting costs nothing more than the
// counters that each part of the daemon keeps anyway.
package metrics

import (
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/measurements"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/ingest"
	"github.com/coalesce-metrics/coalesce/upstream"
)

// Sources is where the numbers come from. The functions are called for each
// scrape and each report, possibly at the same time; a nil one leaves its
// numbers out.
type Sources struct {
	Aggregator func() aggregator.Stats
	// Rules returns the rules in file order.
	Rules    func() []aggregator.RuleStats
	Ingest   func() []ingest.Stats
	Upstream func() []upstream.DestinationStats
	// Unrouted returns the rows that no route took, by kind.
	Unrouted func() [upstream.NumKinds]int64
	// Names is like Reload, for the files of names.
	Names  func() ReloadStatus
	Reload func() ReloadStatus
	HTTP   func() api.Stats
	// Archive is nil where nothing is kept.
	Archive func() archive.Stats
	Catalog func() Names
	Collect func() []Collected
	Views   func() Views
	// Measurements is nil where there is no HTTP.
	Measurements func() measurements.Stats
	Limits       Limits
	Build        Build
}

// ReloadStatus is how loading the rules went.
type ReloadStatus struct {
	// OK says that the rules in force are those of the last attempt.
	OK bool
	// LastSuccess is when rules were last put in force.
	LastSuccess time.Time
	// Reloads counts the attempts that put other rules in force, Failures those
	// that left the rules as they were because of an error.
	Reloads, Failures uint64
}

// Limits are the bounds in force, to be shown beside what is used of them.
type Limits struct {
	Series, Outputs, Buckets int
	// MeasuredMetrics bounds the metrics that measurements are sent for.
	MeasuredMetrics int
	// Queues are those of the destinations.
	Queues []QueueLimit
	// Connections bounds those of each listener, in the order of Ingest; 0 is
	// no bound.
	Connections []int
}

// QueueLimit is what may wait for one destination.
type QueueLimit struct {
	Destination string
	Rows, Bytes int64
}

// Build says which program runs.
type Build struct {
	Version, Revision string
}

// snapshot is one reading of all sources, so that sums hold within it.
type snapshot struct {
	*Sources
	agg     aggregator.Stats
	rules   []aggregator.RuleStats // at most maxRules
	omitted int                    // rules beyond that
	ingest  []ingest.Stats
	dests   []upstream.DestinationStats
	reload  ReloadStatus
	http    api.Stats

	archive   archive.Stats
	catalog   Names
	collected []Collected
	views     Views

	measurements measurements.Stats
}

// maxRules bounds the rules that are shown one by one. A scrape of more would
// take longer than the time between two of them.
const maxRules = 10_000

func (src *Sources) read() *snapshot {
	s := &snapshot{Sources: src}
	if src.Aggregator != nil {
		s.agg = src.Aggregator()
	}
	if src.Rules != nil {
		s.rules = mergeRules(src.Rules())
		s.omitted = max(0, len(s.rules)-maxRules)
		s.rules = s.rules[:len(s.rules)-s.omitted]
	}
	if src.Ingest != nil {
		s.ingest = src.Ingest()
	}
	if src.Upstream != nil {
		s.dests = src.Upstream()
	}
	if src.Reload != nil {
		s.reload = src.Reload()
	}
	if src.HTTP != nil {
		s.http = src.HTTP()
	}
	if src.Archive != nil {
		s.archive = src.Archive()
	}
	if src.Catalog != nil {
		s.catalog = src.Catalog()
	}
	if src.Collect != nil {
		s.collected = src.Collect()
	}
	if src.Views != nil {
		s.views = src.Views()
	}
	if src.Measurements != nil {
		s.measurements = src.Measurements()
	}
	return s
}
