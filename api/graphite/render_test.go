package graphite

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/query"
	"github.com/coalesce-metrics/coalesce/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is 2023-11-14 22:14:50 UTC; the minute began at 1700000040.
const now = 1_700_000_090

const ruleText = `
all.count (60) = sum app.*.count
all.load;dc=x (30) = avg app.*.load
all.time (60) = p90 app.*.time
`

// server answers from an aggregator that has been given lines at a time.
func server(t testing.TB, given ...string) *api.Server {
	t.Helper()
	parsed, diags := rules.Parse("t.conf", []byte(ruleText), rules.Options{})
	if len(diags) > 0 {
		t.Fatal(diags[0])
	}
	clock := 0.0
	agg, err := aggregator.New(aggregator.Config{
		Rules: rules.NewSet(parsed), Grace: 5, AmendDelay: -1, Keep: 5, Future: 600, OutputIdle: 3600,
		MaxSeries: 100, MaxOutputs: 10, MaxBuckets: 100, Lanes: 1,
		Now: func() float64 { return clock }, Emit: func([]aggregator.Row, bool) {}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	scanner := plaintext.NewScanner(1000)
	for _, line := range append(given, "end 0 1700000090") {
		var b plaintext.Batch
		b.Buf = append(append([]byte(line), '\n'), make([]byte, plaintext.Pad)...)[:len(line)+1]
		scanner.Scan(&b, 0, len(b.Buf))
		if b.N != 1 {
			t.Fatalf("%q is no datapoint", line)
		}
		clock = max(clock, b.Points[0].Time)
		agg.Tick()
		l := agg.Acquire()
		l.Add(&b)
		l.Release()
	}
	engine, err := query.New(query.Config{Source: agg.Buckets, MaxTargets: 5, MaxPoints: 2000})
	if err != nil {
		t.Fatal(err)
	}
	return serverOf(t, engine.Fetch)
}

func serverOf(t testing.TB, fetch func(context.Context, query.Request) ([]query.Series, error)) *api.Server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	routes := Routes(Config{Fetch: fetch, Now: func() time.Time { return time.Unix(now, 0).UTC() }, Logger: log})
	s, err := api.New(api.Config{Routes: routes, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The buckets of 22:13 and 22:14 (open): a closed one, an open one, and a
// minute without any between.
var datapoints = []string{
	"app.a.count 1 1699999921",
	"app.b.count 2.5 1699999979",
	"app.a.load 4 1700000010",
	"app.b.load 5 1700000039",
	"app.a.count 7 1700000050",
	"app.a.load inf 1700000070",
}

func TestRender(t *testing.T) {
	s := server(t, datapoints...)
	const count = `{"target":"all.count","tags":{"name":"all.count"},"datapoints":[[3.5,1699999920],[null,1699999980],[7,1700000040]]}`
	const load = `{"target":"all.load;dc=x","tags":{"dc":"x","name":"all.load"},"datapoints":[[4.5,1700000010],[null,1700000040],[1e9999,1700000070]]}`
	for name, c := range map[string]struct {
		method, url, form string
		want              string
	}{
		"json":             {"GET", "/render?target=all.count&from=1699999919&until=1700000040&format=json", "", "[" + count + "]"},
		"slash":            {"GET", "/render/?target=all.count&from=1699999919&until=1700000040&format=json", "", "[" + count + "]"},
		"form":             {"POST", "/render", "target=all.count&from=1699999919&until=1700000040&format=json", "[" + count + "]"},
		"form wins":        {"POST", "/render?format=png&from=-5min", "target=all.count&from=1699999919&until=now&format=json", "[" + count + "]"},
		"relative":         {"GET", "/render?target=all.count&from=now-171s&until=now&format=json", "", "[" + count + "]"},
		"clock in a zone":  {"GET", "/render?target=all.count&from=17:11_20231114&until=17:14_20231114&tz=America/New_York&format=json", "", "[" + count + "]"},
		"as of another":    {"GET", "/render?target=all.count&now=1700000099&from=-180s&until=now&format=json", "", "[" + count + "]"},
		"until undefined":  {"GET", "/render?target=all.count&from=1699999919&until=undefined&format=json", "", "[" + count + "]"},
		"reversed":         {"GET", "/render?target=all.count&from=1700000040&until=1699999919&format=json", "", "[" + count + "]"},
		"two targets":      {"GET", "/render?target=all.load%3Bdc%3Dx&target=all.count&from=1699999980&until=1700000070&format=json", "", `[` + load0 + `,{"target":"all.count","tags":{"name":"all.count"},"datapoints":[[7,1700000040]]}]`},
		"target[]":         {"GET", "/render?target[]=all.count&target%5B%5D=all.none&from=1699999919&until=1700000040&format=json", "", "[" + count + "]"},
		"semicolon, inf":   {"GET", "/render?target=all.load;dc=x&from=1699999999&until=1700000099&format=json", "", "[" + load + "]"},
		"no match":         {"GET", "/render?target=all.none&format=json", "", "[]"},
		"source names":     {"GET", "/render?target=app.a.count&format=json", "", "[]"},
		"without nulls":    {"GET", "/render?target=all.count&from=1699999919&until=1700000040&format=json&noNullPoints=true", "", `[{"target":"all.count","tags":{"name":"all.count"},"datapoints":[[3.5,1699999920],[7,1700000040]]}]`},
		"only nulls":       {"GET", "/render?target=all.count&from=1699999000&until=1699999500&format=json&noNullPoints=1", "", "[]"},
		"merged":           {"GET", "/render?target=all.count&from=1699999919&until=1700000040&format=json&maxDataPoints=1", "", `[{"target":"all.count","tags":{"name":"all.count"},"datapoints":[[10.5,1699999920]]}]`},
		"parameters apart": {"GET", "/render?target=all.none&format=json&local=1&noCache=1&xFilesFactor=0&width=300", "", "[]"},
		"pretty":           {"GET", "/render?target=all.count&from=1700000000&until=1700000040&format=json&pretty=1", "", "[\n  {\n    \"target\": \"all.count\",\n    \"tags\": {\n      \"name\": \"all.count\"\n    },\n    \"datapoints\": [\n      [\n        7,\n        1700000040\n      ]\n    ]\n  }\n]"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.url, strings.NewReader(c.form))
			if c.form != "" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != 200 || w.Body.String() != c.want || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%d %s %s\nwant %s", w.Code, w.Header().Get("Content-Type"), w.Body, c.want)
			}
		})
	}
}

const load0 = `{"target":"all.load;dc=x","tags":{"dc":"x","name":"all.load"},"datapoints":[[4.5,1700000010],[null,1700000040],[1e9999,1700000070]]}`

// Percentiles are read from the merged values, not merged themselves.
func TestRenderMergedPercentile(t *testing.T) {
	s := server(t, "app.a.time 1 1699999920", "app.a.time 100 1699999980", "app.b.time 100 1699999981", "app.c.time 50 1699999982",
		"app.a.time 7 1700000040")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/render?target=all.time&from=1699999919&until=1700000040&format=json", nil))
	const want = `[{"target":"all.time","tags":{"name":"all.time"},"datapoints":[[1,1699999920],[100,1699999980],[7,1700000040]]}]`
	if w.Body.String() != want {
		t.Errorf("got %s\nwant %s", w.Body, want)
	}
	// By two minutes from 1699999920, the 90th percentile of 1, 50, 100, 100.
	w = httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/render?target=all.time&from=1699999919&until=1700000040&format=json&maxDataPoints=2", nil))
	const merged = `[{"target":"all.time","tags":{"name":"all.time"},"datapoints":[[100,1699999920],[7,1700000040]]}]`
	if w.Body.String() != merged {
		t.Errorf("got %s\nwant %s", w.Body, merged)
	}
}

func TestRenderErrors(t *testing.T) {
	s := server(t, datapoints...)
	for name, c := range map[string]struct {
		query  string
		status int
		want   string
	}{
		"no format":      {"target=all.count", 400, "image rendering not supported; accepted: format=json"},
		"image":          {"target=all.count&format=png", 400, "image rendering not supported"},
		"other format":   {"target=all.count&format=csv", 400, `format "csv" is not supported; accepted: json`},
		"no target":      {"format=json", 400, "target is missing"},
		"empty range":    {"target=all.count&format=json&from=-1h&until=-60min", 400, "from and until are both"},
		"bad from":       {"target=all.count&format=json&from=1m", 400, `from: "1m" is not a time; accepted: Unix seconds`},
		"bad now":        {"target=all.count&format=json&now=1m", 400, `now: "1m" is not a time`},
		"bad zone":       {"target=all.count&format=json&tz=Mars/Base", 400, `tz "Mars/Base" is not a time zone`},
		"zone as a path": {"target=all.count&format=json&tz=../../etc/passwd", 400, "is not a time zone"},
		"no points":      {"target=all.count&format=json&maxDataPoints=0", 400, `maxDataPoints "0"; accepted`},
		"half a point":   {"target=all.count&format=json&maxDataPoints=1.5", 400, `maxDataPoints "1.5"; accepted`},
		"jsonp":          {"target=all.count&format=json&jsonp=f", 400, "jsonp=f is not supported"},
		"xFilesFactor":   {"target=all.count&format=json&xFilesFactor=0.5", 400, "xFilesFactor=0.5 is not supported"},
		"pattern":        {"target=all.*&format=json", 400, `target "all.*" is not the name of an output`},
		"many targets":   {strings.Repeat("target=a&", 6) + "format=json", 400, "6 targets, at most 5"},
		"many points":    {"target=all.count&format=json&from=0", 400, "more than 2000 points"},
		"bad escape":     {"target=%zz&format=json", 400, "query string: invalid URL escape"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/render", nil)
			r.URL.RawQuery = c.query
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
				t.Errorf("%d %s; want %d with %q", w.Code, w.Body, c.status, c.want)
			}
		})
	}
}

