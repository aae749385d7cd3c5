package main

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// meter is a daemon to which measurements are sent.
type meter struct {
	*process
	t *testing.T
}

// ask makes a request with a body in JSON and returns the answer's.
func (m meter) ask(want int, method, path, body string) string {
	m.t.Helper()
	c := &caller{t: m.t, d: m.process, done: map[string]bool{}}
	return c.call(want, method, path, "application/json", body)
}

// send posts measurements, which must be taken.
func (m meter) send(measurements ...string) {
	m.t.Helper()
	m.ask(http.StatusAccepted, "POST", "/v1/measurements", `{"measurements":[`+strings.Join(measurements, ",")+`]}`)
}

type measuredPoint struct {
	Time   int64
	Value  *float64
	Count  int64
	Sum    float64
	Stddev *float64
}

// points reads what GET /v1/measurements has of one series.
func (m meter) points(metric, more string) []measuredPoint {
	m.t.Helper()
	a := answer[struct {
		Series []struct{ Measurements []measuredPoint }
	}](m.t, m.process, "/v1/measurements/"+metric+"?duration=600&resolution=10"+more)
	if len(a.Series) != 1 {
		m.t.Fatalf("%s: %d series", metric, len(a.Series))
	}
	return a.Series[0].Measurements
}

// value reads the one value of a row's period, NaN is none.
func (m meter) value(target string, at int64) float64 { return point(m.t, m.process, target, at) }

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*math.Abs(want) }

