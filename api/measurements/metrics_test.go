package measurements

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/attributes"
)

// put makes a metric.
func (d *desk) put(name, body string) {
	d.t.Helper()
	if w := d.ask("PUT", MetricsPath+"/"+name, body); w.Code != http.StatusCreated {
		d.t.Fatalf("%s: %d %s", name, w.Code, w.Body)
	}
}

// names returns the metrics that there are.
func (d *desk) names() string {
	var names []string
	for _, m := range d.book.List(attributes.List{Length: 100}).Metrics {
		names = append(names, m.Name)
	}
	return strings.Join(names, " ")
}

func TestOneMetric(t *testing.T) {
	d := newDesk(t)
	w := d.ask("PUT", MetricsPath+"/Cpu_temp/", `{"type":"gauge","period":30,"attributes":{"aggregate":true}}`, "User-Agent", "curl/8")
	body := `{"name":"Cpu_temp","display_name":null,"description":null,"period":30,"type":"gauge","attributes":` +
		`{"aggregate":true,"summarize_function":"average","gap_detection":false,"created_by_ua":"curl/8"}}` + "\n"
	if w.Code != http.StatusCreated || w.Header().Get("Location") != "/v1/metrics/Cpu_temp" || w.Body.String() != body {
		t.Error(w.Code, w.Header(), w.Body)
	}
	if w = d.ask("GET", MetricsPath+"/cpu_TEMP", ""); w.Code != http.StatusOK || w.Body.String() != body || w.Header().Get("Content-Type") != "application/json" {
		t.Error(w.Code, w.Body)
	}
	for _, change := range []string{`{"period":60,"type":"gauge","name":"ignored"}`, ` { } `, `{"type":"","attributes":{}}`} {
		if w = d.ask("PUT", MetricsPath+"/cpu_temp", change, "User-Agent", "other"); w.Code != http.StatusNoContent || w.Body.Len() > 0 {
			t.Error(w.Code, w.Body)
		}
	}
	if m := d.book.Get("cpu_temp"); m.Period != 60 || m.Name != "Cpu_temp" || m.Attributes.CreatedByUA != "curl/8" {
		t.Error(m)
	}
	const form = "application/x-www-form-urlencoded"
	if w = d.ask("PUT", MetricsPath+"/cpu_temp", "attributes[aggregate]=false&attributes%5Bdisplay_min%5D=-1.5&display_name=CPU+temperature", "Content-Type", form); w.Code != http.StatusNoContent {
		t.Error(w.Code, w.Body)
	}
	if m := d.book.Get("cpu_temp"); m.Attributes.Aggregate || *m.Attributes.DisplayMin != -1.5 || *m.DisplayName != "CPU temperature" {
		t.Error(m)
	}
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"unknown", "GET", "/nothing", "", 404, `"request":["there is no metric \"nothing\""]`},
		{"unknown to be deleted", "DELETE", "/nothing", "", 404, "there is no metric"},
		{"a pattern", "DELETE", "/*", "", 404, `there is no metric \"*\"`},
		{"no type", "PUT", "/new", `{"period":60}`, 400, `"params":{"type":["is missing`},
		{"composite", "PUT", "/new", `{"type":"composite"}`, 400, `"type":["composite is not supported`},
		{"name", "PUT", "/a%20b", `{"type":"gauge"}`, 400, `"params":{"name":["\"a b\"; accepted`},
		{"another type", "PUT", "/cpu_temp", `{"type":"counter"}`, 422, `"request":["the metric \"Cpu_temp\" is a gauge"]`},
		{"several", "PUT", "/cpu_temp", `{"period":0,"attributes":{"color":1}}`, 400, `"params":{"attributes.color":["\"1\"; accepted: #RRGGBB"],"period":["\"0\"`},
		{"no object", "PUT", "/cpu_temp", `[]`, 400, `"request":["body: no JSON object`},
		{"not JSON", "PUT", "/cpu_temp", `{"a"}`, 400, `"request":["body: byte 4`},
		{"method", "POST", "/cpu_temp", "", 405, "method POST is not allowed for /v1/metrics/{name}; accepted: GET, PUT, DELETE, HEAD"},
		{"array for a property", "PUT", "/cpu_temp", `{"period":[1],"description":[2],"attributes":{"aggregate":{"a":3}}}`, 400,
			`"params":{"attributes.aggregate":["\"{\\\"a\\\":3}\"; accepted: true or false"],"description":["\"[2]\"; accepted: a text of at most 1024 bytes"],"period":["\"[1]\"; accepted`},
		{"attributes are a text", "PUT", "/cpu_temp", `{"attributes":"x"}`, 400, `"params":{"attributes":["\"x\"; accepted: an object"]}`},
		{"attributes are an array", "PUT", "/cpu_temp", `{"attributes":[1]}`, 400, `"params":{"attributes":["\"[1]\"; accepted: an object"]}`},
		{"attributes are null", "PUT", "/cpu_temp", `{"attributes":null}`, 204, ``},
	} {
		if w := d.ask(c.method, MetricsPath+c.path, c.body); w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
}

