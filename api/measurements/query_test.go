package measurements

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/openapi/openapitest"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/keys"
	"github.com/coalesce-metrics/coalesce/query"
)

// queryNow is 10 s into a minute.
const queryNow = 1_700_000_050

const day = 86_400

// kept is what the route is served from: an archive that is made of the values.
type kept struct {
	metrics map[string]*attributes.Metric
	stored  map[string][]archive.Bucket // by series, at its own period
	held    map[string][]aggregator.Bucket
	windows []archive.Tier
	off     bool // no archive
	loading bool
	bounds  func(*query.Config)

	mu   sync.Mutex
	read map[int64]int // cells by the step asked for
}

func (k *kept) Tiers(period int64) []archive.Tier {
	tiers := []archive.Tier{{Step: period, Retention: day}}
	for _, w := range k.windows {
		if w.Step > period && w.Step%period == 0 {
			tiers = append(tiers, w)
		}
	}
	return tiers
}

func (k *kept) Cells(_ context.Context, series []string, step, from, until int64) ([][]archive.Bucket, error) {
	all := make([][]archive.Bucket, len(series))
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, name := range series {
		for _, b := range k.stored[name] {
			if b.Start < from || b.Start >= until || b.Step > step {
				continue
			}
			b.Start -= b.Start % step
			b.Step = step
			if n := len(all[i]); n > 0 && all[i][n-1].Start == b.Start {
				all[i][n-1].Cell.Merge(&b.Cell)
				continue
			}
			all[i] = append(all[i], b)
			k.read[step]++
		}
	}
	return all, nil
}

// add keeps a value of a series whose cells have a period.
func (k *kept) add(name string, period, start int64, values ...float64) {
	b := archive.Bucket{Start: start, Step: period}
	for _, v := range values {
		b.Cell.Add(v, float64(start))
	}
	k.stored[name] = append(k.stored[name], b)
}

func newKept() *kept {
	return &kept{
		metrics: map[string]*attributes.Metric{
			"load":     {Name: "Load", Period: 60},
			"requests": {Name: "requests", Period: 60, Attributes: attributes.Attributes{Aggregate: true, Summary: attributes.Sum}},
			"total":    {Name: "total", Period: 60, Type: attributes.Counter},
			"empty":    {Name: "empty", Period: 60},
		},
		stored: map[string][]archive.Bucket{}, held: map[string][]aggregator.Bucket{}, read: map[int64]int{},
		windows: []archive.Tier{{Step: 10, Retention: 3600}, {Step: 60, Retention: day}, {Step: 900, Retention: 7 * day}},
	}
}

