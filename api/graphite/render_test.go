package graphite

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/query"
)

const (
	count = `{"target":"all.count","tags":{"name":"all.count"},"datapoints":[[3.5,1699999920],[null,1699999980],[7,1700000040]]}`
	load  = `{"target":"all.load;dc=x","tags":{"dc":"x","name":"all.load"},"datapoints":[[4.5,1700000010],[null,1700000040],[1e9999,1700000070]]}`
)

func TestRenderJSON(t *testing.T) {
	const request = "/render?format=json&target="
	testPages(t, server(t, datapoints...), "application/json", map[string]pageCase{
		"json":            {target: request + "all.count&from=1699999919&until=1700000040", want: "[" + count + "]"},
		"slash":           {target: "/render/?target=all.count&from=1699999919&until=1700000040&format=json", want: "[" + count + "]"},
		"form":            {target: "/render", form: "target=all.count&from=1699999919&until=1700000040&format=json", want: "[" + count + "]"},
		"form wins":       {target: "/render?format=png&from=-5min", form: "target=all.count&from=1699999919&until=now&format=json", want: "[" + count + "]"},
		"relative":        {target: request + "all.count&from=now-171s&until=now", want: "[" + count + "]"},
		"clock in a zone": {target: request + "all.count&from=17:11_20231114&until=17:14_20231114&tz=America/New_York", want: "[" + count + "]"},
		"as of another":   {target: request + "all.count&now=1700000099&from=-180s&until=now", want: "[" + count + "]"},
		"until undefined": {target: request + "all.count&from=1699999919&until=undefined", want: "[" + count + "]"},
		"reversed":        {target: request + "all.count&from=1700000040&until=1699999919", want: "[" + count + "]"},
		"two targets":     {target: request + "all.load%3Bdc%3Dx&target=all.count&from=1699999980&until=1700000070", want: `[` + load + `,{"target":"all.count","tags":{"name":"all.count"},"datapoints":[[7,1700000040]]}]`},
		"target[]":        {target: request[:len(request)-len("target=")] + "target[]=all.count&target%5B%5D=all.none&from=1699999919&until=1700000040", want: "[" + count + "]"},
		"semicolon, inf":  {target: request + "all.load;dc=x&from=1699999999&until=1700000099", want: "[" + load + "]"},
		"by tags":         {target: request + `seriesByTag("name=all.load","dc=x")&from=1699999999&until=1700000099`, want: "[" + load + "]"},
		"pattern":         {target: request + "*.count&from=1699999919&until=1700000040", want: "[" + count + "]"},
		"view":            {target: request + "all.count:max&from=1699999919&until=1700000040", want: `[{"target":"all.count:max","tags":{"name":"all.count"},"datapoints":[[2.5,1699999920],[null,1699999980],[7,1700000040]]}]`},
		"unknown view":    {target: request + "all.count:most", want: "[]"},
		"no match":        {target: request + "all.none", want: "[]"},
		"no pattern":      {target: request + "none.*", want: "[]"},
		"source names":    {target: request + "app.a.count", want: "[]"},
		"without nulls":   {target: request + "all.count&from=1699999919&until=1700000040&noNullPoints=true", want: `[{"target":"all.count","tags":{"name":"all.count"},"datapoints":[[3.5,1699999920],[7,1700000040]]}]`},
		"only nulls":      {target: request + "all.count&from=1699999000&until=1699999500&noNullPoints=1", want: "[]"},
		"merged":          {target: request + "all.count&from=1699999919&until=1700000040&maxDataPoints=1", want: `[{"target":"all.count","tags":{"name":"all.count"},"datapoints":[[10.5,1699999920]]}]`},
		"without effect":  {target: request + "all.none&local=1&noCache=1&width=300", want: "[]"},
		"pretty": {target: request + "all.count&from=1700000000&until=1700000040&pretty=1",
			want: "[\n  {\n    \"target\": \"all.count\",\n    \"tags\": {\n      \"name\": \"all.count\"\n    },\n    \"datapoints\": [\n      [\n        7,\n        1700000040\n      ]\n    ]\n  }\n]"},
	})
}

