package metrics

import (
	"strconv"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/rulebook"
	"github.com/coalesce-metrics/coalesce/upstream"
)

// madeOverHTTP stands for what those who made rules over HTTP called their outputs.
const madeOverHTTP = "made over HTTP"

// mergeRules adds up the rules that go by one name, because they stand in no file.
// Those made over HTTP go by one: a key sees no other's rules, and there may be
// thousands of them.
func mergeRules(all []aggregator.RuleStats) []aggregator.RuleStats {
	type name struct{ file, output string }
	at := make(map[name]int)
	merged := all[:0]
	for _, r := range all {
		if r.File == rulebook.File {
			r.Output = madeOverHTTP
		}
		n := name{r.File, r.Output}
		i, known := at[n]
		switch {
		case r.Line > 0:
			merged = append(merged, r)
			continue
		case !known:
			at[n] = len(merged)
			merged = append(merged, r)
			continue
		}
		m := &merged[i]
		m.Matched += r.Matched
		m.Dropped += r.Dropped
		m.Outputs += r.Outputs
		m.Closed += r.Closed
		m.Late += r.Late
		m.Amended += r.Amended
	}
	return merged
}

func eachRule[T uint64 | int](value func(r *aggregator.RuleStats) T) func(*snapshot, sample) {
	return func(s *snapshot, emit sample) {
		for i := range s.rules {
			r := &s.rules[i]
			emit(float64(value(r)), r.Output, r.File, strconv.Itoa(r.Line))
		}
	}
}

var ruleFamilies = []family{{
	name: "rule_datapoints_matched_total", kind: counter, labels: ruleLabels,
	help: "Datapoints that the rule matches; those of an open bucket are counted when it closes, those dropped under outputs_full not at all.",
	read: eachRule(func(r *aggregator.RuleStats) uint64 { return r.Matched }),
}, {
	name: "rule_datapoints_dropped_total", kind: counter, labels: ruleLabels,
	help: "Datapoints that the rule matches and that are not in its aggregate, those dropped under outputs_full aside.",
	read: eachRule(func(r *aggregator.RuleStats) uint64 { return r.Dropped }),
}, {
	name: "rule_datapoints_late_total", kind: counter, labels: ruleLabels,
	help: "Datapoints of the rule that came after their bucket had been emitted.",
	read: eachRule(func(r *aggregator.RuleStats) uint64 { return r.Late }),
}, {
	name: "rule_outputs", kind: gauge, labels: ruleLabels,
	help: "Outputs that the rule feeds.",
	read: eachRule(func(r *aggregator.RuleStats) int { return r.Outputs }),
}, {
	name: "rule_buckets_closed_total", kind: counter, labels: ruleLabels,
	help: "Buckets of the rule emitted for the first time.",
	read: eachRule(func(r *aggregator.RuleStats) uint64 { return r.Closed }),
}, {
	name: "rule_buckets_amended_total", kind: counter, labels: ruleLabels,
	help: "Buckets of the rule emitted again with late datapoints.",
	read: eachRule(func(r *aggregator.RuleStats) uint64 { return r.Amended }),
}, {
	name: "rules_omitted", kind: gauge,
	help: "Rules that are in force and not shown one by one, because there are too many.",
	read: func(s *snapshot, emit sample) { emit(float64(s.omitted)) },
}}

func ofReload(value func(r *ReloadStatus) float64) func(*snapshot, sample) {
	return func(s *snapshot, emit sample) {
		if s.Reload != nil {
			emit(value(&s.reload))
		}
	}
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1e3
}

