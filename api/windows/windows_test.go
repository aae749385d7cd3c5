package windows

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/openapi/openapitest"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/query"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is 2023-11-14 22:14:50 UTC.
const now = 1_700_000_090

// fake is what the routes are served from.
type fake struct {
	streams []query.Stream
	err     error
	asked   [3]int64 // step, from, until
	points  []Point
}

func (f *fake) Streams(_ context.Context, metric string, step, from, until int64) ([]query.Stream, bool, error) {
	f.asked = [3]int64{step, from, until}
	if metric != "load" {
		return nil, false, f.err
	}
	return f.streams, true, f.err
}

func serve(t *testing.T, f *fake) (*API, func(method, path, body string, header ...string) (int, string)) {
	t.Helper()
	a := New(Config{
		Windows: []Window{{"5m", 5 * time.Minute, 10 * time.Second, time.Hour}, {"1h", time.Hour, time.Minute, 24 * time.Hour}},
		Streams: f.Streams, Collect: func(p []Point) { f.points = append(f.points, p...) },
		Now: func() time.Time { return time.Unix(now, 500_000_000) }, Logger: slog.New(slog.DiscardHandler),
	})
	server, err := api.New(api.Config{Routes: a.Routes(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return a, func(method, path, body string, header ...string) (int, string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Host = "localhost"
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		got, _ := io.ReadAll(w.Result().Body)
		if w.Code < 300 {
			openapitest.Check(t, method, path, w.Code, w.Header().Get("Content-Type"), got)
			openapitest.CheckRequest(t, method, path, "application/json", plain(body))
		}
		return w.Code, strings.TrimSpace(string(got))
	}
}

func bucket(start int64, values ...float64) archive.Bucket {
	b := archive.Bucket{Start: start, Step: 10}
	for _, v := range values {
		b.Cell.Add(v, float64(start))
	}
	return b
}

func twoStreams() []query.Stream {
	return []query.Stream{
		{Name: "load;dc=x;op=index", Tags: map[string]string{"dc": "x", "op": "index"}, Step: 60, Cells: []archive.Bucket{bucket(1700000040, 1, 9, 2)}},
		{Name: "load;dc=y;op=index", Tags: map[string]string{"dc": "y", "op": "index"}, Step: 60,
			Cells: []archive.Bucket{bucket(1699999980, 4), bucket(1700000040, 5), bucket(1700000050, 7)}},
	}
}

func TestList(t *testing.T) {
	_, do := serve(t, &fake{})
	code, got := do("GET", "/v1/windows/", "")
	want := `[{"name":"5m","span":300,"step":10,"points":30,"retention":3600},{"name":"1h","span":3600,"step":60,"points":60,"retention":86400}]`
	if code != 200 || got != want {
		t.Errorf("%d %s", code, got)
	}
}

func TestWindow(t *testing.T) {
	x := `{"timestamp":1700000040,"min_value":1,"max_value":9,"avg_value":4,"sum_value":12,"count":3,"tags":{"dc":"x","op":"index"}}`
	y0 := `{"timestamp":1699999980,"min_value":4,"max_value":4,"avg_value":4,"sum_value":4,"count":1,"tags":{"dc":"y","op":"index"}}`
	y1 := `{"timestamp":1700000040,"min_value":5,"max_value":7,"avg_value":6,"sum_value":12,"count":2,"tags":{"dc":"y","op":"index"}}`
	both := `{"timestamp":1700000040,"min_value":1,"max_value":9,"avg_value":4.8,"sum_value":24,"count":5,"tags":{"op":"index"}}`
	y0both := strings.Replace(y0, `"dc":"y",`, "", 1)
	const wholeHour = "start=1699999000&end=1700000100"
	for name, c := range map[string]struct {
		query string
		asked [3]int64
		want  []string
	}{
		"by time, then tags": {wholeHour, [3]int64{60, 1699998960, 1700000100}, []string{y0, x, y1}},
		"the last span":      {"", [3]int64{60, 1699996440, 1700000091}, []string{y0, x, y1}},
		"of one series":      {wholeHour + "&tag=dc:x", [3]int64{60, 1699998960, 1700000100}, []string{x}},
		"with two tags":      {wholeHour + "&tag=dc:y&tag=op:index", [3]int64{60, 1699998960, 1700000100}, []string{y0, y1}},
		"with no such tag":   {wholeHour + "&tag=dc:z", [3]int64{60, 1699998960, 1700000100}, nil},
		"merged":             {wholeHour + "&merge=1", [3]int64{60, 1699998960, 1700000100}, []string{y0both, both}},
		"end is exclusive":   {"start=1699999980&end=1700000040", [3]int64{60, 1699999980, 1700000040}, []string{y0}},
		"start aligned down": {"start=1700000039&end=1700000040", [3]int64{60, 1699999980, 1700000040}, []string{y0}},
		"in RFC 3339":        {"start=2023-11-14T22:13:00Z&end=2023-11-14T23:14:00%2B01:00", [3]int64{60, 1699999980, 1700000040}, []string{y0}},
		"an unescaped zone":  {"start=2023-11-14T22:13:00Z&end=2023-11-14T23:14:00+01:00", [3]int64{60, 1699999980, 1700000040}, []string{y0}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{streams: twoStreams()}
			_, do := serve(t, f)
			code, got := do("GET", "/v1/windows/1h?metric=load&"+c.query, "")
			if want := "[" + strings.Join(c.want, ",") + "]"; code != 200 || got != want {
				t.Errorf("%d\n%s, want\n%s", code, got, want)
			}
			if f.asked != c.asked {
				t.Errorf("asked for %v, want %v", f.asked, c.asked)
			}
		})
	}
}

func TestWindowErrors(t *testing.T) {
	_, do := serve(t, &fake{})
	for path, want := range map[string]string{
		"/v1/windows/7m?metric=load":                        `{"error":"invalid window size: 7m"}`,
		"/v1/windows/5m":                                    "metric is missing",
		"/v1/windows/5m?metric=load&start=5&end=5":          "start 5 is not before end 5",
		"/v1/windows/5m?metric=load&start=yesterday":        "start \\\"yesterday\\\"; accepted",
		"/v1/windows/5m?metric=load&end=2023-11-14T22:13":   "RFC 3339 with a zone",
		"/v1/windows/5m?metric=load&end=1e30":               "accepted",
		"/v1/windows/5m?metric=load&tag=dc":                 "key:value",
		"/v1/windows/5m?metric=load&tag=dc:x&tag=dc:y":      "cannot be both",
		"/v1/windows/5m?metric=load&merge=yes":              "0 or 1",
		"/v1/windows/5m?metric=load&start=%zz":              "query string",
		"/v1/windows/5m?metric=load&tag=dc:x&start=NaN":     "accepted",
		"/v1/windows/5m/10s?metric=load":                    "invalid window size",
		"/v1/windows/5m?metric=load&start=1700000000&end=1": "not before",
	} {
		if code, got := do("GET", path, ""); code != 400 || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s, want 400 with %s", path, code, got, want)
		}
	}
	if code, got := do("GET", "/v1/windows/5m?metric=unknown", ""); code != 200 || got != "[]" {
		t.Errorf("an unknown metric: %d %s", code, got)
	}
	_, do = serve(t, &fake{err: errors.New("disk")})
	if code, got := do("GET", "/v1/windows/5m?metric=load", ""); code != 500 || strings.Contains(got, "disk") {
		t.Errorf("a fault: %d %s", code, got)
	}
}

func TestCollect(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []Point
	}{
		"one": {`{"metric":"processing_time","value":12.5,"tags":{"operation":"index","status":"success"},"timestamp":1700000000}`,
			[]Point{{"processing_time;operation=index;status=success", 12.5, 1700000000}}},
		"an array":        {`[{"metric":"a","value":1},{"metric":"b","value":-2e3,"tags":{}}]`, []Point{{"a", 1, now}, {"b", -2000, now}}},
		"an empty array":  {`[]`, nil},
		"RFC 3339":        {`{"metric":"a","value":0,"timestamp":"2023-11-14T23:13:20.25+01:00"}`, []Point{{"a", 0, 1700000000.25}}},
		"arrival time":    {`{"metric":"a","value":0,"timestamp":-1}`, []Point{{"a", 0, now}}},
		"fractions":       {`{"metric":"a","value":0,"timestamp":1.5}`, []Point{{"a", 0, 1.5}}},
		"order of tags":   {`{"metric":"a","value":0,"tags":{"z":"1","b":"2"},"timestamp":1}`, []Point{{"a;b=2;z=1", 0, 1}}},
		"unknown members": {`{"metric":"a","value":0,"timestamp":1,"unit":"s"}`, []Point{{"a", 0, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{}
			a, do := serve(t, f)
			code, got := do("POST", "/v1/collect", c.body)
			if code != 202 {
				t.Fatalf("%d %s", code, got)
			}
			if diff := cmp.Diff(c.want, f.points); diff != "" {
				t.Error(diff)
			}
			if s := a.Stats(); s.Accepted != uint64(len(c.want)) || s.Refused != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestCollectErrors(t *testing.T) {
	good := `{"metric":"a","value":1}`
	for name, c := range map[string]struct {
		body    string
		want    string
		refused uint64
	}{
		"no JSON":               {`metric 1`, "body:", 1},
		"nothing":               {``, "body:", 1},
		"null":                  {`null`, "no JSON object and no array", 1},
		"no object":             {`[1,` + good + `]`, "value 0: it is 1; accepted: an object", 2},
		"cut short":             {`[` + good, "body: not JSON", 1},
		"not UTF-8":             {`{"metric":"a` + "\xff" + `","value":1}`, "expected UTF-8", 1},
		"no metric":             {`{"value":1}`, "metric is missing", 1},
		"metric is no text":     {`{"metric":1,"value":1}`, "metric is 1; accepted: a text", 1},
		"no value":              {`[` + good + `,{"metric":"a"}]`, "value 1: value is missing", 2},
		"value is null":         {`{"metric":"a","value":null}`, "value is missing", 1},
		"value not finite":      {`{"metric":"a","value":1e400}`, "value is too large", 1},
		"value is a text":       {`{"metric":"a","value":"1"}`, `value is \"1\"; accepted: a number`, 1},
		"tags are a text":       {`{"metric":"a","value":1,"tags":"x"}`, `tags are \"x\"; accepted: an object`, 1},
		"tag is a number":       {`{"metric":"a","value":1,"tags":{"x":1}}`, `tag \"x\" is 1; accepted: a text`, 1},
		"tag is null":           {`{"metric":"a","value":1,"tags":{"y":"1","x":null,"z":2}}`, `tag \"x\" is null`, 1},
		"too much of tags":      {`{"metric":"a","value":1,"tags":{"x":"` + strings.Repeat("~", maxTags) + `"}}`, "tags: more than 65536 bytes", 1},
		"the first mistake":     {`[` + good + `,{"metric":"","value":2},{"metric":3}]`, "value 1: metric is missing", 3},
		"tag named name":        {`{"metric":"a","value":1,"tags":{"name":"b"}}`, "name of the metric", 1},
		"time without zone":     {`{"metric":"a","value":1,"timestamp":"2023-11-14T23:13:20"}`, "with a zone", 1},
		"time as text":          {`{"metric":"a","value":1,"timestamp":"1700000000"}`, "with a zone", 1},
		"time in the far past":  {`{"metric":"a","value":1,"timestamp":-1e30}`, "timestamp", 1},
		"more than are allowed": {"[" + strings.Repeat(good+",", maxPoints) + good + "]", "at most 20000", maxPoints + 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{}
			a, do := serve(t, f)
			code, got := do("POST", "/v1/collect", c.body)
			if code != 400 || !strings.Contains(got, c.want) {
				t.Errorf("%d %.300s, want 400 with %s", code, got, c.want)
			}
			if s := a.Stats(); len(f.points) > 0 || s.Refused != c.refused || s.Accepted != 0 {
				t.Errorf("%d values taken, %+v", len(f.points), s)
			}
		})
	}
}

// plain unpacks a body, if it is packed.
func plain(body string) []byte {
	if z, err := gzip.NewReader(strings.NewReader(body)); err == nil {
		text, _ := io.ReadAll(z)
		return text
	}
	return []byte(body)
}

func packed(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return b.String()
}

func TestCollectGzip(t *testing.T) {
	f := &fake{}
	_, do := serve(t, f)
	for i, encoding := range []string{"gzip", "GZIP", "x-Gzip"} { // names of encodings have no case
		if code, got := do("POST", "/v1/collect", packed(`{"metric":"a","value":1,"timestamp":1}`), "Content-Encoding", encoding); code != 202 || len(f.points) != i+1 {
			t.Errorf("%s: %d %s, %v", encoding, code, got, f.points)
		}
	}
	if code, got := do("POST", "/v1/collect", `{"metric":"a","value":1,"timestamp":1}`, "Content-Encoding", "Identity"); code != 202 {
		t.Errorf("identity: %d %s", code, got)
	}
	for body, want := range map[string]int{
		packed(strings.Repeat(" ", maxBody+1)):  http.StatusRequestEntityTooLarge,
		"no gzip":                               400,
		packed(`{"metric":"a","value":1}`)[:20]: 400,
	} {
		if code, got := do("POST", "/v1/collect", body, "Content-Encoding", "gzip"); code != want {
			t.Errorf("%d %s, want %d", code, got, want)
		}
	}
	for _, encoding := range []string{"GZIP", "x-gzip"} {
		if code, got := do("POST", "/v1/collect", packed(`{"metric":"a","value":1}`), "Content-Encoding", encoding); code != 202 {
			t.Errorf("%s: %d %s", encoding, code, got)
		}
	}
	if code, got := do("POST", "/v1/collect", "{}", "Content-Encoding", "br"); code != 415 || !strings.Contains(got, "accepted: gzip") {
		t.Errorf("br: %d %s", code, got)
	}
	if code, _ := do("GET", "/v1/collect", ""); code != 405 {
		t.Errorf("GET: %d", code)
	}
}

// A body of a few bytes may hold many values of much more each, before they are
// counted.
func TestCollectMemory(t *testing.T) {
	value := `{"metric":"a","value":1,"tags":{`
	for name, body := range map[string]string{
		"values": "[" + strings.Repeat("{},", maxBody/3-1) + "{}]",
		"tags":   value + strings.Repeat(`"":"",`, (maxBody-100)/6) + `"":""}}`,
		"keys":   value + keysOf((maxBody-100)/13) + `"":""}}`,
	} {
		a := New(Config{Now: time.Now})
		r := httptest.NewRequest("POST", "/v1/collect", strings.NewReader(packed(body)))
		r.Header.Set("Content-Encoding", "gzip")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, _, err := a.points(r); err == nil {
			t.Errorf("%s: not refused", name)
		}
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 10*maxBody {
			t.Errorf("%s: %d MiB were taken", name, taken>>20)
		}
	}
}

// keysOf returns the members of an object with keys that differ.
func keysOf(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%07d":"",`, i)
	}
	return b.String()
}

func FuzzCollect(f *testing.F) {
	f.Add([]byte(`[{"metric":"a","value":1,"tags":{"x":"y"},"timestamp":1}]`))
	f.Add([]byte(`{"metric":"a","value":1,"timestamp":"2023-11-14T23:13:20Z"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a := New(Config{Now: func() time.Time { return time.Unix(now, 0) }})
		r := httptest.NewRequest("POST", "http://localhost/v1/collect", bytes.NewReader(body))
		points, _, err := a.points(r)
		if err != nil {
			return
		}
		for _, p := range points {
			if p.Name == "" || p.Value != p.Value || p.Time != p.Time {
				t.Errorf("%q gives %v", body, p)
			}
		}
	})
}
