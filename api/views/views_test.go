package views

import (
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/openapi/openapitest"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/keys"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/coalesce-metrics/coalesce/views"
)

// site serves the routes over a registry.
type site struct {
	t        testing.TB
	registry *views.Registry
	rows     []aggregator.ViewRow // of every view
	now      int64
	http.Handler
}

func newSite(t testing.TB, set *keys.Set) *site {
	s := &site{t: t, now: 1700000000}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	s.registry, err = views.Open(views.Config{
		Max: 4, MaxRows: 10, Logger: quiet,
		Measures: []views.Measure{{Name: "configured", Unit: "s", Type: views.Double}},
		Apply:    func([]*rules.Rule) {},
		Rows:     func(string) []aggregator.ViewRow { return s.rows },
		Now:      func() time.Time { return time.Unix(s.now, 5e8) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Handler, err = api.New(api.Config{Logger: quiet, Keys: set, Routes: Routes(Config{Registry: s.registry, Logger: quiet})}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) ask(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost"
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// want asks and compares the answer; a body that ends in … is its beginning.
func (s *site) want(method, path, body string, status int, want string) {
	s.t.Helper()
	w := s.ask(method, path, body)
	got := strings.TrimSpace(w.Body.String())
	start, cut := strings.CutSuffix(want, "…")
	if w.Code != status || !(got == want || cut && strings.HasPrefix(got, start)) {
		s.t.Errorf("%s %s %.200s: %d\n%s\nwant %d\n%s", method, path, body, w.Code, got, status, want)
	}
	openapitest.Check(s.t, method, path, w.Code, w.Header().Get("Content-Type"), w.Body.Bytes())
	if status < 300 {
		openapitest.CheckRequest(s.t, method, path, "application/json", []byte(body))
	}
}

const (
	latency   = `{"name":"latency","measure":"rpc.ms","columns":["zone","method"],"aggregation":{"type":"distribution","bounds":[0,1,10]}}`
	latencyIs = `{"name":"latency","description":"","measure":"rpc.ms","columns":["method","zone"],"aggregation":{"type":"distribution","bounds":[1,10]}}`
	callsIs   = `{"name":"rpc.calls","description":"how many","measure":"rpc.calls","columns":[],"aggregation":{"type":"count"}}`
)

func TestLifeOfAView(t *testing.T) {
	s := newSite(t, nil)
	s.want("GET", "/v1/views", "", 200, "[]")
	s.want("POST", "/v1/views", latency, 201, latencyIs)
	s.want("POST", "/v1/views/", latency, 200, latencyIs)
	s.want("POST", "/v1/views", strings.Replace(latency, "10]", "11]", 1), 409, `{"error":"view \"latency\" is registered with bounds [1 10], not [1 11]; …`)
	s.want("POST", "/v1/views", strings.Replace(latency, `"zone",`, "", 1), 409, `{"error":"view \"latency\" is registered with columns [\"method\",\"zone\"], not [\"method\"]; …`)
	s.want("POST", "/v1/views", strings.Replace(latency, "{", `{"description":"it took, or not",`, 1), 409, `{"error":"view \"latency\" is registered with description \"\", not \"it took, or not\"; …`)
	s.want("GET", "/v1/views/latency", "", 200, latencyIs)
	calls := `{"measure":"rpc.calls","description":"how many","columns":null,"aggregation":{"type":"count","bounds":null}}`
	s.want("POST", "/v1/views", "["+latency+","+calls+"]", 201, "["+latencyIs+","+callsIs+"]")
	s.want("POST", "/v1/views", "["+calls+"]", 200, "["+callsIs+"]")
	// What is listed can be registered again.
	s.want("POST", "/v1/views", "["+latencyIs+","+callsIs+"]", 200, "["+latencyIs+","+callsIs+"]")
	s.want("GET", "/v1/views/", "", 200, "["+latencyIs+","+callsIs+"]")
	s.want("DELETE", "/v1/views/latency", "", 204, "")
	s.want("DELETE", "/v1/views/latency/", "", 404, `{"error":"no view has the name \"latency\"…`)
	s.want("GET", "/v1/views/latency", "", 404, `{"error":"no view has the name \"latency\"; accepted: those that /v1/views lists"}`)
	s.want("GET", "/v1/views/latency/data", "", 404, `{"error":"no view has the name \"latency\"…`)
	s.want("GET", "/v1/views", "", 200, "["+callsIs+"]")
}

func TestMeasures(t *testing.T) {
	s := newSite(t, nil)
	const configured, ms = `{"name":"configured","description":"","unit":"s","type":"double"}`, `{"name":"ms","description":"d","unit":"ms","type":"int64"}`
	s.want("GET", "/v1/measures", "", 200, "["+configured+"]")
	s.want("POST", "/v1/measures", ms, 201, ms)
	s.want("POST", "/v1/measures", ms, 200, ms)
	s.want("POST", "/v1/measures/", "["+ms+"]", 200, "["+ms+"]")
	s.want("POST", "/v1/measures", `{"name":"ms"}`, 409, `{"error":"measure \"ms\" has the unit \"ms\", not \"1\"; …`)
	s.want("POST", "/v1/measures", `{"name":"plain"}`, 201, `{"name":"plain","description":"","unit":"1","type":"double"}`)
	s.want("GET", "/v1/measures/ms", "", 200, ms)
	s.want("GET", "/v1/measures/none", "", 404, `{"error":"no measure has the name \"none\"; accepted: those that /v1/measures lists"}`)
	s.want("POST", "/v1/views", `{"measure":"implied","aggregation":{"type":"sum"}}`, 201, "…")
	s.want("GET", "/v1/measures/implied", "", 200, `{"name":"implied","description":"","unit":"1","type":"double"}`)
	s.want("DELETE", "/v1/measures/configured", "", 409, `{"error":"measure \"configured\" is of the configuration; …`)
	s.want("DELETE", "/v1/measures/implied", "", 409, `{"error":"measure \"implied\" has 1 views; …`)
	s.want("DELETE", "/v1/measures/ms", "", 204, "")
	s.want("DELETE", "/v1/measures/ms", "", 404, `{"error":"no measure has the name \"ms\"; …`)
}

// Names are any printable ASCII, which paths have in percent-encoding.
func TestNames(t *testing.T) {
	s := newSite(t, nil)
	for _, name := range []string{"grpc.io/latency", "a b", "100%", "?#[]", "..", ".", "a/data", "//", `"\`, "+", "%2F", "data", strings.Repeat("/", 255)} {
		text, _ := json.Marshal(name)
		body := `{"name":` + string(text) + `,"measure":"m","aggregation":{"type":"sum"}}`
		s.want("POST", "/v1/views", body, 201, `{"name":`+string(text)+`,"…`)
		path := "/v1/views/" + strings.ReplaceAll(url.PathEscape(name), ".", "%2E")
		s.want("GET", path, "", 200, `{"name":`+string(text)+`,"…`)
		s.want("GET", path+"/data", "", 200, `{"view":{"name":`+string(text)+`,"…`)
		s.want("POST", "/v1/measures", `{"name":`+string(text)+`,"unit":"By"}`, 201, "…")
		s.want("GET", strings.Replace(path, "views", "measures", 1), "", 200, `{"name":`+string(text)+`,"description":"","unit":"By","type":"double"}`)
		s.want("DELETE", strings.Replace(path, "views", "measures", 1), "", 204, "")
		s.want("DELETE", path+"/", "", 204, "")
	}
}

func TestRefused(t *testing.T) {
	s := newSite(t, nil)
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`,{"name":"` + string(rune('a'+i)) + `","measure":"m","aggregation":{"type":"sum"}}`)
		}
		return "[" + b.String()[1:] + "]"
	}
	s.want("POST", "/v1/views", `{"name":"taken","measure":"m","aggregation":{"type":"sum"}}`, 201, "…")
	with := func(text string) string { return `{"name":"v","measure":"m",` + text + `}` }
	of := func(text string) string { return with(`"aggregation":` + text) }
	for name, c := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"no JSON":              {"views", `name=v`, 400, "body: not JSON: "},
		"nothing":              {"views", ``, 400, "body: not JSON"},
		"half":                 {"views", `{"name":"v"`, 400, "body: not JSON"},
		"more behind":          {"views", of(`{"type":"sum"}`) + ` x`, 400, "body: not JSON"},
		"not UTF-8":            {"views", "{\"name\":\"\xff\"}", 400, "body: not UTF-8"},
		"text":                 {"views", `"v"`, 400, `body: \"v\" is no object; accepted: a JSON object such as {\"name\":\"latency\",`},
		"null":                 {"views", `null`, 400, "body: null is no object"},
		"array of arrays":      {"views", `[[]]`, 400, "element 0: [] is no object"},
		"array with null":      {"views", `[` + of(`{"type":"sum"}`) + `,null]`, 400, "element 1: null is no object"},
		"empty array":          {"views", ` [ ] `, 400, "body: an empty array"},
		"no measure":           {"views", `{"name":"v","aggregation":{"type":"sum"}}`, 400, "measure is missing"},
		"null measure":         {"views", `{"measure":null,"aggregation":{"type":"sum"}}`, 400, "measure is missing"},
		"no aggregation":       {"views", `{"name":"v","measure":"m"}`, 400, "aggregation is missing"},
		"no type":              {"views", of(`{}`), 400, "aggregation has no type; accepted: an object such as"},
		"aggregation as text":  {"views", of(`"sum"`), 400, `aggregation is \"sum\"; accepted: an object`},
		"mean":                 {"views", of(`{"type":"mean"}`), 400, "aggregation: mean is none; accepted: distribution without bounds, which has count and mean"},
		"mean, of several":     {"views", `[` + of(`{"type":"sum"}`) + `,` + of(`{"type":"mean"}`) + `]`, 400, "element 1: aggregation: mean"},
		"unknown type":         {"views", of(`{"type":"histogram"}`), 400, `aggregation: \"histogram\" is none; accepted: count, sum, last_value, distribution`},
		"type as number":       {"views", of(`{"type":1}`), 400, "aggregation: type is 1; accepted: a text"},
		"bounds as text":       {"views", of(`{"type":"distribution","bounds":"1"}`), 400, `bounds is \"1\"; accepted: an array of numbers`},
		"bound as text":        {"views", of(`{"type":"distribution","bounds":[1,"2"]}`), 400, `bounds: \"2\" is no number`},
		"bound is null":        {"views", of(`{"type":"distribution","bounds":[null]}`), 400, `bounds: null is no number`},
		"infinite bound":       {"views", of(`{"type":"distribution","bounds":[1e999]}`), 400, "bounds: +Inf is not finite"},
		"negative bound":       {"views", of(`{"type":"distribution","bounds":[-1]}`), 400, "bounds: -1 is below 0"},
		"unsorted":             {"views", of(`{"type":"distribution","bounds":[2,1]}`), 400, "bounds: 1 comes after 2"},
		"bounds of a count":    {"views", of(`{"type":"count","bounds":[1]}`), 400, "bounds: count has none"},
		"unknown key":          {"views", with(`"colums":["a"],"aggregation":{"type":"sum"}`), 400, `unknown key \"colums\"; accepted: name, description, measure, columns, aggregation`},
		"capital":              {"views", with(`"Columns":["a"],"aggregation":{"type":"sum"}`), 400, `unknown key \"Columns\"`},
		"unknown key inside":   {"views", of(`{"type":"sum","bound":[]}`), 400, `aggregation: unknown key \"bound\"; accepted: type, bounds`},
		"columns as text":      {"views", with(`"columns":"a","aggregation":{"type":"sum"}`), 400, `columns is \"a\"; accepted: an array of texts`},
		"column as number":     {"views", with(`"columns":["a",1],"aggregation":{"type":"sum"}`), 400, `columns is [\"a\",1]; accepted`},
		"column is null":       {"views", with(`"columns":[null],"aggregation":{"type":"sum"}`), 400, `columns is [null]; accepted`},
		"column twice":         {"views", with(`"columns":["a","a"],"aggregation":{"type":"sum"}`), 400, `columns: \"a\" is there twice`},
		"empty name":           {"views", `{"name":"","measure":"m","aggregation":{"type":"sum"}}`, 400, "name is empty"},
		"name as number":       {"views", `{"name":1,"measure":"m","aggregation":{"type":"sum"}}`, 400, "name is 1; accepted: a text"},
		"odd name":             {"views", `{"name":"ü","measure":"m","aggregation":{"type":"sum"}}`, 400, `name: \"ü\" is no name; accepted: 1 to 255 characters of printable ASCII`},
		"same node":            {"views", `{"name":"taken","measure":"m","aggregation":{"type":"count"}}`, 409, `view \"taken\" is registered with aggregation sum, not count`},
		"many":                 {"views", many(4), 409, "there would be 5 views; accepted: at most 4"},
		"large":                {"views", strings.Repeat(" ", 1<<20) + "{}", 413, "body: more than 1048576 bytes"},
		"measure without name": {"measures", `{"unit":"1"}`, 400, "name is missing"},
		"measure, type":        {"measures", `{"name":"m2","type":"float"}`, 400, `type: \"float\" is no type of a measure; accepted: int64, double`},
		"measure, unit":        {"measures", `[{"name":"m2"},{"name":"m3","unit":""}]`, 400, `element 1: unit: \"\" is no unit`},
		"measure, key":         {"measures", `{"name":"m2","kind":"x"}`, 400, `unknown key \"kind\"; accepted: name, description, unit, type`},
		"measure, implied":     {"measures", `{"name":"m","unit":"ms"}`, 409, `measure \"m\" has the unit \"1\", not \"ms\"`},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.want("POST", "/v1/"+c.path, c.body, c.status, `{"error":"`+c.want+"…")
		})
	}
	s.t = t
	s.want("GET", "/v1/views", "", 200, `[{"name":"taken","description":"","measure":"m","columns":[],"aggregation":{"type":"sum"}}]`)
	if err := s.registry.Close(); err != nil {
		t.Fatal(err)
	}
	s.want("DELETE", "/v1/views/taken", "", 500, `{"error":"the daemon is stopping"}`)
}

