package graphite

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/openapi/openapitest"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/query"
	"github.com/coalesce-metrics/coalesce/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is 2023-11-14 22:14:50 UTC; the minute began at 1700000040.
const now = 1_700_000_090

func clock() time.Time { return time.Unix(now, 0).UTC() }

const ruleText = `
all.count (60) = sum app.*.count
all.load;dc=x (30) = avg app.*.load
all.time (60) = p90 app.*.time
`

// names are those of the catalog: the outputs of the rules, and others of which
// nothing is held.
var names = map[string]catalog.Entry{
	"all.count":              {Method: cell.Sum, Period: 60},
	"all.load;dc=x":          {Method: cell.Avg, Period: 30},
	"all.time":               {Method: cell.Median, Period: 60},
	"servers.web1":           {Method: cell.Last, Period: 60}, // a branch as well
	"servers.web1.cpu":       {Method: cell.Max, Period: 60},
	"servers.web2.cpu":       {Method: cell.Min, Period: 60},
	"servers.web2.mem":       {Method: cell.Avg, Period: 60},
	"disk.used;dc=x;host=a":  {Method: cell.Sum, Period: 60},
	"disk.used;dc=x;host=b":  {Method: cell.Sum, Period: 60},
	"disk.used;dc=y;host=c":  {Method: cell.Sum, Period: 60},
	"disk.free;dc=y;rack=r1": {Method: cell.Sum, Period: 60},
}

// lastSeen is when the names were last seen, where it is known; their first time
// is an hour before.
var lastSeen = map[string]int64{"servers.web1.cpu": now, "servers.web2.cpu": now - 86400}

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

func newCatalog(t testing.TB) *catalog.Catalog {
	t.Helper()
	c := catalog.New(1000)
	for name, e := range names {
		e.Series = name
		last := lastSeen[name]
		if !c.AddRange(name, e, max(last-3600, 0), last) {
			t.Fatalf("the catalog did not take %q", name)
		}
	}
	return c
}

// newEngine answers from an aggregator that has been given lines at a time.
func newEngine(t testing.TB, names *catalog.Catalog, given ...string) *query.Engine {
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
	engine, err := query.New(query.Config{
		Catalog: names, Held: agg.Buckets, Now: func() float64 { return now }, Timeout: time.Minute,
		MaxTargets: 5, MaxSeries: 100, MaxPoints: 2000, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func newConfig(t testing.TB, given ...string) Config {
	names := newCatalog(t)
	return Config{
		Fetch: newEngine(t, names, given...).Fetch, Names: names, MaxNames: 100, Now: clock, Logger: slog.New(slog.DiscardHandler),
		Tiers: func(period int64) []archive.Tier {
			return []archive.Tier{{Step: period, Retention: 86400}, {Step: 3600, Retention: 604800}}
		},
	}
}

func newServer(t testing.TB, cfg Config, others ...api.Route) *api.Server {
	t.Helper()
	routes, err := Routes(cfg, others...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := api.New(api.Config{Routes: routes, Logger: cfg.Logger})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// server answers from an aggregator that has been given lines at a time.
func server(t testing.TB, given ...string) *api.Server { return newServer(t, newConfig(t, given...)) }

func serverOf(t testing.TB, fetch func(context.Context, query.Request) ([]*query.Series, error)) *api.Server {
	cfg := newConfig(t)
	cfg.Fetch = fetch
	return newServer(t, cfg)
}

// get asks for a path as it is, with headers in pairs.
func get(h http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	return do(h, http.MethodGet, target, "", headers...)
}

func post(h http.Handler, target, form string) *httptest.ResponseRecorder {
	return do(h, http.MethodPost, target, form, "Content-Type", formType)
}

func do(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost/", strings.NewReader(body))
	path, rawQuery, _ := strings.Cut(target, "?")
	if unescaped, err := url.PathUnescape(path); err == nil {
		path = unescaped
	}
	r.URL = &url.URL{Path: path, RawQuery: rawQuery}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// pageCase is a request and the answer that is wanted.
type pageCase struct {
	target string
	form   string // posted if not empty
	want   string
}

// testPages checks answers with status 200.
func testPages(t *testing.T, s http.Handler, contentType string, cases map[string]pageCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := get(s, c.target)
			if c.form != "" {
				w = post(s, c.target, c.form)
			}
			if w.Code != 200 || w.Body.String() != c.want || w.Header().Get("Content-Type") != contentType {
				t.Errorf("%s: %d %s %s\nwant %s", c.target, w.Code, w.Header().Get("Content-Type"), w.Body, c.want)
			}
			if w.Header().Get("Cache-Control") != "no-cache" {
				t.Errorf("%s may be cached: %v", c.target, w.Header())
			}
			described(t, c, w)
		})
	}
}

// testRefusals checks what the answers with a status have in them.
func testRefusals(t *testing.T, s http.Handler, status int, contentType string, cases map[string]pageCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := get(s, c.target)
			if c.form != "" {
				w = post(s, c.target, c.form)
			}
			if w.Code != status || !strings.Contains(w.Body.String(), c.want) || !strings.HasPrefix(w.Header().Get("Content-Type"), contentType) {
				t.Errorf("%s: %d %s %s\nwant %d with %q", c.target, w.Code, w.Header().Get("Content-Type"), w.Body, status, c.want)
			}
			described(t, c, w)
		})
	}
}

// described holds an answer to the document of all routes. What is asked may be
// more than it has: clients also send what changes nothing.
func described(t *testing.T, c pageCase, w *httptest.ResponseRecorder) {
	t.Helper()
	method := http.MethodGet
	if c.form != "" {
		method = http.MethodPost
	}
	openapitest.Check(t, method, c.target, w.Code, w.Header().Get("Content-Type"), w.Body.Bytes())
}
