package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The sample cases of the query node's protocol: what is asked, and the body of the
// reply.
const (
	storedSample = `{"src":"query","dest":"metrics","body":{"type":"aggregate_metric","msg_id":1,"metric":"http_requests_total","aggregator":"sum","group_by":["service"],"services":["api","web","auth"],"time_range":"1h"}}`
	storedReply  = `{"type": "aggregation_result", "in_reply_to": 1, "results": [{"service": "api", "value": 50000}, {"service": "web", "value": 30000}, {"service": "auth", "value": 15000}], "total": 95000}`
	inlineSample = `{"src":"query","dest":"metrics","body":{"type":"aggregate_metric","msg_id":1,"metric":"memory_usage_bytes","aggregator":"avg","instances":["api-1","api-2","api-3"],"values":[1073741824,2147483648,1610612736]}}`
	inlineReply  = `{"type": "aggregation_result", "in_reply_to": 1, "value": 1610612736, "unit": "bytes", "sample_count": 3}`
)

// sampleLines are datapoints of the last hour with the sums of the first sample.
func sampleLines(now int64) string {
	var b strings.Builder
	for i := range int64(50) {
		at := now - i*70
		fmt.Fprintf(&b, "http_requests_total;service=api 1000 %d\n", at)
		fmt.Fprintf(&b, "http_requests_total;service=web;host=h%d 600 %d\n", i%3, at)
		fmt.Fprintf(&b, "http_requests_total;host=h1;service=auth 300 %d\n", at)
		fmt.Fprintf(&b, "http_requests_total;service=other 7 %d\n", at)
		fmt.Fprintf(&b, "http_requests_total 7 %d\n", at)
		fmt.Fprintf(&b, "http_requests_totals;service=api 9 %d\n", at)
	}
	fmt.Fprintf(&b, "http_requests_total;service=api 9 %d\n", now-3700)
	return b.String()
}

// sameJSON compares JSON by value.
func sameJSON(t *testing.T, what, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Errorf("%s: %v in %q", what, err, got)
		return
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%s: want -, got +:\n%s", what, diff)
	}
}

func enveloped(body string) string {
	return `{"src":"metrics","dest":"query","body":` + body + `}`
}

