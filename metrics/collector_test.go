package metrics

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/measurements"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/ingest"
	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/coalesce-metrics/coalesce/upstream"
)

// example is a daemon of which every number is another one.
func example() Sources {
	return Sources{
		Aggregator: func() aggregator.Stats {
			return aggregator.Stats{
				Accepted: 1000, Matched: 700, Unmatched: 250, Filtered: 50, Forwarded: 990,
				FilteredBy: [naming.NumReasons]uint64{naming.BadName: 1, naming.NameTooLong: 2, naming.Denied: 30, naming.NotAllowed: 17}, BadTags: 13,
				Contributions: 1524, Added: 1400, Replaced: 14, Dropped: [aggregator.NumDrops]uint64{60, 20, 10, 7, 3, 2, 1, 21},
				Learned: 90, Evicted: 4, Rows: 33, Closed: 30, Amended: 2, Early: 1, Partial: 5, Merged: 8, Late: 11,
				Series: 86, Outputs: 12, Buckets: 24, Rules: 2, Version: 6,
			}
		},
		Rules: func() []aggregator.RuleStats {
			return []aggregator.RuleStats{
				{File: "agg.conf", Line: 3, Output: "all.<app>", Matched: 600, Dropped: 40, Outputs: 8, Closed: 20, Late: 9, Amended: 1},
				{File: "agg.conf", Line: 4, Output: "all.<app>", Matched: 100, Outputs: 4, Closed: 10, Late: 2, Amended: 1},
			}
		},
		Ingest: func() []ingest.Stats {
			tcp := ingest.Stats{
				Name: "tcp", Protocol: "plaintext", Transport: "tcp", Address: "[::]:2023",
				Connections: 3, Connected: 17, AtLimit: true, LimitReached: 2, AcceptErrors: 1, ReadErrors: 4, IdleCloses: 6,
				Bytes: 40_000, Accepted: 800, Unfinished: 1,
			}
			tcp.Refused[ingest.Blank] = 99
			tcp.Refused[ingest.NaNValue] = 8
			udp := ingest.Stats{
				Name: "udp", Protocol: "plaintext", Transport: "udp", Address: "[::]:2023",
				Bytes: 10_000, Datagrams: 55, KernelDrops: 12, Accepted: 200,
			}
			udp.Refused[ingest.BadValue] = 5
			pickle := ingest.Stats{
				Name: "pickle", Protocol: ingest.Pickle, Transport: "tcp", Address: "[::]:2024", TLS: true,
				Connections: 1, Connected: 2, HandshakeErrors: 13, NotAllowed: 14, Bytes: 900, Accepted: 60,
			}
			pickle.Refused[ingest.Forbidden] = 7
			return []ingest.Stats{tcp, udp, pickle}
		},
		Upstream: func() []upstream.DestinationStats {
			return []upstream.DestinationStats{{
				Name: "127.0.0.1:2004", Connected: true,
				Made: [upstream.NumKinds]int64{990, 33, 7, 4}, Found: 40, Written: 1000, InFlight: 9, Queued: 14, QueuedBytes: 600,
				Spooled: 15, SpoolBytes: 900, Moved: 16, Resent: 19, Blocking: true,
				Dropped: [upstream.NumReasons]int64{5, 2, 4, 1, 3, 2, 1, 2}, BytesWritten: 44_000,
				Connects: 3, ConnectErrors: 8, WriteErrors: 1, PeerCloses: 2,
			}}
		},
		Reload: func() ReloadStatus {
			return ReloadStatus{LastSuccess: time.UnixMilli(1_700_000_000_500), Reloads: 5, Failures: 2}
		},
		Unrouted: func() [upstream.NumKinds]int64 { return [upstream.NumKinds]int64{21, 22, 23, 24} },
		Names:    func() ReloadStatus { return ReloadStatus{OK: true} },
		HTTP: func() api.Stats {
			return api.Stats{Requests: [5]uint64{0, 70, 1, 6, 2}, Broken: 4, Panics: 1, Refused: [api.NumRefusals]uint64{3, 2, 1}, InFlight: 1}
		},
		Archive: func() archive.Stats {
			return archive.Stats{
				Found: 7, Kept: 300, Pending: 31, Written: 240, Replaced: 29, Dropped: [archive.NumReasons]int64{1, 2, 4, archive.Deleted: 5},
				PendingBytes: 5000, PendingLimit: 90_000, JournalOK: true, JournaledBytes: 70_000, JournalBytes: 8000, JournalLimit: 95_000,
				JournalErrors: 3, TornBytes: 77, StoreErrors: 9, Writes: 44, WriteSeconds: 0.25, Refused: 5,
				Rolled: 61, Amended: 16, Stale: 17, MarksLag: 12.5, Damaged: 18, Expiries: 19, Forgotten: 27,
			}
		},
		Catalog: func() Names { return Names{Held: 98, Limit: 8000, Refused: 6} },
		Collect: func() []Collected { return []Collected{{"http", "collect", 41, 3}, {"node", "node", 5, 2}} },
		Views:   func() Views { return Views{Views: 5, Measures: 4, Rows: 300, Overflowing: 1, Exported: 1234} },
		Measurements: func() measurements.Stats {
			return measurements.Stats{
				Requests: 51, Malformed: 3, Accepted: 700, Refused: [measurements.NumReasons]uint64{10, 20, 30, 1, 2, 3}, Limited: 4, Metrics: 77, Series: 88,
			}
		},
		Limits: Limits{
			Series: 4000, Outputs: 1000, Buckets: 9000, MeasuredMetrics: 99, Queues: []QueueLimit{{"127.0.0.1:2004", 500, 65536}}, Connections: []int{3, 3, 9},
		},
		Build: Build{Version: "1.2.3", Revision: "abc"},
	}
}