// serve returns what asks the route.
func (k *kept) serve(t testing.TB) func(path string) (int, string) {
	t.Helper()
	names := catalog.New(100_000)
	for name, cells := range k.stored {
		names.Add(name, catalog.Entry{Series: name, Method: cell.Avg, Period: cells[0].Step}, 0)
	}
	for name, buckets := range k.held {
		names.Add(name, catalog.Entry{Series: name, Method: cell.Avg, Period: buckets[0].Period}, 0)
	}
	log := slog.New(slog.DiscardHandler)
	qc := query.Config{
		Catalog: names, Now: func() float64 { return queryNow }, Timeout: time.Minute, MaxTargets: 1, MaxSeries: 10_000, MaxPoints: 1_000_000, Logger: log,
		Held: func(row string, from, until int64) (found []aggregator.Bucket, known bool) {
			for _, b := range k.held[row] {
				if b.Start >= from && b.Start < until {
					found = append(found, b)
				}
			}
			return found, true
		},
	}
	cfg := QueryConfig{
		Metric: func(name string) *attributes.Metric { return k.metrics[strings.ToLower(name)] },
		Loaded: func() bool { return !k.loading },
		Now:    func() time.Time { return time.Unix(queryNow, 500_000_000) }, Logger: log,
	}
	if !k.off {
		qc.Archive, cfg.Tiers = k, k.Tiers
	}
	if k.bounds != nil {
		k.bounds(&qc)
	}
	var err error
	if cfg.Engine, err = query.New(qc); err != nil {
		t.Fatal(err)
	}
	server, err := api.New(api.Config{Logger: log, Routes: []api.Route{{
		Path: Path + "/{metric}", Methods: []string{http.MethodGet}, Role: keys.Read, Handler: NewQuery(cfg),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return func(path string) (int, string) {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("Content-Type %q of %d %s", got, w.Code, w.Body)
		}
		openapitest.Check(t, "GET", path, w.Code, w.Header().Get("Content-Type"), w.Body.Bytes())
		if w.Code == http.StatusOK {
			openapitest.CheckRequest(t, "GET", path, "", nil)
		}
		return w.Code, strings.TrimSpace(w.Body.String())
	}
}

// The shape of the public sample.
func TestQuerySample(t *testing.T) {
	k := newKept()
	k.metrics["aws.ec2.diskwritebytes"] = &attributes.Metric{Name: "AWS.EC2.DiskWriteBytes", Period: 60}
	k.add("AWS.EC2.DiskWriteBytes;name=a;region=us-east", 1, queryNow-queryNow%60-60, 753)
	code, got := k.serve(t)("/v1/measurements/AWS.EC2.DiskWriteBytes?resolution=60&duration=86400&group_by=region&group_by_function=sum")
	if code != 200 {
		t.Fatal(code, got)
	}
	const sample = `{"series":[{"tags":{"region":"us-east"},"measurements":[{"time":1699999980,"value":753.0}]}],
		"links":[],"name":"AWS.EC2.DiskWriteBytes","resolution":60,"period":60,
		"attributes":{"aggregate":false,"summarize_function":"average","gap_detection":false}}`
	var x, want any
	if err := json.Unmarshal([]byte(sample), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &x); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, x); diff != "" {
		t.Error(diff)
	}
}

func TestQuery(t *testing.T) {
	const minute = queryNow - queryNow%60 // the one under way
	k := newKept()
	k.add("Load;host=a;region=us", 1, minute-120, 1)
	k.add("Load;host=a;region=us", 1, minute-61, 4)
	k.add("Load;host=b;region=us", 1, minute-60, 10)
	k.add("Load;host=b;region=us", 1, minute-59, 20)
	k.add("Load;region=eu", 1, minute-60, 7)
	k.add("Load", 1, minute-60, 9)
	k.add("Loading;region=us", 1, minute-60, 1000)
	k.held["Load;host=b;region=us"] = []aggregator.Bucket{held(1, minute-59, 30), held(1, minute, 5)}
	k.add("requests;a=1", 60, minute-120, 1, 2)
	k.held["requests;a=1"] = []aggregator.Bucket{held(60, minute, 5, 6)}
	k.add("total;a=1", 1, minute-180, 5)
	k.add("total;a=1", 1, minute-120, 25)
	k.add("total;a=1", 1, minute-60, 3)
	k.add("total;a=1", 1, minute-1, 3.5)
	unknown := archive.Bucket{Start: minute - 60, Step: 60, Cell: cell.Cell{Count: 4, Sum: 8, Min: 1, Max: 3, Last: 2, LastTime: minute - 60}}
	unknown.Cell.M2 = math.NaN()
	k.stored["requests;a=2"] = []archive.Bucket{unknown}
	const us, eu, none = `{"tags":{"host":"b","region":"us"},"measurements":[`, `{"tags":{"region":"eu"},"measurements":[`, `{"tags":{},"measurements":[`
	const a = `{"tags":{"host":"a","region":"us"},"measurements":[`
	p := func(ago int64, value string) string { return fmt.Sprintf(`{"time":%d,"value":%s}`, minute-ago, value) }
	do := k.serve(t)
	for name, c := range map[string]struct{ metric, query, want string }{
		"the mean by default": {"load", "resolution=60&duration=200",
			none + p(60, "9") + "]}," + a + p(120, "2.5") + "]}," + us + p(60, "20") + "," + p(0, "5") + "]}," + eu + p(60, "7") + "]}"},
		"as it came": {"load", "resolution=1&duration=200&tags[host]=*",
			a + p(120, "1") + "," + p(61, "4") + "]}," + us + p(60, "10") + "," + p(59, "30") + "," + p(0, "5") + "]}"},
		"the end counts":        {"load", fmt.Sprintf("resolution=1&start_time=%d&end_time=%d&tags[host]=b", minute-59, minute), us + p(59, "30") + "," + p(0, "5") + "]}"},
		"before the end":        {"load", fmt.Sprintf("resolution=1&start_time=%d&end_time=%d&tags[host]=b", minute-60, minute-1), us + p(60, "10") + "," + p(59, "30") + "]}"},
		"start and duration":    {"load", fmt.Sprintf("resolution=60&start_time=%d&duration=60&tags[host]=*", minute-130), a + p(120, "2.5") + "]}"},
		"end and duration":      {"load", fmt.Sprintf("resolution=60&end_time=%d&duration=60&tags[host]=*", minute-1), a + p(120, "2.5") + "]}," + us + p(60, "20") + "]}"},
		"all of a bucket":       {"load", fmt.Sprintf("resolution=60&start_time=%d&end_time=%d&tags[host]=a", minute-61, minute-61), a + p(120, "2.5") + "]}"},
		"a function":            {"load", "resolution=60&duration=200&summary_function=max&tags[host]=*", a + p(120, "4") + "]}," + us + p(60, "30") + "," + p(0, "5") + "]}"},
		"filtered":              {"load", "resolution=60&duration=200&tags[region]=!us", eu + p(60, "7") + "]}"},
		"without a tag":         {"load", "resolution=60&duration=200&tags[!region]", none + p(60, "9") + "]}"},
		"searched":              {"load", "resolution=60&duration=200&tags_search=" + url.QueryEscape("region=e* or not region=*"), none + p(60, "9") + "]}," + eu + p(60, "7") + "]}"},
		"grouped":               {"load", "resolution=60&duration=200&group_by=region&group_by_function=sum", eu + p(60, "7") + "]}," + `{"tags":{"region":"us"},"measurements":[` + p(120, "2.5") + "," + p(60, "20") + "," + p(0, "5") + "]}"},
		"grouped into one":      {"load", "resolution=60&duration=200&group_by=*&group_by_function=mean&tags=*", none + p(120, "2.5") + "," + p(60, "12") + "," + p(0, "5") + "]}"},
		"aggregated":            {"requests", "resolution=60&duration=200&tags[a]=1", `{"tags":{"a":"1"},"measurements":[` + p(120, "3") + "," + p(0, "11") + "]}"},
		"a deviation not known": {"requests", "resolution=60&duration=200&tags[a]=2&summary_function=stddev", `{"tags":{"a":"2"},"measurements":[` + p(60, "null") + "]}"},
		"all": {"requests", "resolution=60&duration=200&summary_function=all", `{"tags":{"a":"1"},"measurements":[` +
			fmt.Sprintf(`{"time":%d,"count":2,"sum":3,"min":1,"max":2,"mean":1.5,"last":2,"stddev":0.5},{"time":%d,"count":2,"sum":11,"min":5,"max":6,"mean":5.5,"last":6,"stddev":0.5}]},`, minute-120, minute) +
			`{"tags":{"a":"2"},"measurements":[` + fmt.Sprintf(`{"time":%d,"count":4,"sum":8,"min":1,"max":3,"mean":2,"last":2,"stddev":null}]}`, minute-60)},
		"counter":                  {"total", "resolution=60&duration=250", `{"tags":{"a":"1"},"measurements":[` + p(120, "20") + "]}"},
		"counter, finer":           {"total", "resolution=1&duration=250", `{"tags":{"a":"1"},"measurements":[` + p(120, "20") + "," + p(1, "0.5") + "]}"},
		"counter, differences":     {"total", "resolution=60&duration=250&summary_function=derivative", `{"tags":{"a":"1"},"measurements":[` + p(120, "20") + "]}"},
		"counter as it came":       {"total", "resolution=60&duration=250&summary_function=max", `{"tags":{"a":"1"},"measurements":[` + p(180, "5") + "," + p(120, "25") + "," + p(60, "3.5") + "]}"},
		"differences":              {"load", "resolution=1&duration=200&summary_function=derivative&tags[host]=b", us + p(59, "20") + "," + p(0, "-25") + "]}"},
		"differences since before": {"load", fmt.Sprintf("resolution=1&start_time=%d&since=%d&summary_function=derivative&tags[host]=b", minute-59, minute-60), us + p(59, "20") + "," + p(0, "-25") + "]}"},
		"no such tag":              {"load", "resolution=60&duration=200&tags[region]=ap", ""},
		"nothing in the range":     {"load", fmt.Sprintf("resolution=60&start_time=%d&end_time=%d", minute-600, minute-540), ""},
		"nothing yet":              {"empty", "resolution=60&duration=200", ""},
		"the future":               {"load", fmt.Sprintf("resolution=60&start_time=%d&duration=999999999", minute+600), ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, got := do("/v1/measurements/" + c.metric + "?" + c.query)
			m := k.metrics[c.metric]
			if want := `{"series":[` + c.want + `],"links":[],"name":"` + m.Name + `",`; code != 200 || !strings.HasPrefix(got, want) {
				t.Errorf("%d\n%s, want\n%s", code, got, want)
			}
		})
	}
	// As fine as an aggregated metric is.
	if code, got := do("/v1/measurements/requests?resolution=1&duration=10"); code != 200 || !strings.Contains(got, `"resolution":60,"period":60,`) {
		t.Error(code, got)
	}
}

func held(period, start int64, values ...float64) aggregator.Bucket {
	b := aggregator.Bucket{Start: start, Period: period, Method: cell.Avg}
	for _, v := range values {
		b.Cell.Add(v, float64(start))
	}
	return b
}

func TestQueryErrors(t *testing.T) {
	k := newKept()
	k.add("Load;a=1", 1, queryNow-60, 1)
	do := k.serve(t)
	params := func(field, text string) string { return `{"errors":{"params":{"` + field + `":["` + text }
	const request = `{"errors":{"request":["`
	for query, want := range map[string]string{
		"duration=60":                                                                     params("resolution", "is missing; accepted: seconds from 1"),
		"duration=60&resolution=0":                                                        params("resolution", `\"0\"; accepted: a whole number from 1 to 604800`),
		"duration=60&resolution=604801":                                                   params("resolution", `\"604801\"; accepted: a whole number from 1 to 604800`),
		"duration=60&resolution=1.5":                                                      params("resolution", `\"1.5\"; accepted`),
		"resolution=60":                                                                   params("start_time", "is missing, as is duration"),
		"resolution=60&end_time=1700000000":                                               params("start_time", "is missing, as is duration"),
		"resolution=60&start_time=1&end_time=2&duration=1":                                params("duration", "is given beside start_time and end_time"),
		"resolution=60&start_time=now":                                                    params("start_time", `\"now\"; accepted`),
		"resolution=60&start_time=-1":                                                     params("start_time", `\"-1\"; accepted`),
		"resolution=60&duration=0":                                                        params("duration", `\"0\"; accepted`),
		"resolution=60&start_time=1700000050&end_time=1700000049":                         params("start_time", "1700000050 is after end_time 1700000049"),
		"resolution=60&start_time=1700000051":                                             params("start_time", "1700000051 is after end_time 1700000050"),
		"resolution=60&start_time=1700000000&since=1700000001":                            params("since", "1700000001 is after start_time"),
		"resolution=60&duration=60&tags=x":                                                params("tags", `tags \"x\"; accepted: tags=*`),
		"resolution=60&duration=60&tags[a]=1&tags_search=a%3D1":                           params("tags_search", "is given beside tags"),
		"resolution=60&duration=60&tags=*&tags_search=a%3D1":                              params("tags_search", "is given beside tags"),
		"resolution=60&duration=60&tags_search=a":                                         params("tags_search", "character 2: found the end, expected ="),
		"resolution=60&duration=60&tags_search=":                                          params("tags_search", "character 1: found the end"),
		"resolution=60&duration=60&summary_function=average":                              params("summary_function", `\"average\" is no function; accepted: sum`),
		"resolution=60&duration=60&group_by=a":                                            params("group_by_function", "is missing, but needed for group_by"),
		"resolution=60&duration=60&group_by=&group_by_function=sum":                       params("group_by", `\"\" is no name of a tag`),
		"resolution=60&duration=60&group_by_function=sum":                                 params("group_by_function", "is given without group_by"),
		"resolution=60&duration=60&group_by=a&group_by_function=count":                    params("group_by_function", `\"count\" does not combine`),
		"resolution=60&duration=60&group_by=a&group_by_function=sum&summary_function=all": params("summary_function", `\"all\" cannot be grouped`),
		"resolution=x&duration=60&summary_function=y":                                     `"summary_function":["\"y\" is`,
		"resolution=60&duration=%zz":                                                      request + "query string: ",
		// Nothing is kept that long at that step.
		"resolution=1&duration=90000":    request + "no stored tier covers the range since 1699910050 at resolution 1; accepted: multiples of 900, or a later start",
		"resolution=60&duration=90000":   request + "no stored tier covers the range since 1699910050 at resolution 60; accepted: multiples of 900",
		"resolution=60&duration=9999999": request + "no stored tier covers the range since 1690000051 at resolution 60; accepted: a later start",
		"resolution=60&start_time=0":     request + "no stored tier covers the range since 0",
	} {
		code, got := do("/v1/measurements/load?" + query)
		if code != 400 || !strings.Contains(got, want) || !strings.HasSuffix(got, `,"request_time":1700000050}`) {
			t.Errorf("%s: %d %s, want %s", query, code, got, want)
		}
	}
	// Of the two faults both are told.
	if _, got := do("/v1/measurements/load?resolution=x&duration=60&summary_function=y"); !strings.Contains(got, `"resolution":["\"x\"; `) {
		t.Error(got)
	}
	if code, got := do("/v1/measurements/requests?resolution=30&duration=60"); code != 400 || !strings.Contains(got, "at resolution 30; accepted: multiples of 60, 900, or a later start") {
		t.Errorf("finer than the period: %d %s", code, got)
	}
	if code, got := do("/v1/measurements/none?resolution=x"); code != 404 || got != `{"errors":{"request":["there is no metric \"none\""]},"request_time":1700000050}` {
		t.Error(code, got)
	}
	k.bounds = func(c *query.Config) { c.MaxSeries = 1 }
	k.add("Load;a=2", 1, queryNow-60, 1)
	if code, got := k.serve(t)("/v1/measurements/load?resolution=60&duration=60"); code != 400 || !strings.Contains(got, request+`more than 1 series of \"Load\"; ask for some of them by their tags`) {
		t.Error(code, got)
	}
	if code, got := k.serve(t)("/v1/measurements/load?resolution=60&duration=60&tags[a]=2"); code != 200 {
		t.Error(code, got)
	}
	k.bounds = func(c *query.Config) { c.MaxPoints = 1 }
	if code, got := k.serve(t)("/v1/measurements/load?resolution=60&duration=60"); code != 400 || !strings.Contains(got, request+"more than 1 cells; ask for a shorter range") {
		t.Error(code, got)
	}
	k.bounds = func(c *query.Config) { c.Timeout = time.Nanosecond }
	if code, got := k.serve(t)("/v1/measurements/load?resolution=60&duration=60"); code != 400 || !strings.Contains(got, request+"the query took longer than 1ns") {
		t.Error(code, got)
	}
}

func TestChoose(t *testing.T) {
	tiers := []archive.Tier{{Step: 1, Retention: 1000}, {Step: 10, Retention: 500}, {Step: 60, Retention: 2000}}
	for name, c := range map[string]struct {
		resolution, start int64 // of a present at 10 000
		step, first       int64
		ok                bool
	}{
		"the coarsest that does":       {60, 9_600, 60, 9_600, true},
		"which does not divide it":     {30, 9_600, 10, 9_600, true},
		"which is not kept so long":    {30, 9_300, 1, 9_300, true},
		"the finest":                   {1, 9_600, 1, 9_600, true},
		"in the middle of a point":     {60, 9_659, 60, 9_600, true},
		"just kept":                    {60, 8_000, 60, 7_980, true},
		"within the last second":       {1, 9_001, 1, 9_001, true},
		"which is over when read":      {1, 9_000, 1, 9_001, true},
		"the first point is not whole": {120, 8_030, 60, 8_040, true},
		"not kept":                     {60, 7_939, 0, 0, false},
		"not kept so fine":             {30, 8_500, 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			step, first, ok := choose(tiers, c.resolution, c.start, 10_000)
			if ok != c.ok || ok && (step != c.step || first != c.first) {
				t.Errorf("step %d, first %d, %v", step, first, ok)
			}
		})
	}
}