// conversation is what every place that answers messages is asked, with the replies.
// It records, and so is for one daemon once.
var conversation = []struct{ ask, want string }{
	{inlineSample, enveloped(inlineReply)},
	{strings.Replace(strings.Replace(inlineSample, `"msg_id":1`, `"msg_id":2`, 1), `"instances":["api-1","api-2","api-3"],`, "", 1), enveloped(strings.Replace(inlineReply, ": 1,", ": 2,", 1))},
	{`{"type":"aggregate_metric","msg_id":3,"metric":"queue_seconds","aggregator":"p95"}`, `{"type":"error","in_reply_to":3,"code":20}`},
	{`{"type":"record_metric","msg_id":4,"metric":"queue_seconds","value":7,"tags":{"service":"api"}}`, `{"type":"record_ok","in_reply_to":4}`},
	{`{"type":"record_metric","metric":"queue_seconds","value":0.5,"tags":{"service":"web"}}`, `{"type":"record_ok"}`},
	{`{"type":"aggregate_metric","msg_id":5,"metric":"queue_seconds","aggregator":"p95"}`, `{"type":"aggregation_result","in_reply_to":5,"value":7,"unit":"seconds","sample_count":2}`},
	{`{"type":"aggregate_metric","msg_id":6,"metric":"queue_seconds","aggregator":"count","group_by":["service"]}`,
		`{"type":"aggregation_result","in_reply_to":6,"results":[{"service":"api","value":1},{"service":"web","value":1}],"total":2}`},
	{`{"type":"aggregate_metric","msg_id":7,"metric":"queue_seconds","aggregator":"max","tags":{"service":"web"}}`, `{"type":"aggregation_result","in_reply_to":7,"value":0.5,"unit":"seconds","sample_count":1}`},
	{`{"type":"aggregate_metric","msg_id":8,"metric":"queue_seconds","aggregator":"sum","group_by":["service"],"services":["web","none"]}`,
		`{"type":"aggregation_result","in_reply_to":8,"results":[{"service":"web","value":0.5}],"total":0.5,"missing":["none"]}`},
	{`{"type":"aggregate_metric","msg_id":9,"metric":"x","aggregator":"rollup","interval":"1m","points":[{"timestamp":1700000041,"value":3},{"timestamp":1700000099,"value":5},{"timestamp":1700000100,"value":9}]}`,
		`{"type":"aggregation_result","in_reply_to":9,"interval":"1m","buckets":[{"timestamp":1700000040,"value":4,"sample_count":2},{"timestamp":1700000100,"value":9,"sample_count":1}]}`},
	{`{"type":"init","msg_id":10,"node_id":"n7","node_ids":["n7"]}`, `{"type":"init_ok","in_reply_to":10}`},
	{`{"type":"aggregate_metric","msg_id":11,"metric":"m","aggregator":"median","values":[1]}`, `{"type":"error","in_reply_to":11,"code":10}`},
	{`{"type":"topology","msg_id":12}`, `{"type":"error","in_reply_to":12,"code":10}`},
	{`{"type":"aggregate_metric","msg_id":13,"aggregator":"sum","values":[1]}`, `{"type":"error","in_reply_to":13,"code":12}`},
	{`{"type":"aggregate_metric","msg_id":14,"metric":"m","aggregator":"sum","values":[]}`, `{"type":"error","in_reply_to":14,"code":12}`},
	{`{"type":"aggregate_metric","msg_id":15,"metric":"m","aggregator":"sum","values":[1,"2"]}`, `{"type":"error","in_reply_to":15,"code":12}`},
	{`{"type":"aggregate_metric","msg_id":16,"metric":"queue_seconds","aggregator":"sum","time_range":"0s"}`, `{"type":"error","in_reply_to":16,"code":12}`},
	{`{"type":"aggregate_metric","msg_id":17,"metric":"m","aggregator":"sum","values":[1],"group_by":["a"]}`, `{"type":"error","in_reply_to":17,"code":12}`},
	{`{"type":"record_metric","msg_id":18,"metric":"queue_seconds","value":1,"timestamp":99999999999}`, `{"type":"error","in_reply_to":18,"code":12}`},
	{`{"type":"aggregate_metric","msg_id":19,"metric":"queue_seconds","aggregator":"sum"}`, `{"type":"aggregation_result","in_reply_to":19,"value":7.5,"unit":"seconds","sample_count":2}`},
}

// reply compares a reply with what is wanted of it. Of an error the text is free,
// but must be there.
func reply(t *testing.T, ask, got, want string) {
	t.Helper()
	if strings.Contains(want, `"error"`) {
		var e map[string]any
		if err := json.Unmarshal([]byte(got), &e); err != nil {
			t.Errorf("%s: %v in %q", ask, err, got)
			return
		}
		if text, _ := e["text"].(string); text == "" || strings.Contains(text, "e+") {
			t.Errorf("%s: no text for people in %s", ask, got)
		}
		delete(e, "text")
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		got = string(b)
	}
	sameJSON(t, ask, got, want)
}

// asks returns the messages of the conversation, a line each.
func asks() string {
	var b strings.Builder
	for _, c := range conversation {
		b.WriteString(c.ask + "\n")
	}
	return b.String()
}

func replies(t *testing.T, got string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != len(conversation) {
		t.Fatalf("%d replies to %d messages:\n%s", len(lines), len(conversation), got)
	}
	for i, c := range conversation {
		reply(t, c.ask, lines[i], c.want)
	}
}

// The command reads files, then messages, and says nothing else.
func TestNodeCommand(t *testing.T) {
	now := time.Now().Unix()
	lines := strings.SplitAfter(sampleLines(now), "\n")
	dir := t.TempDir()
	first, second := write(t, dir, "a.txt", strings.Join(lines[:100], "")), write(t, dir, "b.txt", strings.Join(lines[100:], "")+"no line\n")
	out, log, err := execute(storedSample+"\n"+asks(), "node", "--load", first, "--load", second)
	if err != nil {
		t.Fatal(err)
	}
	one, rest, _ := strings.Cut(out, "\n")
	sameJSON(t, storedSample, one, enveloped(storedReply))
	if !strings.Contains(one, storedOrder) {
		t.Errorf("the keys of %s are in another order than in %s", one, storedOrder)
	}
	replies(t, rest)
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, "lines refused") || !strings.Contains(log, "b.txt") {
		t.Errorf("on standard error: %s", log)
	}
	for _, args := range [][]string{{"node", "--load", filepath.Join(dir, "none")}, {"node", "x"}} {
		if out, _, err := execute("", args...); err == nil || out != "" {
			t.Errorf("%q: error %v, on standard output %q", args, err, out)
		}
	}
	// Objects need no lines of their own, and what is none is passed over.
	out, log, err = execute("junk\n{\"type\":\n \"init\",\"msg_id\":1,\"node_id\":\"a\",\"node_ids\":[]}{\"type\":\"init\",\"node_id\":\"a\",\"node_ids\":[]}", "node")
	if err != nil || strings.Count(out, "\n") != 2 || !strings.Contains(log, "junk") {
		t.Errorf("error %v, replies %q, log %q", err, out, log)
	}
}