// gather returns every sample as "name{label=value,…}".
func gather(t testing.TB, c prometheus.Collector) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			key := f.GetName()
			if labels != nil {
				key += "{" + strings.Join(labels, ",") + "}"
			}
			samples[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return samples
}

func TestCollector(t *testing.T) {
	got := gather(t, NewCollector(example()))
	for key := range got {
		if strings.HasPrefix(key, "coalesce_build_info") {
			delete(got, key) // carries the version of Go
		}
	}
	tcp, udp, pickle := "{listener=tcp,protocol=plaintext", "{listener=udp,protocol=plaintext", "{listener=pickle,protocol=pickle"
	dest := "{destination=127.0.0.1:2004"
	rule3, rule4 := "{file=agg.conf,line=3,rule=all.<app>}", "{file=agg.conf,line=4,rule=all.<app>}"
	want := map[string]float64{
		"listener_info{address=[::]:2023,listener=tcp,protocol=plaintext,transport=tcp}": 1,
		"listener_info{address=[::]:2023,listener=udp,protocol=plaintext,transport=udp}": 1,
		// Blank lines are no items.
		"received_items_total" + tcp + "}": 809, "received_items_total" + udp + "}": 205,
		"accepted_items_total" + tcp + "}": 800, "accepted_items_total" + udp + "}": 200,
		"received_bytes_total" + tcp + "}": 40_000, "received_bytes_total" + udp + "}": 10_000,
		"read_errors_total" + tcp + "}": 4, "read_errors_total" + udp + "}": 0,
		"received_datagrams_total" + udp + "}": 55, "kernel_dropped_datagrams_total" + udp + "}": 12,
		"connections" + tcp + "}": 3, "connections_limit" + tcp + "}": 3, "connections_at_limit" + tcp + "}": 1,
		"connections_limit_reached_total" + tcp + "}": 2, "connections_opened_total" + tcp + "}": 17,
		"connections_closed_idle_total" + tcp + "}": 6, "accept_errors_total" + tcp + "}": 1,

		"received_items_total{listener=http,protocol=collect}": 44, "accepted_items_total{listener=http,protocol=collect}": 41,
		"refused_items_total{listener=http,protocol=collect,reason=request}": 3,
		"received_items_total{listener=node,protocol=node}":                  7, "accepted_items_total{listener=node,protocol=node}": 5,
		"refused_items_total{listener=node,protocol=node,reason=request}": 2,
		"buckets_merged_total": 8,
		"cells_found_total":    7, "cells_kept_total": 300, "cells_pending": 31, "cells_written_total": 240, "cells_replaced_total": 29,
		"cells_dropped_total{reason=queue_full}": 1, "cells_dropped_total{reason=journal_full}": 2, "cells_dropped_total{reason=journal_damaged}": 4,
		"cells_dropped_total{reason=too_old}": 0, "cells_dropped_total{reason=invalid}": 0, "cells_dropped_total{reason=unsaved}": 0, "cells_dropped_total{reason=deleted}": 5,
		"cells_pending_bytes": 5000, "cells_pending_bytes_limit": 90_000,
		"journal_ok": 1, "journal_bytes": 8000, "journal_bytes_limit": 95_000, "journal_written_bytes_total": 70_000,
		"journal_errors_total": 3, "journal_torn_bytes_total": 77,
		"store_ok": 0, "store_errors_total": 9, "store_writes_total": 44, "store_refused_series_total": 5, "store_write_seconds": 0.25,
		"store_forgotten_series_total": 27, "store_expiries_total": 19, "store_damaged_cells_total": 18,
		"window_cells_total": 61, "window_cells_amended_total": 16, "window_cells_stale_total": 17, "windows_lag_seconds": 12.5,
		"names": 98, "names_limit": 8000, "names_refused_total": 6,
		"measurement_requests_total": 51, "measurement_requests_malformed_total": 3, "measurements_received_total": 766,
		"measurements_accepted_total": 700, "measurement_metrics": 77, "measurement_metrics_limit": 99, "measurement_tag_sets": 88,
		"measurement_tag_sets_limit_reached_total": 4, "measurements_refused_total{reason=invalid}": 10, "measurements_refused_total{reason=time}": 20,
		"measurements_refused_total{reason=tag_sets}": 30, "measurements_refused_total{reason=metrics}": 1,
		"measurements_refused_total{reason=failed}": 2, "measurements_refused_total{reason=stopping}": 3,
		"views": 5, "measures": 4, "view_rows": 300, "views_overflowing": 1, "view_rows_exported_total": 1234,

		"listener_info{address=[::]:2024,listener=pickle,protocol=pickle,transport=tcp}": 1,
		"received_items_total" + pickle + "}":                                            67, "accepted_items_total" + pickle + "}": 60,
		"received_bytes_total" + pickle + "}": 900, "read_errors_total" + pickle + "}": 0,
		"connections" + pickle + "}": 1, "connections_limit" + pickle + "}": 9, "connections_at_limit" + pickle + "}": 0,
		"connections_limit_reached_total" + pickle + "}": 0, "connections_opened_total" + pickle + "}": 2,
		"connections_closed_idle_total" + pickle + "}": 0, "accept_errors_total" + pickle + "}": 0,
		"not_allowed_total" + tcp + "}": 0, "not_allowed_total" + udp + "}": 0, "not_allowed_total" + pickle + "}": 14,
		"tls_handshake_errors_total" + pickle + "}": 13,

		"datapoints_accepted_total": 1000, "datapoints_matched_total": 700, "datapoints_unmatched_total": 250,
		"datapoints_filtered_total": 50, "datapoints_forwarded_total": 990, "datapoints_late_total": 11,
		"datapoints_filtered_by_total{reason=bad_name}": 1, "datapoints_filtered_by_total{reason=name_too_long}": 2,
		"datapoints_filtered_by_total{reason=denied}": 30, "datapoints_filtered_by_total{reason=not_allowed}": 17,
		"names_with_bad_tags_total": 13,
		"contributions_total":       1524, "contributions_added_total": 1400, "contributions_replaced_total": 14,
		"contributions_dropped_total{reason=too_old}": 60, "contributions_dropped_total{reason=too_new}": 20,
		"contributions_dropped_total{reason=conflict}": 10, "contributions_dropped_total{reason=outputs_full}": 7,
		"contributions_dropped_total{reason=buckets_full}": 3, "contributions_dropped_total{reason=deleted}": 21,
		"contributions_dropped_total{reason=not_finite}": 2, "contributions_dropped_total{reason=not_integral}": 1,
		"series": 86, "series_limit": 4000, "series_learned_total": 90, "series_evicted_total": 4,
		"outputs": 12, "outputs_limit": 1000, "buckets": 24, "buckets_limit": 9000,
		"buckets_closed_total": 30, "buckets_amended_total": 2, "buckets_early_total": 1, "buckets_partial_total": 5,
		"aggregate_rows_total": 33,

		"rule_datapoints_matched_total" + rule3: 600, "rule_datapoints_matched_total" + rule4: 100,
		"rule_datapoints_dropped_total" + rule3: 40, "rule_datapoints_dropped_total" + rule4: 0,
		"rule_datapoints_late_total" + rule3: 9, "rule_datapoints_late_total" + rule4: 2,
		"rule_outputs" + rule3: 8, "rule_outputs" + rule4: 4,
		"rule_buckets_closed_total" + rule3: 20, "rule_buckets_closed_total" + rule4: 10,
		"rule_buckets_amended_total" + rule3: 1, "rule_buckets_amended_total" + rule4: 1,
		"rules_omitted": 0, "rules_loaded": 2, "rules_version": 6,
		"rules_last_reload_successful": 0, "rules_last_reload_success_timestamp_seconds": 1_700_000_000.5,
		"rules_reloads_total": 5, "rules_reload_failures_total": 2,

		"rows_unrouted_total{kind=raw}": 21, "rows_unrouted_total{kind=aggregate}": 22,
		"rows_unrouted_total{kind=self}": 23, "rows_unrouted_total{kind=amendment}": 24, "names_last_reload_successful": 1,
		"destination_rows_made_total" + dest + ",kind=raw}": 990, "destination_rows_made_total" + dest + ",kind=aggregate}": 33,
		"destination_rows_made_total" + dest + ",kind=self}": 7,
		"destination_rows_written_total" + dest + "}":        1000,
		"destination_rows_in_flight" + dest + "}":            9, "destination_rows_queued" + dest + "}": 14,
		"destination_rows_dropped_total" + dest + ",reason=queue_full}": 5,
		"destination_rows_dropped_total" + dest + ",reason=stopped}":    2,
		"destination_rows_dropped_total" + dest + ",reason=withheld}":   4, "destination_rows_dropped_total" + dest + ",reason=unencodable}": 1,
		"destination_rows_dropped_total" + dest + ",reason=spool_full}": 3, "destination_rows_dropped_total" + dest + ",reason=spool_age}": 2,
		"destination_rows_dropped_total" + dest + ",reason=spool_damaged}": 1, "destination_rows_dropped_total" + dest + ",reason=spool_error}": 2,
		"destination_rows_made_total" + dest + ",kind=amendment}": 4, "destination_rows_found_total" + dest + "}": 40,
		"destination_rows_spooled" + dest + "}": 15, "destination_spool_bytes" + dest + "}": 900,
		"destination_rows_moved_total" + dest + "}": 16, "destination_rows_resent_total" + dest + "}": 19,
		"destination_blocking" + dest + "}":         1,
		"destination_queue_limit_rows" + dest + "}": 500, "destination_queue_limit_bytes" + dest + "}": 65536,
		"destination_queue_bytes" + dest + "}": 600, "destination_written_bytes_total" + dest + "}": 44_000,
		"destination_connected" + dest + "}": 1, "destination_connects_total" + dest + "}": 3,
		"destination_connect_errors_total" + dest + "}": 8, "destination_write_errors_total" + dest + "}": 1,
		"destination_peer_closes_total" + dest + "}": 2,

		"http_requests_total{code=1xx}": 0, "http_requests_total{code=2xx}": 70, "http_requests_total{code=3xx}": 1,
		"http_requests_total{code=4xx}": 6, "http_requests_total{code=5xx}": 2, "http_requests_total{code=none}": 4,
		"http_requests_refused_total{reason=unauthorized}": 3, "http_requests_refused_total{reason=forbidden}": 2,
		"http_requests_refused_total{reason=rate}": 1,
		"http_requests_in_flight":                  1, "http_panics_total": 1,
	}
	for _, l := range []string{tcp, udp} {
		for _, reason := range []string{"bad_fields", "bad_utf8", "bad_value", "nan_value", "bad_timestamp", "line_too_long", "unfinished"} {
			want["refused_items_total"+l+",reason="+reason+"}"] = 0
		}
	}
	for _, reason := range []string{"bad_item", "bad_name", "bad_value", "nan_value", "bad_timestamp", "forbidden", "corrupt",
		"frame_too_long", "not_a_frame", "unfinished"} {
		want["refused_items_total"+pickle+",reason="+reason+"}"] = 0
	}
	want["refused_items_total"+tcp+",reason=nan_value}"] = 8
	want["refused_items_total"+pickle+",reason=forbidden}"] = 7
	want["refused_items_total"+tcp+",reason=unfinished}"] = 1
	want["refused_items_total"+udp+",reason=bad_value}"] = 5
	full := map[string]float64{}
	for key, v := range want {
		full["coalesce_"+key] = v
	}
	if diff := cmp.Diff(full, got); diff != "" {
		t.Error(diff)
	}
}