// A function that merges points needs as many of them as it is told.
func TestRenderXFilesFactor(t *testing.T) {
	const request = `/render?format=json&target=summarize(all.count,"180s","sum")&from=1699999919&until=1700000040&noNullPoints=1`
	s := server(t, datapoints...)
	// Two of three points are there.
	if w := get(s, request+"&xFilesFactor=0.6"); !strings.Contains(w.Body.String(), "10.5") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(s, request+"&xFilesFactor=0.7"); w.Body.String() != "[]" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Percentiles are read from the merged values, not merged themselves.
func TestRenderMergedPercentile(t *testing.T) {
	s := server(t, "app.a.time 1 1699999920", "app.a.time 100 1699999980", "app.b.time 100 1699999981", "app.c.time 50 1699999982",
		"app.a.time 7 1700000040")
	testPages(t, s, "application/json", map[string]pageCase{
		"all":    {target: "/render?target=all.time&from=1699999919&until=1700000040&format=json", want: `[{"target":"all.time","tags":{"name":"all.time"},"datapoints":[[1,1699999920],[100,1699999980],[7,1700000040]]}]`},
		"merged": {target: "/render?target=all.time&from=1699999919&until=1700000040&format=json&maxDataPoints=2", want: `[{"target":"all.time","tags":{"name":"all.time"},"datapoints":[[100,1699999920],[7,1700000040]]}]`}, // of 1, 50, 100, 100
	})
}

func TestRenderText(t *testing.T) {
	const span = "&from=1699999919&until=1700000040"
	s := server(t, datapoints...)
	testPages(t, s, "text/plain", map[string]pageCase{
		"raw":             {target: "/render?format=raw&target=all.count" + span, want: "all.count,1699999920,1700000100,60|3.5,None,7.0\n"},
		"raw, never less": {target: "/render?format=raw&maxDataPoints=1&target=all.count" + span, want: "all.count,1699999920,1700000100,60|3.5,None,7.0\n"},
		"raw, nothing":    {target: "/render?format=raw&target=none" + span, want: ""},
	})
	testPages(t, s, "text/csv", map[string]pageCase{
		"csv":           {target: "/render?format=csv&target=all.count" + span, want: "all.count,2023-11-14 22:12:00,3.5\r\nall.count,2023-11-14 22:13:00,\r\nall.count,2023-11-14 22:14:00,7.0\r\n"},
		"csv in a zone": {target: "/render?format=csv&tz=Asia/Kolkata&target=all.count&from=1699999980&until=1700000040", want: "all.count,2023-11-15 03:44:00,7.0\r\n"},
	})
	testPages(t, s, "text/javascript", map[string]pageCase{
		"wrapped": {target: "/render?format=json&jsonp=$.f_1&target=none" + span, want: "$.f_1([])"},
	})
}

func TestRenderRefusals(t *testing.T) {
	testRefusals(t, server(t, datapoints...), 400, "text/plain", map[string]pageCase{
		"no format":        {target: "/render?target=all.count", want: "image rendering not supported; accepted: format=json"},
		"image":            {target: "/render?target=all.count&format=png", want: "image rendering not supported"},
		"other format":     {target: "/render?target=all.count&format=dygraph", want: `format "dygraph" is not supported; accepted: json, raw`},
		"of the tree":      {target: "/render?target=all.count&format=treejson", want: `format "treejson" is not supported`},
		"no target":        {target: "/render?format=json", want: "target is missing"},
		"empty range":      {target: "/render?target=all.count&format=json&from=-1h&until=-60min", want: "from and until are both"},
		"bad from":         {target: "/render?target=all.count&format=json&from=1m", want: `from: "1m" is not a time; accepted: Unix seconds`},
		"bad now":          {target: "/render?target=all.count&format=json&now=1m", want: `now: "1m" is not a time`},
		"bad zone":         {target: "/render?target=all.count&format=json&tz=Mars/Base", want: `tz "Mars/Base" is not a time zone`},
		"zone as a path":   {target: "/render?target=all.count&format=json&tz=../../etc/passwd", want: "is not a time zone"},
		"no points":        {target: "/render?target=all.count&format=json&maxDataPoints=0", want: `maxDataPoints "0"; accepted`},
		"half a point":     {target: "/render?target=all.count&format=json&maxDataPoints=1.5", want: `maxDataPoints "1.5"; accepted`},
		"jsonp":            {target: "/render?target=none&format=json&jsonp=alert(1)//", want: `jsonp "alert(1)//"; accepted: the name of a function`},
		"xFilesFactor":     {target: "/render?target=all.count&format=json&xFilesFactor=1.5", want: `xFilesFactor "1.5"; accepted: a number from 0 to 1`},
		"NaN":              {target: "/render?target=all.count&format=json&xFilesFactor=nan", want: `xFilesFactor "nan"; accepted`},
		"unknown function": {target: "/render?target=fill(all.count)&format=json", want: `fill`},
		"syntax":           {target: "/render?target=sum(all.count&format=json", want: `target "sum(all.count"`},
		"bad pattern":      {target: "/render?target=" + strings.Repeat("*.", 100) + "**&format=json", want: "accepted"},
		"many targets":     {target: "/render?" + strings.Repeat("target=a&", 6) + "format=json", want: "6 targets, at most 5"},
		"many points":      {target: "/render?target=all.count&format=json&from=0", want: "more than 2000 points"},
		"bad escape":       {target: "/render?target=%zz&format=json", want: "query string: invalid URL escape"},
	})
}

func TestForms(t *testing.T) {
	s := server(t)
	const multi = "multipart/form-data; boundary=b"
	for name, c := range map[string]struct {
		kind   string
		body   string
		status int
		want   string
	}{
		"multipart":         {multi, "--b\r\nContent-Disposition: form-data; name=\"target\"\r\n\r\nall.none\r\n--b--\r\n", 200, "[]"},
		"another type":      {"application/json", `{"target":"a"}`, 400, `Content-Type "application/json"; accepted: application/x-www-form-urlencoded, multipart/form-data`},
		"no type":           {"", "target=a", 400, `Content-Type ""`},
		"bad escape":        {formType, "target=%", 400, "form: invalid URL escape"},
		"no boundary":       {"multipart/form-data", "--b--\r\n", 400, "form: "},
		"no end":            {multi, "--b\r\nContent-Disposition: form-data; name=\"target\"\r\n\r\na", 400, "form: unexpected EOF"},
		"many parts":        {multi, strings.Repeat("--b\r\n\r\n\r\n", maxParts) + "--b--\r\n", 400, "form: more than 10000 values"},
		"too large":         {formType, "target=" + strings.Repeat("a", 1<<20), 413, "more than 1048576 bytes"},
		"too large, parts":  {multi, "--b\r\n\r\n" + strings.Repeat("a", 1<<20), 413, "more than 1048576 bytes"},
		"charset is spared": {formType + "; charset=utf-8", "target=all.none", 200, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			w := do(s, "POST", "/render?format=json", c.body, "Content-Type", c.kind)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d %s; want %d with %q", w.Code, w.Body, c.status, c.want)
			}
		})
	}
}

func TestFetchFaults(t *testing.T) {
	s := serverOf(t, func(context.Context, query.Request) ([]*query.Series, error) { return nil, errors.New("disk on fire") })
	if w := get(s, "/render?target=a&format=json"); w.Code != 500 || strings.Contains(w.Body.String(), "fire") {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	// One that takes too long is told so.
	s = serverOf(t, func(context.Context, query.Request) ([]*query.Series, error) { return nil, context.DeadlineExceeded })
	if w := get(s, "/render?target=a&format=json"); w.Code != 503 || !strings.Contains(w.Body.String(), "ask for less") {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	// A client that has gone gets no answer, and that is no fault of ours.
	s = serverOf(t, func(ctx context.Context, _ query.Request) ([]*query.Series, error) { return nil, ctx.Err() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	defer func() {
		if recover() == nil || s.Stats().Panics != 0 {
			t.Errorf("%+v", s.Stats())
		}
	}()
	r := httptest.NewRequest("GET", "http://localhost/render?target=a&format=json", nil)
	s.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
}