func TestListOfMetrics(t *testing.T) {
	d := newDesk(t)
	for _, name := range []string{"cpu.user", "CPU.idle", "disk"} {
		d.put(name, `{"type":"gauge"}`)
	}
	for _, c := range []struct{ query, want, about string }{
		{"", "CPU.idle cpu.user disk", `{"found":3,"length":3,"offset":0,"total":3}`},
		{"?name=cpu&sort=desc&orderby=name", "cpu.user CPU.idle", `{"found":2,"length":2,"offset":0,"total":3}`},
		{"?offset=1&length=1", "cpu.user", `{"found":3,"length":1,"offset":1,"total":3}`},
		{"?length=1000", "CPU.idle cpu.user disk", `{"found":3,"length":3,"offset":0,"total":3}`},
		{"?name=x", "", `{"found":0,"length":0,"offset":0,"total":3}`},
		{"?offset=9", "", `{"found":3,"length":0,"offset":9,"total":3}`},
	} {
		w := d.ask("GET", MetricsPath+c.query, "")
		var page struct {
			Query   json.RawMessage
			Metrics []attributes.Metric
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || page.Metrics == nil || string(page.Query) != c.about {
			t.Errorf("%s: %s, %v", c.query, w.Body, err)
		}
		var names []string
		for _, m := range page.Metrics {
			names = append(names, m.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: %s", c.query, got)
		}
	}
	for query, want := range map[string]string{
		"?offset=-1": `"offset":["\"-1\"; accepted`, "?length=x": `"length"`, "?orderby=age": `"orderby":["\"age\"; accepted: name"]`, "?sort=up": `"sort"`,
	} {
		if w := d.ask("GET", MetricsPath+query, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

func TestPagesHaveAtMostHundred(t *testing.T) {
	d := newDesk(t)
	var err error
	if d.book, err = attributes.Open(attributes.Config{MaxMetrics: 200, Period: 60}); err != nil {
		t.Fatal(err)
	}
	d.cfg.Book = d.book
	var all []*attributes.Metric
	for i := range 150 {
		m, err := d.book.New(fmt.Sprint("m", i), nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	if err := d.book.Create(all); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"", "?length=150"} {
		if w := d.ask("GET", MetricsPath+query, ""); !strings.Contains(w.Body.String(), `{"found":150,"length":100,"offset":0,"total":150}`) {
			t.Errorf("%.200s", w.Body)
		}
	}
}

func TestSeveralMetrics(t *testing.T) {
	d := newDesk(t)
	fill := func() {
		for _, name := range []string{"app.a", "app.b", "App.c", "disk"} {
			if d.book.Get(name) == nil {
				d.put(name, `{"type":"gauge"}`)
			}
		}
	}
	fill()
	const form = "application/x-www-form-urlencoded"
	for i, c := range []struct{ method, body, kind, changed, left string }{
		{"PUT", `{"names":"app.*","period":11}`, "", "app.a app.b App.c", ""},
		{"PUT", `{"names":["DISK","app.a","disk"],"period":12}`, "", "app.a disk", ""},
		{"PUT", `{"names":"app.*","exclude":["app.b","x"],"period":13,"attributes":{"aggregate":true}}`, "", "app.a App.c", ""},
		{"PUT", "names[]=app.a&names[]=disk&period=14", form, "app.a disk", ""},
		{"PUT", "names=*&exclude=app*&period=15", form, "disk", ""},
		{"PUT", `{"names":"none*","period":16}`, "", "", ""},
		{"DELETE", `{"names":["app.a"]}`, "", "", "app.b App.c disk"},
		{"DELETE", `{"names":"app.*","exclude":["app.c"]}`, "", "", "App.c disk"},
		{"DELETE", `names=a*`, form, "", "disk"},
		{"DELETE", `{"names":"none*"}`, "", "", "app.a app.b App.c disk"},
	} {
		fill()
		if c.method == "DELETE" && c.left != "" {
			for _, name := range []string{"app.a", "app.b", "App.c", "disk"} {
				d.add([]aggregator.Measurement{{Name: []byte(name + ";x=y")}})
			}
		}
		if w := d.ask(c.method, MetricsPath, c.body, "Content-Type", c.kind); w.Code != http.StatusNoContent || w.Body.Len() > 0 {
			t.Errorf("%d: %d %s", i, w.Code, w.Body)
		}
		var changed []string
		for _, m := range d.book.List(attributes.List{Length: 9}).Metrics {
			if m.Period == int64(11+i) {
				changed = append(changed, m.Name)
			}
		}
		if got := strings.Join(changed, " "); got != c.changed {
			t.Errorf("%d: changed are %q, want %q", i, got, c.changed)
		}
		if c.left != "" {
			if left := d.names(); left != c.left {
				t.Errorf("%d: left are %q, want %q", i, left, c.left)
			}
			for _, s := range d.series {
				if name, _, _ := strings.Cut(s, ";"); d.book.Get(name) == nil {
					t.Errorf("%d: %s is left", i, s)
				}
			}
		}
	}
	fill()
	if w := d.ask("DELETE", MetricsPath+"?names[]=app.a&names[]=disk", ""); w.Code != http.StatusNoContent || d.names() != "app.b App.c" {
		t.Error(w.Code, w.Body, d.names())
	}
	for body, want := range map[string]string{
		`{"period":5}`:              `"names":["is missing`,
		``:                          `"names":["is missing`,
		`{"names":[]}`:              `"names":["is missing`,
		`{"names":null}`:            `"names":["is missing`,
		`{"names":[1]}`:             `"names":["has what is no text: 1"]`,
		`{"names":{"a":1}}`:         `"names":["has what is no text: {\"a\":1}"]`,
		`{"names":"*","exclude":5}`: `"exclude":["has what is no text: 5"]`,
		// Each is compared with all metrics.
		`{"names":["x*"` + strings.Repeat(`,"x*"`, 100) + `]}`:                          `"names":["has one name with * too many; accepted: 100`,
		`{"names":["x*"` + strings.Repeat(`,"x*"`, 98) + `],"exclude":["a*","b","c*"]}`: `"exclude":["has one name with * too many`,
		`{"names":"` + strings.Repeat("*", 256) + `"}`:                                  `"names":["has a name with * of 256 bytes; accepted: at most 255"]`,
		`{"names":"*","period":"x"}`:                                                    `"period":["\"x\"; accepted`,
		`{"names":["app.b"],"type":"x"}`:                                                `"type":["\"x\"; accepted`,
		`{"names":["app.b"],"period":1}x`:                                               `"request":["body: byte`,
	} {
		if w := d.ask("PUT", MetricsPath, body); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	for _, method := range []string{"PUT", "DELETE"} {
		if w := d.ask(method, MetricsPath, `{"names":["app.b","nothing"],"period":77}`); w.Code != http.StatusNotFound || d.book.Get("app.b").Period == 77 {
			t.Error(w.Code, w.Body)
		}
	}
}

func TestDeletionDeletesData(t *testing.T) {
	d := newDesk(t)
	d.post(`{"measurements":[{"name":"M","value":1,"tags":{"a":"1"}},{"name":"m","value":1},{"name":"other","value":1}]}`)
	if w := d.ask("DELETE", MetricsPath+"/m", ""); w.Code != http.StatusNoContent || !slices.Equal(d.series, []string{"other"}) || d.names() != "other" {
		t.Error(w.Code, w.Body, d.series, d.names())
	}
	// It is made again, in another spelling.
	d.taken()
	d.post(`{"measurements":[{"name":"m","value":2}]}`)
	if diff := cmp.Diff([]string{"m @0 2"}, d.taken()); diff != "" || d.names() != "m other" {
		t.Error(diff, d.names())
	}
	// What cannot be deleted keeps its metric.
	d.post(`{"measurements":[{"name":"stuck","value":2}]}`)
	if w := d.ask("DELETE", MetricsPath+"/stuck", ""); w.Code != http.StatusInternalServerError || d.names() != "m other stuck" || !strings.Contains(d.log.String(), "the store is away") {
		t.Error(w.Code, w.Body, d.names())
	}
	d.API.Close()
	for _, method := range []string{"PUT", "DELETE"} {
		for _, path := range []string{"/m", ""} {
			if w := d.ask(method, MetricsPath+path, `{"names":["m"]}`); w.Code != http.StatusServiceUnavailable || d.book.Get("m") == nil {
				t.Error(method, path, w.Code, w.Body)
			}
		}
	}
	d = newDesk(t, func(c *Config, _ *api.Config) { c.Loaded = func() bool { return false } })
	d.post(`{"measurements":[{"name":"m","value":1}]}`)
	if w := d.ask("DELETE", MetricsPath+"/m", ""); w.Code != http.StatusServiceUnavailable || d.names() != "m" {
		t.Error(w.Code, w.Body)
	}
}

// Roles, and refusals before a handler is asked.
func TestAdmission(t *testing.T) {
	d := newDesk(t, keyed)
	one := `{"measurements":[{"name":"m","value":1}]}`
	for _, c := range []struct {
		method, path, body, role string
		status                   int
	}{
		{"POST", Path, one, "ingest", 202},
		{"POST", MetricsPath, `{"gauges":[{"name":"g","value":1}]}`, "ingest", 200},
		{"GET", MetricsPath, "", "read", 200},
		{"GET", MetricsPath + "/m", "", "read", 200},
		{"PUT", MetricsPath + "/m", "{}", "manage", 204},
		{"PUT", MetricsPath, `{"names":"m"}`, "manage", 204},
		{"DELETE", MetricsPath, `{"names":"m"}`, "manage", 204},
		{"DELETE", MetricsPath + "/g", "", "manage", 204},
	} {
		for _, key := range []string{"", "wrong", "read", "ingest", "manage"} {
			r := newRequest(t, c.method, c.path, c.body)
			if key != "" {
				r.SetBasicAuth("user@example.com", key)
			}
			want := http.StatusForbidden
			switch key {
			case "", "wrong":
				want = http.StatusUnauthorized
			case c.role:
				want = c.status
			}
			w := d.serve(r)
			if w.Code != want {
				t.Errorf("%s %s with the key %q: %d %s, want %d", c.method, c.path, key, w.Code, w.Body, want)
			}
			if want == http.StatusUnauthorized && (w.Header().Get("WWW-Authenticate") == "" || !strings.HasPrefix(w.Body.String(), `{"errors":{"request":["`)) {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
		}
	}
	if w := d.serve(newRequest(t, "HEAD", MetricsPath, "")); w.Code != http.StatusUnauthorized {
		t.Error(w.Code)
	}
}

func newRequest(t *testing.T, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.1:1"
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// The headers tell what is left of the rate.
func TestRateLimit(t *testing.T) {
	d := newDesk(t, func(_ *Config, c *api.Config) { c.Rate, c.Burst = 1, 3 })
	for i, want := range []string{"limit=3,remaining=2", "limit=3,remaining=1", "limit=3,remaining=0", "limit=3,remaining=0"} {
		w := d.post(`{"measurements":[{"name":"m","value":1}]}`)
		if got := w.Header().Get("X-Librato-RateLimit-Std"); got != want || w.Header().Get("X-Librato-RateLimit-Agg") != want {
			t.Errorf("request %d: %q, want %q", i, got, want)
		}
		if limited := i == 3; limited != (w.Code == http.StatusTooManyRequests) {
			t.Errorf("request %d: %d %s", i, w.Code, w.Body)
		} else if limited && (w.Header().Get("Retry-After") != "1" || !strings.HasPrefix(w.Body.String(), `{"error":"too many requests`)) {
			t.Errorf("%v %s", w.Header(), w.Body)
		}
	}
	if w := newDesk(t).ask("GET", MetricsPath, ""); w.Header().Get("X-Librato-RateLimit-Std") != "limit=2147483647,remaining=2147483647" {
		t.Error(w.Header())
	}
}