var reloadFamilies = []family{{
	name: "names_last_reload_successful", kind: gauge, series: as("namesReloadOK"),
	help: "1 if the files of [names] in force are those of the last attempt to load them, else 0.",
	read: func(s *snapshot, emit sample) {
		if s.Names != nil {
			emit(flag[float64](s.Names().OK))
		}
	},
}, {
	name: "rules_loaded", kind: gauge, series: as("rules"),
	help: "Rules in force.",
	read: total(func(a *aggregator.Stats) int { return a.Rules }),
}, {
	name: "rules_version", kind: gauge,
	help: "How often rules have been put in force since the start, the start included.",
	read: total(func(a *aggregator.Stats) int { return int(a.Version) }),
}, {
	name: "rules_last_reload_successful", kind: gauge, series: as("reloadOK"),
	help: "1 if the rules in force are those of the last attempt to load them, else 0.",
	read: ofReload(func(r *ReloadStatus) float64 { return flag[float64](r.OK) }),
}, {
	name: "rules_last_reload_success_timestamp_seconds", kind: gauge,
	help: "When rules were last put in force, in Unix time; 0 is never.",
	read: ofReload(func(r *ReloadStatus) float64 { return unix(r.LastSuccess) }),
}, {
	name: "rules_reloads_total", kind: counter, series: as("reloads"),
	help: "Reloads that put other rules in force.",
	read: ofReload(func(r *ReloadStatus) float64 { return float64(r.Reloads) }),
}, {
	name: "rules_reload_failures_total", kind: counter, series: as("reloadFailures"),
	help: "Reloads that left the rules as they were because of an error, which is in the log.",
	read: ofReload(func(r *ReloadStatus) float64 { return float64(r.Failures) }),
}}

// The series of drops at a destination; carbon has a name for the first.
func destinationDrops(labels []string) string {
	if labels[1] == upstream.QueueFull.String() {
		return perDestination("fullQueueDrops")(labels)
	}
	return perDestination(byReason(labels) + "Drops")(labels)
}

func eachQueue(value func(q *QueueLimit) int64) func(*snapshot, sample) {
	return func(s *snapshot, emit sample) {
		for i := range s.Limits.Queues {
			q := &s.Limits.Queues[i]
			emit(float64(value(q)), q.Destination)
		}
	}
}