const storedOrder = `{"type":"aggregation_result","in_reply_to":1,"results":[{"service":"api","value":50000},{"service":"web","value":30000},{"service":"auth","value":15000}],"total":95000}`

// A daemon answers from what it has received and kept: over HTTP and over TCP, at
// once, and after a restart.
func TestNodeOfDaemon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: write(t, dir, "rules.conf", restartRules), data: filepath.Join(dir, "data"), upstream: out.address,
		config: windowSettings + `
			[node]
			listen = "127.0.0.1:0"
			[[keep]]
			pattern = "http_requests_total;service=*"
			period = "1s"
			[[keep]]
			pattern = "http_requests_total"
			period = "1s"
			[[window]]
			name = "5m"
			span = "5m"
			step = "1s"
			retention = "1h"
			`,
	}
	d := start(t, s)
	address := d.address("node", "tcp")
	now := time.Now().Unix()
	lines := strings.Split(strings.TrimSuffix(sampleLines(now), "\n"), "\n")
	want := make(map[string]int)
	for _, l := range lines {
		want[l]++
	}
	d.send(strings.Join(lines, "\n") + "\n")
	out.wait("the datapoints", func(r *received) bool { return contains(r.count, want) })

	query := func(ask string) string {
		t.Helper()
		status, body := post(t, d, "/v1/query", ask)
		if status != http.StatusOK {
			t.Errorf("/v1/query: status %d: %s", status, body)
		}
		return body
	}
	check := func() {
		t.Helper()
		sameJSON(t, storedSample, query(storedSample), enveloped(storedReply))
	}
	check()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	other, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	// A connection that says nothing holds nobody up.
	r := bufio.NewReader(conn)
	for _, c := range append(conversation[:1:1], conversation...) {
		fmt.Fprintln(conn, c.ask)
		got, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		reply(t, c.ask, got, c.want)
	}
	// What came over TCP is there over HTTP, and goes on as any other.
	last := conversation[len(conversation)-1]
	reply(t, last.ask, query(last.ask), last.want)
	out.wait("what was recorded", func(r *received) bool {
		n := 0
		for l := range r.count {
			if strings.HasPrefix(l, "queue_seconds;service=api 7 ") || strings.HasPrefix(l, "queue_seconds;service=web 0.5 ") {
				n++
			}
		}
		return n == 2
	})
	// It is counted as what listeners take is.
	numbers := checkBalance(t, d)
	accepted, refused := numbers.sum("accepted_items_total", "protocol", "node"), numbers.sum("refused_items_total", "protocol", "node")
	if all := numbers.sum("accepted_items_total"); accepted != 2 || refused != 1 || all != numbers.sum("datapoints_accepted_total") {
		t.Errorf("%v values recorded, %v refused, want 2 and 1; %v items accepted in all, and %v datapoints",
			accepted, refused, all, numbers.sum("datapoints_accepted_total"))
	}
	for ask, want := range map[string]string{"": "error", "[1]": "error", "{}": "error", "nonsense": "error"} {
		if got := query(ask); !strings.Contains(got, want) || !strings.Contains(got, `"code":12`) {
			t.Errorf("/v1/query of %q: %s", ask, got)
		}
	}
	d.forgotten()
	check()
	d.stop()
	if _, err := r.ReadString('\n'); err == nil {
		t.Error("the connection outlives the daemon")
	}
	d = start(t, s)
	d.loaded()
	check()
	reply(t, last.ask, query(last.ask), last.want)
	d.stop()
}