// Prometheus' own checks of names, types, units and help texts.
func TestLint(t *testing.T) {
	r := NewRegistry(example())
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	prefixes := map[string]bool{}
	for _, f := range families {
		prefix, _, _ := strings.Cut(f.GetName(), "_")
		prefixes[prefix] = true
	}
	if !prefixes["coalesce"] || !prefixes["go"] || !prefixes["process"] {
		t.Errorf("families of %v only", prefixes)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, namespace) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// A part that the daemon does not have shows nothing, rather than zeros.
func TestNoSources(t *testing.T) {
	got := gather(t, NewCollector(Sources{}))
	for key := range got {
		if !strings.Contains(key, "_limit") && !strings.Contains(key, "build_info") && !strings.Contains(key, "rules_omitted") {
			t.Errorf("shows %s", key)
		}
	}
}

func TestManyRules(t *testing.T) {
	src := example()
	src.Rules = func() []aggregator.RuleStats {
		all := make([]aggregator.RuleStats, maxRules+7)
		for i := range all {
			all[i].Line = i + 1
		}
		return all
	}
	got := gather(t, NewCollector(src))
	if got["coalesce_rules_omitted"] != 7 {
		t.Errorf("%v rules omitted, want 7", got["coalesce_rules_omitted"])
	}
	last := fmt.Sprintf("coalesce_rule_outputs{file=,line=%d,rule=}", maxRules)
	if _, ok := got[last]; !ok {
		t.Errorf("no %s", last)
	}
}

func TestLabelsThatAreNotUTF8(t *testing.T) {
	src := example()
	src.Rules = func() []aggregator.RuleStats {
		return []aggregator.RuleStats{{File: "caf\xe9.conf", Line: 1, Output: "x", Outputs: 3}}
	}
	got := gather(t, NewCollector(src))
	if n := got["coalesce_rule_outputs{file=caf\ufffd.conf,line=1,rule=x}"]; n != 3 {
		t.Errorf("got %v", n)
	}
}

// The sums hold in every scrape of an aggregator and an upstream at work.
func TestBalance(t *testing.T) {
	parsed, diags := rules.Parse("t.conf", []byte("all (10) = sum app.*\nall (10) = max app.1\n"), rules.Options{})
	if len(diags) > 0 {
		t.Fatal(diags[0])
	}
	log := slog.New(slog.DiscardHandler)
	up, err := upstream.New(upstream.Config{
		Destinations: []upstream.Destination{{Scheme: upstream.Stdout}}, Stdout: io.Discard, QueueDatapoints: 1000, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	up.Start()
	defer up.Stop(t.Context())
	var clock atomic.Int64
	clock.Store(1_700_000_000)
	agg, err := aggregator.New(aggregator.Config{
		Rules: rules.NewSet(parsed), Grace: 1, AmendDelay: -1, Keep: 2, Future: 600, OutputIdle: 60,
		MaxSeries: 100, MaxOutputs: 10, MaxBuckets: 10, Lanes: 2, ForwardAll: true, Logger: log,
		Now: func() float64 { return float64(clock.Load()) },
		Emit: func(rows []aggregator.Row, _ bool) {
			up.Send([]byte(strings.Repeat("x 1 1\n", len(rows))), len(rows), upstream.Aggregate)
		},
		Forward: func(lines []byte, n int) { up.Send(lines, n, upstream.Raw) },
	})
	if err != nil {
		t.Fatal(err)
	}
	c := NewCollector(Sources{Aggregator: agg.Stats, Rules: agg.RuleStats, Upstream: up.Stats})

	var feeders sync.WaitGroup
	for range 2 {
		feeders.Go(func() {
			var b plaintext.Batch
			for range 300 {
				now := float64(clock.Add(1))
				l := agg.Acquire()
				b.Reset()
				for i := range 50 {
					b.Add(fmt.Appendf(nil, "%s.%d", []string{"app", "other"}[i%2], i%8/2), 1, now+float64(i-25)*40)
				}
				l.Add(&b)
				l.Release()
			}
		})
	}
	fed := make(chan struct{})
	go func() { feeders.Wait(); close(fed) }()
	for done := false; !done; {
		select {
		case <-fed:
			done = true
		default:
			agg.Tick()
		}
		checkBalance(t, gather(t, c))
	}
	got := gather(t, c)
	if got["coalesce_datapoints_accepted_total"] != 30_000 || got["coalesce_contributions_dropped_total{reason=too_new}"] == 0 ||
		got["coalesce_datapoints_unmatched_total"] == 0 || got["coalesce_destination_rows_made_total{destination=stdout:,kind=raw}"] != 30_000 {
		t.Errorf("too little happened: %v", got)
	}
}

func checkBalance(t *testing.T, got map[string]float64) {
	t.Helper()
	sum := func(name string) (n float64) {
		for key, v := range got {
			if key == "coalesce_"+name || strings.HasPrefix(key, "coalesce_"+name+"{") {
				n += v
			}
		}
		return n
	}
	for whole, parts := range map[string][]string{
		"datapoints_accepted_total": {"datapoints_matched_total", "datapoints_unmatched_total", "datapoints_filtered_total"},
		"contributions_total":       {"contributions_added_total", "contributions_dropped_total"},
		"destination_rows_made_total": {"destination_rows_written_total", "destination_rows_in_flight", "destination_rows_queued",
			"destination_rows_spooled", "destination_rows_moved_total", "destination_rows_dropped_total"},
	} {
		var n float64
		for _, p := range parts {
			n += sum(p)
		}
		if sum(whole) != n {
			t.Fatalf("%s is %v, but the sum of %v is %v", whole, sum(whole), parts, n)
		}
	}
}

// Rules that stand in no file may have one name; they are one sample then. Those made
// over HTTP are one whatever their name is, as a key must not see those of others.
func TestRulesOfOneName(t *testing.T) {
	all := []aggregator.RuleStats{
		{File: "r.conf", Line: 1, Output: "a", Matched: 1},
		{File: "r.conf", Line: 2, Output: "a", Matched: 2},
		{File: "api", Output: "a", Matched: 4, Dropped: 1, Outputs: 1, Closed: 1, Late: 1, Amended: 1},
		{File: "api", Output: "b", Matched: 8},
		{File: "keep[0]", Output: "a", Matched: 16},
		{File: "api", Output: "a", Matched: 32, Dropped: 2, Outputs: 2, Closed: 2, Late: 2, Amended: 2},
	}
	want := []aggregator.RuleStats{
		all[0], all[1],
		{File: "api", Output: "made over HTTP", Matched: 44, Dropped: 3, Outputs: 3, Closed: 3, Late: 3, Amended: 3},
		all[4],
	}
	src := Sources{Rules: func() []aggregator.RuleStats { return append([]aggregator.RuleStats{}, all...) }}
	if diff := cmp.Diff(want, src.read().rules); diff != "" {
		t.Error(diff)
	}
	// A scrape with two samples of one name fails.
	if _, err := NewRegistry(src).Gather(); err != nil {
		t.Error(err)
	}
}