func TestRenderForms(t *testing.T) {
	s := server(t)
	for name, c := range map[string]struct {
		kind   string
		body   io.Reader
		status int
		want   string
	}{
		"another type": {"application/json", strings.NewReader(`{"target":"a"}`), 400, `Content-Type "application/json"; accepted: application/x-www-form-urlencoded`},
		"no type":      {"", strings.NewReader("target=a"), 400, `Content-Type ""`},
		"bad escape":   {formType, strings.NewReader("target=%"), 400, "form: invalid URL escape"},
		"too large":    {formType, strings.NewReader("target=" + strings.Repeat("a", 1<<20)), 413, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/render?format=json", c.body)
			r.Header.Set("Content-Type", c.kind)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d %s; want %d with %q", w.Code, w.Body, c.status, c.want)
			}
		})
	}
}

func TestFetchFaults(t *testing.T) {
	s := serverOf(t, func(context.Context, query.Request) ([]query.Series, error) { return nil, errors.New("disk on fire") })
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/render?target=a&format=json", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "fire") {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	// A client that has gone gets no answer, and that is no fault of ours.
	s = serverOf(t, func(ctx context.Context, _ query.Request) ([]query.Series, error) { return nil, ctx.Err() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	defer func() {
		if recover() == nil || s.Stats().Panics != 0 {
			t.Errorf("%+v", s.Stats())
		}
	}()
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/render?target=a&format=json", nil).WithContext(ctx))
}

// Whatever the names and values, the answer is JSON that gives them back.
func FuzzAppendJSON(f *testing.F) {
	f.Add("a.b", 1.5, int64(1_700_000_040))
	f.Add("a<b>&\"\\\x00é\u2028", math.Inf(-1), int64(0))
	f.Add("x", 1e-300, int64(5))
	f.Fuzz(func(t *testing.T, name string, value float64, at int64) {
		name = strings.ToValidUTF8(name, "")
		body := appendJSON(nil, []query.Series{
			{Name: name, Tags: map[string]string{"name": name}, Start: at, Step: 1, Values: []float64{value}},
			{Name: "empty", Values: []float64{math.NaN()}},
		}, true)
		var got []struct {
			Target     string
			Tags       map[string]string
			Datapoints [][2]json.Number
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if math.IsNaN(value) {
			if len(got) != 0 {
				t.Fatalf("%s", body)
			}
			return
		}
		if len(got) != 1 || got[0].Target != name || got[0].Tags["name"] != name || len(got[0].Datapoints) != 1 {
			t.Fatalf("%q: %s", name, body)
		}
		if back, err := got[0].Datapoints[0][0].Float64(); back != value && !math.IsInf(value, 0) {
			t.Fatalf("%v, %v: %s", value, err, body)
		}
		if back, _ := got[0].Datapoints[0][1].Int64(); back != at {
			t.Fatalf("%d: %s", at, body)
		}
	})
}

// Parameters of any kind give an answer or a 4xx.
func FuzzRender(f *testing.F) {
	s := server(f, datapoints...)
	f.Add("target=all.count&format=json&from=-1h&maxDataPoints=3", "")
	f.Add("target[]=all.load;dc=x&format=json&tz=UTC&pretty=1", "until=now&noNullPoints")
	f.Fuzz(func(t *testing.T, rawQuery, form string) {
		r := httptest.NewRequest("POST", "/render", strings.NewReader(form))
		r.Header.Set("Content-Type", formType)
		r.URL = &url.URL{Path: "/render", RawQuery: rawQuery}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 200 && w.Code/100 != 4 || w.Code == 200 && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