func TestData(t *testing.T) {
	s := newSite(t, nil)
	s.want("POST", "/v1/views", `{"name":"rpc_latency_by_method","description":"<d>","measure":"grpc.io/latency","columns":["method"],"aggregation":{"type":"distribution","bounds":[1,10]}}`, 201, "…")
	const view = `{"view":{"name":"rpc_latency_by_method","description":"<d>","measure":"grpc.io/latency","columns":["method"],"aggregation":{"type":"distribution","bounds":[1,10]}},` +
		`"start_time":1700000000,"end_time":1700000060,"rows":[`
	s.now += 60
	s.want("GET", "/v1/views/rpc_latency_by_method/data", "", 200, view+"]}")
	var c, unknown cell.Cell
	for _, v := range []float64{0.5, 3, 12.5} {
		c.Add(v, 1700000003)
	}
	unknown = cell.Cell{Count: 2, Sum: 4, Min: 1, Max: 3, M2: math.NaN()}
	s.rows = []aggregator.ViewRow{
		{Tags: []string{"Put"}, Began: 1700000004.9, Cell: unknown, Counts: []int64{0, 2, 0}, Approximate: true},
		{Tags: []string{"Get"}, Began: 1700000003, Cell: c, Counts: []int64{1, 1, 1}},
		{Tags: []string{""}, Began: 1700000005, Cell: c, Counts: []int64{1, 1, 1}},
		{Overflow: true, Began: 1700000005, Cell: c, Counts: []int64{1, 1, 1}},
	}
	const of = `"data":{"count":3,"sum":16,"mean":5.333333333333333,"min":0.5,"max":12.5,"sum_of_squared_deviation":80.16666666666667,"bounds":[1,10],"bucket_counts":[1,1,1]}}`
	s.want("GET", "/v1/views/rpc_latency_by_method/data", "", 200, view+
		`{"tags":{},"start_time":1700000005,`+of+`,{"tags":{"method":"Get"},"start_time":1700000003,`+of+
		`,{"tags":{"method":"Put"},"start_time":1700000004,"data":{"count":2,"sum":4,"mean":2,"min":1,"max":3,"sum_of_squared_deviation":null,"bounds":[1,10],"bucket_counts":[0,2,0]},"approximate":true}`+
		`,{"tags":{"method":"__overflow__"},"start_time":1700000005,`+of+`]}`)

	s.rows = []aggregator.ViewRow{{Began: 1700000005, Cell: c}}
	for aggregation, want := range map[string]string{
		"count": `{"count":3}`, "sum": `{"sum":16}`, "last_value": `{"last_value":12.5}`,
		"distribution": `{"count":3,"sum":16,"mean":5.333333333333333,"min":0.5,"max":12.5,"sum_of_squared_deviation":80.16666666666667,"bounds":[],"bucket_counts":[]}`,
	} {
		s.want("POST", "/v1/views", `{"name":"v","measure":"m","aggregation":{"type":"`+aggregation+`"}}`, 201, "…")
		w := s.ask("GET", "/v1/views/v/data", "")
		var answer struct{ Rows json.RawMessage }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(`[{"tags":{},"start_time":1700000005,"data":`+want+`}]`, string(answer.Rows)); diff != "" {
			t.Errorf("%s: %s", aggregation, diff)
		}
		s.want("DELETE", "/v1/views/v", "", 204, "")
	}
}