// Measurements of the API end to end: kept as they are or added up, counted by rules
// with how many they stand for, passed on, amended when they are late, and there
// after the process was killed.
func TestMeasurements(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: noRules(t), data: filepath.Join(dir, "data"), upstream: out.address,
		config: quickStore + "[aggregation]\ngrace = \"0s\"\n[api_rules]\nperiod = \"10s\"\n[measurements.ssa]\ngrace = \"0s\"\n",
	}
	m := meter{start(t, s), t}
	if newRuleAPI(t, m.process).create("app.requests*", "other") == "" {
		t.FailNow()
	}
	at := time.Now().Unix()/10*10 - 20 // of a period that has ended, but not long ago
	const requests = `{"name":"App.requests","value":%g,"time":%d,"tags":{"Host":"Web 1"},"period":10,"attributes":{"aggregate":true,"summarize_function":"sum"}}`

	// Plain and complex ones of a series that is added up, and one of another.
	m.send(fmt.Sprintf(requests, 5.0, at+3),
		fmt.Sprintf(`{"name":"app.REQUESTS","count":2,"sum":4,"min":1,"max":3,"stddev":1,"time":%d,"tags":{"host":"web 1"}}`, at+1),
		fmt.Sprintf(`{"name":"app.load","value":1.5,"time":%d}`, at+2))
	out.waitLine(fmt.Sprintf("App.requests;host=web_1 9 %d", at))
	out.waitLine(fmt.Sprintf("app.load 1.5 %d", at+2))
	if v := m.value("App.requests;host=web_1", at); v != 9 {
		t.Errorf("the sum is %v", v)
	}
	p := m.points("app.requests", "&summary_function=all")
	if len(p) != 1 || p[0].Time != at || p[0].Count != 3 || p[0].Sum != 9 || p[0].Stddev == nil || !near(*p[0].Stddev, math.Sqrt(8.0/3)) {
		t.Errorf("%+v", p)
	}

	// The rule has matched nothing: its pattern begins with another letter. One more does.
	if newRuleAPI(t, m.process).create("App.requests*", "all.requests") == "" {
		t.FailNow()
	}
	m.send(fmt.Sprintf(requests, 1.0, at+4), fmt.Sprintf(`{"name":"app.requests","count":3,"sum":30,"time":%d,"tags":{"host":"b"}}`, at+5))
	// The late ones amend the period as a whole, and feed the rule with all that they stand for.
	out.waitLine(fmt.Sprintf("App.requests;host=web_1 10 %d", at))
	out.waitLine(fmt.Sprintf("App.requests;host=b 30 %d", at))
	out.waitLine(fmt.Sprintf("aggregates.all.requests 7.75 %d", at))
	for view, want := range map[string]float64{":sum": 31, ":obvs": 4, "": 7.75, ":max": 10} {
		if v := m.value("aggregates.all.requests"+view, at); v != want {
			t.Errorf("%q is %v, want %v", view, v, want)
		}
	}

	before := m.ask(200, "GET", "/v1/metrics/app.requests", "")
	want := `{"name":"App.requests","display_name":null,"description":null,"period":10,"type":"gauge",` +
		`"attributes":{"aggregate":true,"summarize_function":"sum","gap_detection":false,"created_by_ua":"Go-http-client/1.1"}}` + "\n"
	if before != want {
		t.Errorf("the metric is %s", before)
	}
	m.ask(http.StatusBadRequest, "POST", "/v1/measurements", `{"measurements":[{"name":"new.one","value":1},{"name":"a b","value":1}]}`)
	m.ask(http.StatusNotFound, "GET", "/v1/metrics/new.one", "")
	numbers := checkBalance(t, m.process)
	for name, want := range map[string]float64{
		"measurements_received_total": 7, "measurements_accepted_total": 5, "measurements_refused_total": 2,
		"measurement_requests_total": 3, "measurement_metrics": 2, "measurement_tag_sets": 3,
	} {
		if got := numbers.sum(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	// app.load, and the ones with counts 1, 2, 1 and 3.
	if got := numbers.sum("datapoints_accepted_total"); got != 8 {
		t.Errorf("%v datapoints", got)
	}

	// What has been acknowledged survives.
	m.ask(http.StatusCreated, "PUT", "/v1/metrics/app.new", `{"type":"counter","description":"just before"}`)
	m.kill()
	m.process = start(t, s)
	if after := m.ask(200, "GET", "/v1/metrics/APP.requests", ""); after != before {
		t.Errorf("after the kill it is %s", after)
	}
	if after := m.ask(200, "GET", "/v1/metrics/app.new", ""); !strings.Contains(after, `"type":"counter"`) || !strings.Contains(after, "just before") {
		t.Errorf("after the kill it is %s", after)
	}
	await(t, "the sum of the last run", nil, func() bool { return m.value("App.requests;host=web_1", at) == 10 })
	now := time.Now().Unix() + 10 // of a period that has begun after the start
	m.send(fmt.Sprintf(`{"name":"app.requests","value":7,"time":%d,"tags":{"host":"web 1"}}`, now))
	if v := m.value("App.requests;host=web_1", now/10*10); v != 7 {
		t.Errorf("after the kill it is %v", v)
	}
	m.stop()
}

// A metric that is removed takes its data along, also over a restart.
func TestRemovedMetric(t *testing.T) {
	t.Parallel()
	s := settings{rules: noRules(t), data: filepath.Join(t.TempDir(), "data"), config: quickStore}
	m := meter{start(t, s), t}
	at := time.Now().Unix()/10*10 - 20
	m.send(fmt.Sprintf(`{"name":"gone","value":1,"time":%d,"tags":{"a":"1"}}`, at), fmt.Sprintf(`{"name":"gone","value":2,"time":%d,"tags":{"a":"2"}}`, at),
		fmt.Sprintf(`{"name":"stays","value":3,"time":%d,"tags":{"a":"1"}}`, at))
	series := func(metric string) []string {
		return answer[[]string](t, m.process, "/tags/findSeries?expr="+url.QueryEscape("name="+metric))
	}
	if diff := cmp.Diff([]string{"gone;a=1", "gone;a=2"}, series("gone")); diff != "" {
		t.Error(diff)
	}
	m.ask(http.StatusNoContent, "DELETE", "/v1/metrics", `{"names":["GONE"]}`)
	check := func() {
		t.Helper()
		if got := series("gone"); len(got) > 0 {
			t.Errorf("%q are left", got)
		}
		m.ask(http.StatusNotFound, "GET", "/v1/metrics/gone", "")
		await(t, "the other series", nil, func() bool { return m.value("stays;a=1", at) == 3 })
	}
	check()
	m.stop()
	m.process = start(t, s)
	await(t, "the names of the last run", nil, func() bool { return len(series("stays")) == 1 })
	check()
	m.send(`{"name":"Gone","value":4}`)
	if got := series("Gone"); len(got) != 1 || !strings.Contains(m.ask(200, "GET", "/v1/metrics/gone", ""), `"name":"Gone"`) {
		t.Error(got)
	}
	m.stop()
}