var destinationFamilies = []family{{
	name: "rows_unrouted_total", kind: counter, labels: []string{"kind"}, series: as("unrouted"),
	help: "Rows that no route took, and that so went nowhere.",
	read: func(s *snapshot, emit sample) {
		if s.Unrouted == nil {
			return
		}
		for k, n := range s.Unrouted() {
			emit(float64(n), upstream.Kind(k).String())
		}
	},
}, {
	name: "destination_rows_made_total", kind: counter, labels: with(destinationLabels, "kind"),
	series: perDestination("attemptedRelays"),
	help:   "Rows to be sent, by kind: with those found, the sum of those written, in flight, queued, spooled, moved and dropped.",
	read: func(s *snapshot, emit sample) {
		for i := range s.dests {
			for k, n := range s.dests[i].Made {
				emit(float64(n), s.dests[i].Name, upstream.Kind(k).String())
			}
		}
	},
}, {
	name: "destination_rows_written_total", kind: counter, labels: destinationLabels, series: perDestination("sent"),
	help: "Rows that the operating system took whole.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.Written }),
}, {
	name: "destination_rows_in_flight", kind: gauge, labels: destinationLabels,
	help: "Rows in the write under way.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.InFlight }),
}, {
	name: "destination_rows_queued", kind: gauge, labels: destinationLabels, series: perDestination("queued"),
	help: "Rows that wait.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.Queued }),
}, {
	name: "destination_rows_found_total", kind: counter, labels: destinationLabels,
	help: "Rows that an earlier run has left in the spool.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.Found }),
}, {
	name: "destination_rows_spooled", kind: gauge, labels: destinationLabels, series: perDestination("spooled"),
	help: "Rows that wait on the disk.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.Spooled }),
}, {
	name: "destination_rows_moved_total", kind: counter, labels: destinationLabels,
	help: "Rows that went over to another destination of a failover or round-robin route.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.Moved }),
}, {
	name: "destination_rows_resent_total", kind: counter, labels: destinationLabels, series: perDestination("resent"),
	help: "Rows written once more after a connection broke; no other number counts them.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.Resent }),
}, {
	name: "destination_blocking", kind: gauge, labels: destinationLabels,
	help: "1 while the inputs wait for the destination's queue (when_full = \"block\").",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return flag[int64](d.Blocking) }),
}, {
	name: "destination_spool_bytes", kind: gauge, labels: destinationLabels,
	help: "Bytes of the spool's files, rows that were sent included.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.SpoolBytes }),
}, {
	name: "destination_rows_dropped_total", kind: counter, labels: with(destinationLabels, "reason"),
	series: destinationDrops,
	help:   "Rows lost, by reason.",
	read: func(s *snapshot, emit sample) {
		for i := range s.dests {
			for r, n := range s.dests[i].Dropped {
				emit(float64(n), s.dests[i].Name, upstream.Reason(r).String())
			}
		}
	},
}, {
	name: "destination_queue_limit_rows", kind: gauge, labels: destinationLabels,
	help: "Rows that may wait for the destination (queue_datapoints, or queue.datapoints).",
	read: eachQueue(func(q *QueueLimit) int64 { return q.Rows }),
}, {
	name: "destination_queue_bytes", kind: gauge, labels: destinationLabels,
	help: "Bytes of the rows that wait.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.QueuedBytes }),
}, {
	name: "destination_queue_limit_bytes", kind: gauge, labels: destinationLabels,
	help: "Bytes of rows that may wait for the destination (queue_bytes, or queue.bytes).",
	read: eachQueue(func(q *QueueLimit) int64 { return q.Bytes }),
}, {
	name: "destination_written_bytes_total", kind: counter, labels: destinationLabels,
	help: "Bytes that the operating system took, rows cut short included.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.BytesWritten }),
}, {
	name: "destination_connected", kind: gauge, labels: destinationLabels, series: perDestination("connected"),
	help: "1 while there is a connection, else 0.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return flag[int64](d.Connected) }),
}, {
	name: "destination_connects_total", kind: counter, labels: destinationLabels,
	help: "Connections made.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.Connects }),
}, {
	name: "destination_connect_errors_total", kind: counter, labels: destinationLabels,
	help: "Attempts to connect that failed.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.ConnectErrors }),
}, {
	name: "destination_write_errors_total", kind: counter, labels: destinationLabels,
	help: "Connections that ended in a failed write.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.WriteErrors }),
}, {
	name: "destination_peer_closes_total", kind: counter, labels: destinationLabels,
	help: "Connections that the other side closed.",
	read: eachDestination(func(d *upstream.DestinationStats) int64 { return d.PeerCloses }),
}}

var httpFamilies = []family{{
	name: "http_requests_total", kind: counter, labels: []string{"code"},
	help: "HTTP requests, by class of status code; none is those that were broken off before the end of the answer.",
	read: func(s *snapshot, emit sample) {
		if s.HTTP == nil {
			return
		}
		for i, n := range s.http.Requests {
			emit(float64(n), strconv.Itoa(i+1)+"xx")
		}
		emit(float64(s.http.Broken), "none")
	},
}, {
	name: "http_requests_refused_total", kind: counter, labels: []string{"reason"}, series: as("httpRefused"),
	help: "HTTP requests that were not admitted, by reason; http_requests_total counts them as well.",
	read: func(s *snapshot, emit sample) {
		if s.HTTP == nil {
			return
		}
		for r, n := range s.http.Refused {
			emit(float64(n), api.Refusal(r).String())
		}
	},
}, {
	name: "http_requests_in_flight", kind: gauge,
	help: "HTTP requests being answered.",
	read: func(s *snapshot, emit sample) {
		if s.HTTP != nil {
			emit(float64(s.http.InFlight))
		}
	},
}, {
	name: "http_panics_total", kind: counter, series: as("httpPanics"),
	help: "HTTP requests that failed because of a mistake in the program, which is in the log.",
	read: func(s *snapshot, emit sample) {
		if s.HTTP != nil {
			emit(float64(s.http.Panics))
		}
	},
}}
