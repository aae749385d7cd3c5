package metrics

import (
	"runtime"
	"slices"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/ingest"
	"github.com/coalesce-metrics/coalesce/naming"
)

// families are all numbers of the daemon. Carbon's names of Graphite series:
// metricsReceived, activeConnections, aggregateDatapointsSent,
// allocatedBuffers, and of destinations sent, attemptedRelays and
// fullQueueDrops; those of the process are in reporter.go.
var families = slices.Concat(buildFamilies, listenerFamilies, datapointFamilies, bucketFamilies, ruleFamilies,
	reloadFamilies, cellFamilies, viewFamilies, destinationFamilies, httpFamilies, measurementFamilies)

var buildFamilies = []family{{
	name: "build_info", kind: gauge, labels: []string{"version", "revision", "goversion"},
	help: "Always 1; the labels say which program runs.",
	read: func(s *snapshot, emit sample) { emit(1, s.Build.Version, s.Build.Revision, runtime.Version()) },
}}

var listenerFamilies = []family{{
	name: "listener_info", kind: gauge, labels: append(with(listenerLabels, "transport"), "address"),
	help: "Always 1; the labels say where each listener is bound.",
	read: func(s *snapshot, emit sample) {
		for i := range s.ingest {
			l := &s.ingest[i]
			emit(1, l.Name, l.Protocol, l.Transport, l.Address)
		}
	},
}, {
	name: "received_items_total", kind: counter, labels: listenerLabels,
	help: "Items (lines, datapoints of frames) received, blank lines aside: the sum of accepted and refused ones.",
	read: eachSource(func(l *ingest.Stats) uint64 { return l.Received() }, func(c *Collected) uint64 { return c.Accepted + c.Refused }),
}, {
	name: "accepted_items_total", kind: counter, labels: listenerLabels,
	help: "Items that are datapoints, handed to the aggregator.",
	read: eachSource(func(l *ingest.Stats) uint64 { return l.Accepted }, func(c *Collected) uint64 { return c.Accepted }),
}, {
	name: "refused_items_total", kind: counter, labels: with(listenerLabels, "reason"), series: as("refused"),
	help: "Items that are no datapoints, by reason; samples of them are in the log.",
	read: func(s *snapshot, emit sample) {
		for i := range s.ingest {
			l := &s.ingest[i]
			for _, r := range l.Reasons() {
				emit(float64(l.Refused[r]), l.Name, l.Protocol, r.String())
			}
			emit(float64(l.Unfinished), l.Name, l.Protocol, "unfinished")
		}
		for _, c := range s.collected {
			emit(float64(c.Refused), c.Listener, c.Protocol, "request")
		}
	},
}, {
	name: "received_bytes_total", kind: counter, labels: listenerLabels,
	help: "Bytes received, as they came: compressed, encrypted.",
	read: eachListener(func(l *ingest.Stats) uint64 { return l.Bytes }),
}, {
	name: "received_datagrams_total", kind: counter, labels: listenerLabels,
	help: "UDP datagrams received.",
	read: eachPacket(func(l *ingest.Stats) uint64 { return l.Datagrams }),
}, {
	name: "kernel_dropped_datagrams_total", kind: counter, labels: listenerLabels, series: as("kernelDrops"),
	help: "UDP datagrams lost because the socket's buffer was full; raise limits.udp_buffer.",
	read: eachPacket(func(l *ingest.Stats) uint64 { return l.KernelDrops }),
}, {
	name: "read_errors_total", kind: counter, labels: listenerLabels,
	help: "Connections that broke, or reads from a UDP socket that failed.",
	read: eachListener(func(l *ingest.Stats) uint64 { return l.ReadErrors }),
}, {
	name: "not_allowed_total", kind: counter, labels: listenerLabels, series: as("notAllowed"),
	help: "Connections and datagrams from outside the networks of allow; nothing of them is in another number.",
	read: eachListener(func(l *ingest.Stats) uint64 { return l.NotAllowed }),
}, {
	name: "tls_handshake_errors_total", kind: counter, labels: listenerLabels,
	help: "Connections on which no TLS session came about.",
	read: eachTLS(func(l *ingest.Stats) uint64 { return l.HandshakeErrors }),
}, {
	name: "connections", kind: gauge, labels: listenerLabels, series: as("activeConnections"),
	help: "Connections open now.",
	read: eachStream(func(l *ingest.Stats) uint64 { return l.Connections }),
}, {
	name: "connections_limit", kind: gauge, labels: listenerLabels,
	help: "Connections that may be open at once (max_connections).",
	read: func(s *snapshot, emit sample) {
		for i := range s.ingest {
			l := &s.ingest[i]
			if i < len(s.Limits.Connections) && s.Limits.Connections[i] > 0 && l.Transport != "udp" {
				emit(float64(s.Limits.Connections[i]), l.Name, l.Protocol)
			}
		}
	},
}, {
	name: "connections_at_limit", kind: gauge, labels: listenerLabels,
	help: "1 while further clients must wait because max_connections are open.",
	read: eachStream(func(l *ingest.Stats) uint64 { return flag[uint64](l.AtLimit) }),
}, {
	name: "connections_limit_reached_total", kind: counter, labels: listenerLabels, series: as("connectionLimitReached"),
	help: "How often clients began to wait because max_connections were open.",
	read: eachStream(func(l *ingest.Stats) uint64 { return l.LimitReached }),
}, {
	name: "connections_opened_total", kind: counter, labels: listenerLabels,
	help: "Connections accepted.",
	read: eachStream(func(l *ingest.Stats) uint64 { return l.Connected }),
}, {
	name: "connections_closed_idle_total", kind: counter, labels: listenerLabels,
	help: "Connections closed by idle_timeout.",
	read: eachStream(func(l *ingest.Stats) uint64 { return l.IdleCloses }),
}, {
	name: "accept_errors_total", kind: counter, labels: listenerLabels,
	help: "Connections that could not be accepted, for example for want of file descriptors.",
	read: eachStream(func(l *ingest.Stats) uint64 { return l.AcceptErrors }),
}}