// Streams whose cells are of other periods than the metric's, as it was aggregated
// before or is no longer.
func TestQueryPeriods(t *testing.T) {
	const minute = queryNow - queryNow%60
	k := newKept()
	k.add("Load;a=1", 60, minute-600, 1, 2)
	k.add("Load;a=2", 1, minute-600, 7)
	k.add("Load;a=2", 1, minute-599, 8)
	do := k.serve(t)
	for query, want := range map[string][2]int{"resolution=1": {1, 2}, "resolution=10": {1, 1}, "resolution=60": {1, 1}} {
		code, text := do("/v1/measurements/load?duration=3000&summary_function=sum&" + query)
		var p page
		if err := json.Unmarshal([]byte(text), &p); code != 200 || err != nil || len(p.Series) != 2 {
			t.Fatal(query, code, text, err)
		}
		for i, s := range p.Series {
			sum := 0.0
			for _, x := range s.Points {
				sum += x.Value
			}
			if len(s.Points) != want[i] || sum != []float64{3, 15}[i] || s.Points[0].Time != minute-600 {
				t.Errorf("%s: %v of %v", query, s.Points, s.Tags)
			}
		}
	}
	// Each was read at the coarsest step that does.
	if steps := slices.Sorted(maps.Keys(k.read)); !slices.Equal(steps, []int64{1, 10, 60}) {
		t.Errorf("read at %v", steps)
	}
}

func TestQueryWithoutStore(t *testing.T) {
	k := newKept()
	k.off = true
	k.held["Load;a=1"] = []aggregator.Bucket{held(1, queryNow-5, 3), held(1, queryNow, 4)}
	code, got := k.serve(t)("/v1/measurements/load?resolution=1&start_time=0")
	if want := fmt.Sprintf(`[{"time":%d,"value":3},{"time":%d,"value":4}]`, queryNow-5, queryNow); code != 200 || !strings.Contains(got, want) {
		t.Error(code, got)
	}
}

// While names are loaded, nobody knows whether a metric has series.
func TestQueryWhileLoading(t *testing.T) {
	k := newKept()
	k.loading = true
	k.add("Load;a=1", 1, queryNow-5, 3)
	do := k.serve(t)
	if code, got := do("/v1/measurements/empty?resolution=1&duration=60"); code != 503 || !strings.HasPrefix(got, `{"errors":{"system":["the series in the store are not known yet`) {
		t.Error(code, got)
	}
	if code, got := do("/v1/measurements/load?resolution=1&duration=60"); code != 200 || !strings.Contains(got, `"value":3`) {
		t.Error(code, got)
	}
}
