package node

import (
	"fmt"
	"testing"
)

// TestStoredSample is the first sample of the protocol, over datapoints that
// have to be added up.
func TestStoredSample(t *testing.T) {
	m := newMemory(10)
	for i := range 50 {
		m.put(t,
			fmt.Sprintf("http_requests_total;service=api 1000 %d", -i*70),
			fmt.Sprintf("http_requests_total;service=web;host=h%d 600 %d", i%3, -i*70),
			fmt.Sprintf("http_requests_total;service=auth 300 %d", -i),
			fmt.Sprintf("http_requests_total;service=other 7 %d", -i),
			fmt.Sprintf("http_requests_total 7 %d", -i),
		)
	}
	m.put(t, "http_requests_total;service=api 9 -3700") // more than an hour ago
	const message = `{"src":"query","dest":"metrics","body":{"type":"aggregate_metric","msg_id":1,"metric":"http_requests_total","aggregator":"sum","group_by":["service"],"services":["api","web","auth"],"time_range":"1h"}}`
	const want = `{"src":"metrics","dest":"query","body":{"type":"aggregation_result","in_reply_to":1,"results":[{"service":"api","value":50000},{"service":"web","value":30000},{"service":"auth","value":15000}],"total":95000}}` + "\n"
	if got := ask(t, newNode(m), message); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	m.put(t, "http_requests_total;service=auth 1 0")
	wantJSON(t, ask(t, newNode(m), message), `{"src":"metrics","dest":"query","body":{"type":"aggregation_result","in_reply_to":1,
		"results":[{"service":"api","value":50000},{"service":"web","value":30000},{"service":"auth","value":15001}],"total":95001}}`)
}

// TestInlineSample is the second sample, with and without names.
func TestInlineSample(t *testing.T) {
	n := newNode(newMemory(10))
	const first = `{"src":"query","dest":"metrics","body":{"type":"aggregate_metric","msg_id":1,"metric":"memory_usage_bytes","aggregator":"avg","instances":["api-1","api-2","api-3"],"values":[1073741824,2147483648,1610612736]}}`
	const want = `{"src":"metrics","dest":"query","body":{"type":"aggregation_result","in_reply_to":1,"value":1610612736,"unit":"bytes","sample_count":3}}` + "\n"
	if got := ask(t, n, first); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	wantJSON(t, ask(t, n, `{"type":"aggregate_metric","msg_id":2,"metric":"memory_usage_bytes","aggregator":"avg",
		"values":[1073741824,2147483648,1610612736]}`),
		`{"type":"aggregation_result","in_reply_to":2,"value":1610612736,"unit":"bytes","sample_count":3}`)
}

// TestRollupSample is the sample of the section about rollups, from points and
// from what is stored.
func TestRollupSample(t *testing.T) {
	const want = `{"type":"aggregation_result","in_reply_to":1,"interval":"1m","buckets":[{"timestamp":1700000040,"value":4,"sample_count":2},{"timestamp":1700000100,"value":9,"sample_count":1}]}` + "\n"
	m := newMemory(10)
	for _, p := range []struct{ at, value float64 }{{1700000041, 3}, {1700000099, 5}, {1700000100, 9}} {
		if err := m.Record(t.Context(), "m", p.value, nil, p.at); err != nil {
			t.Fatal(err)
		}
	}
	n := newNode(m)
	points := `"points":[{"timestamp":1700000041,"value":3},{"timestamp":1700000099,"value":5},{"timestamp":1700000100,"value":9}]`
	for _, form := range []string{`"aggregator":"rollup","interval":"1m"`, `"aggregator":"avg","rollup":"1m"`, `"aggregator":"rollup","interval":"1m","aggregators":["avg"]`} {
		if got := query(t, n, `"metric":"m",`+form+","+points); got != want {
			t.Errorf("%s, points: got %s", form, got)
		}
		if got := query(t, n, `"metric":"m","time_range":"2h",`+form); got != want {
			t.Errorf("%s, stored: got %s", form, got)
		}
	}
}