// Carbon has names for the two that lists make.
func filteredBy(labels []string) string {
	switch labels[0] {
	case naming.Denied.String():
		return "blacklistMatches"
	case naming.NotAllowed.String():
		return "whitelistRejects"
	}
	return byReason(labels)
}

var datapointFamilies = []family{{
	name: "datapoints_accepted_total", kind: counter, series: as("metricsReceived"),
	help: "Datapoints taken in: the sum of matched, unmatched and filtered ones.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Accepted }),
}, {
	name: "datapoints_matched_total", kind: counter, series: as("matched"),
	help: "Datapoints whose name matches at least one rule.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Matched }),
}, {
	name: "datapoints_unmatched_total", kind: counter, series: as("unmatched"),
	help: "Datapoints whose name matches no rule.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Unmatched }),
}, {
	name: "datapoints_filtered_total", kind: counter, series: as("filtered"),
	help: "Datapoints that a filter keeps out.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Filtered }),
}, {
	name: "datapoints_filtered_by_total", kind: counter, labels: []string{"reason"}, series: filteredBy,
	help: "Datapoints that a filter keeps out, by reason.",
	read: func(s *snapshot, emit sample) {
		if s.Aggregator == nil {
			return
		}
		for r, n := range s.agg.FilteredBy {
			if reason := naming.Reason(r); reason != naming.Kept {
				emit(float64(n), reason.String())
			}
		}
	},
}, {
	name: "names_with_bad_tags_total", kind: counter, series: as("badTags"),
	help: "Names whose tags could not be normalised and stay as received.",
	read: total(func(a *aggregator.Stats) uint64 { return a.BadTags }),
}, {
	name: "datapoints_forwarded_total", kind: counter, series: as("forwarded"),
	help: "Datapoints passed on as received.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Forwarded }),
}, {
	name: "datapoints_late_total", kind: counter, series: as("lateDatapoints"),
	help: "Contributions added after their bucket had been emitted, which amended it.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Late }),
}, {
	name: "contributions_total", kind: counter, series: as("contributions"),
	help: "Datapoints, once for each output that they reach: the sum of added and dropped ones.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Contributions }),
}, {
	name: "contributions_added_total", kind: counter, series: as("added"),
	help: "Contributions that are in their aggregate.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Added }),
}, {
	name: "contributions_replaced_total", kind: counter, series: as("replaced"),
	help: "Contributions added that gave way to a later measurement of the same series and second.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Replaced }),
}, {
	name: "contributions_dropped_total", kind: counter, labels: []string{"reason"}, series: byReason,
	help: "Contributions that are in no aggregate, by reason.",
	read: func(s *snapshot, emit sample) {
		if s.Aggregator == nil {
			return
		}
		for d, n := range s.agg.Dropped {
			emit(float64(n), aggregator.Drop(d).String())
		}
	},
}, {
	name: "series", kind: gauge, series: as("series"),
	help: "Names remembered with what they feed.",
	read: total(func(a *aggregator.Stats) int { return a.Series }),
}, {
	name: "series_limit", kind: gauge,
	help: "Names that can be remembered (max_series).",
	read: func(s *snapshot, emit sample) { emit(float64(s.Limits.Series)) },
}, {
	name: "series_learned_total", kind: counter, series: as("learned"),
	help: "Names matched against the rules, because they were new or the rules had changed.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Learned }),
}, {
	name: "series_evicted_total", kind: counter, series: as("evicted"),
	help: "Names forgotten to make room for others; many say that max_series is too low.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Evicted }),
}}

var bucketFamilies = []family{{
	name: "outputs", kind: gauge, series: as("allocatedBuffers"),
	help: "Outputs known.",
	read: total(func(a *aggregator.Stats) int { return a.Outputs }),
}, {
	name: "outputs_limit", kind: gauge,
	help: "Outputs that there can be (max_outputs).",
	read: func(s *snapshot, emit sample) { emit(float64(s.Limits.Outputs)) },
}, {
	name: "buckets", kind: gauge, series: as("buckets"),
	help: "Buckets held, open or amendable.",
	read: total(func(a *aggregator.Stats) int { return a.Buckets }),
}, {
	name: "buckets_limit", kind: gauge,
	help: "Buckets that can be held (max_buckets).",
	read: func(s *snapshot, emit sample) { emit(float64(s.Limits.Buckets)) },
}, {
	name: "buckets_closed_total", kind: counter, series: as("bucketsClosed"),
	help: "Buckets emitted for the first time.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Closed }),
}, {
	name: "buckets_amended_total", kind: counter, series: as("bucketsAmended"),
	help: "Buckets emitted again with late datapoints.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Amended }),
}, {
	name: "buckets_early_total", kind: counter,
	help: "Emissions of open buckets by write_back.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Early }),
}, {
	name: "buckets_partial_total", kind: counter,
	help: "Buckets emitted without what came before the daemon's start.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Partial }),
}, {
	name: "buckets_merged_total", kind: counter,
	help: "Buckets too old to be emitted again, whose late datapoints were added to the windows only.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Merged }),
}, {
	name: "aggregate_rows_total", kind: counter, series: as("aggregateDatapointsSent"),
	help: "Aggregates made, each sent to every destination.",
	read: total(func(a *aggregator.Stats) uint64 { return a.Rows }),
}}