// Reading needs the role read, and nothing else does.
func TestRoles(t *testing.T) {
	var list []keys.Key
	for name, role := range map[string]keys.Role{"read": keys.Read, "ingest": keys.Ingest, "manage": keys.Manage} {
		list = append(list, keys.Key{Name: name, Roles: keys.Roles(0).With(role), Hash: keys.Sum(name)})
	}
	set, err := keys.NewSet(list)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, set)
	for _, c := range []struct {
		method, path, body string
		role               string
		status             int
	}{
		{"POST", "/v1/views", latency, "manage", 201}, {"GET", "/v1/views", "", "read", 200}, {"HEAD", "/v1/views/", "", "read", 200},
		{"GET", "/v1/views/latency", "", "read", 200}, {"GET", "/v1/views/latency/data", "", "read", 200},
		{"DELETE", "/v1/views/latency", "", "manage", 204}, {"POST", "/v1/measures", `{"name":"m"}`, "manage", 201},
		{"GET", "/v1/measures", "", "read", 200}, {"GET", "/v1/measures/m", "", "read", 200}, {"DELETE", "/v1/measures/m", "", "manage", 204},
	} {
		for _, key := range []string{"read", "ingest", "manage"} {
			if key == c.role {
				continue
			}
			if got := s.askAs(key, c.method, c.path, c.body).Code; got != 403 {
				t.Errorf("%s %s with the role %s: %d", c.method, c.path, key, got)
			}
		}
		if got := s.askAs(c.role, c.method, c.path, c.body).Code; got != c.status {
			t.Errorf("%s %s with the role %s: %d", c.method, c.path, c.role, got)
		}
	}
	if got := s.ask("GET", "/v1/views", "").Code; got != 401 {
		t.Error(got)
	}
}

func (s *site) askAs(key, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.SetBasicAuth(key, "")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestMethods(t *testing.T) {
	s := newSite(t, nil)
	for _, c := range []struct{ method, path, allow string }{
		{"PUT", "/v1/views", "GET, POST, HEAD"}, {"DELETE", "/v1/measures/", "GET, POST, HEAD"},
		{"POST", "/v1/views/v", "GET, DELETE, HEAD"}, {"PUT", "/v1/measures/m", "GET, DELETE, HEAD"}, {"POST", "/v1/views/v/data", "GET, HEAD"},
	} {
		w := s.ask(c.method, c.path, "{}")
		if got := w.Header().Get("Allow"); w.Code != 405 || got != c.allow {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.path, w.Code, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{latency, "[" + latencyIs + "," + callsIs + "]", `{"name":"\u0000\ud800","measure":[]}`, `null`, `[]`, `{`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		list, single, err := parseBody(body, viewExample, parseView)
		switch {
		case err != nil && (len(list) > 0 || strings.Contains(err.Error(), "%!")):
			t.Errorf("%q: %v, %v", body, list, err)
		case err == nil && (len(list) == 0 || single && len(list) != 1 || !json.Valid(body)):
			t.Errorf("%q: %v", body, list)
		}
	})
}
