package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/openapi/openapitest"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/internal/stubborn"
	"github.com/coalesce-metrics/coalesce/keys"
)

// served returns the routes of a daemon that is not started.
func served(t *testing.T) []api.Route {
	t.Helper()
	dir := t.TempDir()
	cfg, problems := config.Load(write(t, dir, "coalesce.toml", fmt.Sprintf("rules = %q\ndata = \"\"\n[http]\nlisten = \"127.0.0.1:0\"\n", noRules(t))))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(cfg, slog.New(slog.DiscardHandler), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer d.abandon()
	w, err := d.newWeb()
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	return w.server.Routes()
}

func described(t *testing.T) []openapitest.Operation {
	t.Helper()
	spec, err := openapitest.Document()
	if err != nil {
		t.Fatal(err)
	}
	return spec.Operations()
}

// Every route is in the document with its role, and the document has no others. A
// route that answers for what is below it has a path for that, too.
func TestDocumentHasAllRoutes(t *testing.T) {
	routes := served(t)
	want := make(map[string]string) // role by method and path
	below := make(map[string]bool)
	for _, r := range routes {
		for _, method := range r.Methods {
			if method == http.MethodHead {
				continue
			}
			role := r.Role.String()
			if other, ok := r.Roles[method]; ok {
				role = other.String()
			}
			if r.Open {
				role = ""
			}
			want[method+" "+r.Path] = role
			if below[r.Path] = r.Below; r.Below {
				want[method+" "+r.Path+"/…"] = role
			}
		}
	}
	got := make(map[string]string)
	for _, op := range described(t) {
		path := op.Path
		if i := strings.LastIndex(path, "/{"); i > 0 && below[path[:i]] {
			path = path[:i] + "/…"
		}
		got[op.Method+" "+path] = op.Role
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-) and document (+) differ:\n%s", diff)
	}
}

// caller asks a daemon, and holds what is asked and answered to the document.
type caller struct {
	t    *testing.T
	d    *process
	key  string
	done map[string]bool // by method and path, those that were answered as asked
}

const formType = "application/x-www-form-urlencoded"

// call makes a request and returns the answer's body. The request is held to the
// document if it is to succeed.
func (c *caller) call(want int, method, path, contentType, body string) string {
	c.t.Helper()
	if want < 400 {
		openapitest.CheckRequest(c.t, method, path, contentType, []byte(body))
	}
	r, err := http.NewRequest(method, "http://"+c.d.address("http", "tcp")+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if c.key != "" {
		r.SetBasicAuth(c.key, "")
	}
	client := stubborn.Client(patience)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Error(err)
	}
	if resp.StatusCode != want {
		c.t.Errorf("%s %s: status %d, want %d: %.500s", method, path, resp.StatusCode, want, text)
	}
	openapitest.Check(c.t, method, path, resp.StatusCode, resp.Header.Get("Content-Type"), text)
	if want < 400 || method == "DELETE" && path == "/v1/aggregates/" { // which has no success
		c.done[c.operation(method, path)] = true
	}
	return string(text)
}

func (c *caller) operation(method, path string) string {
	c.t.Helper()
	spec, err := openapitest.Document()
	if err != nil {
		c.t.Fatal(err)
	}
	op, err := spec.Find(method, path)
	if err != nil {
		c.t.Fatal(err)
	}
	return op.Method + " " + op.Path
}

// get, form and json are the usual calls.
func (c *caller) get(path string)        { c.t.Helper(); c.call(200, "GET", path, "", "") }
func (c *caller) form(path, form string) { c.t.Helper(); c.call(200, "POST", path, formType, form) }
func (c *caller) json(want int, path, body string) string {
	c.t.Helper()
	return c.call(want, "POST", path, "application/json", body)
}

// Every operation of the document is answered by a daemon as the document has it.
func TestDocumentIsAnswered(t *testing.T) {
	t.Parallel()
	d := start(t, settings{rules: noRules(t), data: filepath.Join(t.TempDir(), "data")})
	c := &caller{t: t, d: d, done: make(map[string]bool)}
	c.operates()
	c.collects()
	c.asksGraphite()
	c.asksNode()
	c.makesRules()
	c.registersViews()
	c.sendsMeasurements()
	for _, op := range described(t) {
		if !c.done[op.Method+" "+op.Path] {
			t.Errorf("%s %s was not called", op.Method, op.Path)
		}
	}
	c.refusesMethods()
	d.stop()
}

func (c *caller) operates() {
	c.t.Helper()
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/heap"} {
		c.get(path)
	}
	c.call(301, "GET", "/debug/pprof", "", "")
	c.call(404, "GET", "/debug/pprof/none", "", "")
	c.call(200, "POST", "/debug/pprof/", "", "")
	c.call(301, "POST", "/debug/pprof", "", "")
	c.call(200, "POST", "/debug/pprof/symbol", "text/plain", "0x1")
	var doc struct{ Info struct{ Version string } }
	if err := json.Unmarshal([]byte(c.call(200, "GET", "/v1/openapi.json", "", "")), &doc); err != nil || doc.Info.Version != "v9.8.7" {
		c.t.Errorf("version %q, %v", doc.Info.Version, err)
	}
}

func (c *caller) collects() {
	c.t.Helper()
	at := time.Now().Unix()
	c.json(202, "/v1/collect", fmt.Sprintf(`[{"metric":"load","value":1.5,"tags":{"host":"a"},"timestamp":%d},{"metric":"load","value":2,"tags":{"host":"b"}}]`, at))
	c.json(202, "/v1/collect/", `{"metric":"servers.web1","value":3}`)
	c.json(400, "/v1/collect", `{"metric":"load"}`)
	c.json(413, "/v1/collect", strings.Repeat(" ", 4<<20+1))
	c.get("/v1/windows")
	c.get("/v1/windows/5m?metric=load&tag=host:a")
	c.get("/v1/windows/1h?metric=load&merge=1&end=" + fmt.Sprint(at+60))
	c.get("/v1/windows/1h?metric=none")
	c.call(400, "GET", "/v1/windows/7m?metric=load", "", "")
}

func (c *caller) asksGraphite() {
	c.t.Helper()
	for _, target := range []string{"load;host=a", "servers.*", "scale(constantLine(1e308),10)", "seriesByTag('name=load')|sumSeries()"} {
		q := url.Values{"target": {target}, "from": {"-10min"}, "format": {"json"}}.Encode()
		c.get("/render?" + q)
		c.form("/render", q+"&maxDataPoints=10&noNullPoints=true&tz=UTC")
	}
	for _, format := range []string{"raw", "csv", "pickle", "msgpack", "protobuf", "carbonapi_v3_pb"} {
		c.get("/render?target=servers.*&from=-10min&until=now&format=" + format)
	}
	c.call(400, "GET", "/render?target=servers.*", "", "")
	for _, path := range []string{"/metrics", "/metrics/find"} {
		for _, format := range []string{"treejson", "json", "completer", "nodelist", "pickle", "msgpack", "carbonapi_v2_pb", "carbonapi_v3_pb"} {
			c.get(path + "?wildcards=1&query=*&format=" + format)
		}
		c.get(path + "?query=none.*")
		c.form(path, "query=servers.*&leavesOnly=1")
		c.call(400, "POST", path, formType, "")
	}
	c.get("/metrics/expand?query=*&query=servers.*")
	c.form("/metrics/expand", "query[]=servers.*&groupByExpr=1")
	c.get("/functions?grouped=1")
	c.call(404, "GET", "/functions/none", "", "")
	for path, query := range map[string]string{
		"/metrics/index.json": "pretty=1", "/tags": "limit=5", "/tags/host": "filter=a", "/tags/findSeries": "expr=host=a",
		"/tags/autoComplete/tags": "tagPrefix=h&expr=name=load", "/tags/autoComplete/values": "tag=host&limit=1",
		"/functions": "group=Combine", "/functions/sumSeries": "", "/version": "", "/events/get_data": "", "/_internal/capabilities": "",
		"/info": "target=load;host=a",
	} {
		query = strings.ReplaceAll(query, ";", "%3B")
		c.get(path + "?" + query)
		c.form(path+"/", query)
	}
	c.get("/info?target=none")
	c.get("/functions?jsonp=f")
	c.call(400, "GET", "/tags/findSeries", "", "")
	c.form("/tags/tagSeries", "path=cpu%3Bhost=a%3Bdc=x")
	c.form("/tags/tagMultiSeries", "path=cpu%3Bhost=a&path=cpu%3Bhost=b")
	c.form("/tags/delSeries", "path=cpu%3Bhost=a")
}

func (c *caller) asksNode() {
	c.t.Helper()
	for _, message := range []string{
		`{"src":"c1","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}}`,
		`{"type":"record_metric","msg_id":2,"metric":"load","value":1,"tags":{"host":"a"}}`,
		`{"type":"aggregate_metric","msg_id":3,"metric":"load","aggregator":"sum","group_by":["host"],"hosts":["a","z"],"time_range":"1h"}`,
		`{"type":"aggregate_metric","metric":"load","aggregator":"p95","values":[1,2,3]}`,
		`{"type":"aggregate_metric","metric":"load","aggregator":"rollup","interval":"1m","aggregators":["avg","max"]}`,
		`{"type":"aggregate_metric","metric":"load","aggregator":"avg","rollup":"1h","group_by":["host"]}`,
		`{"type":"aggregate_metric","msg_id":4,"metric":"none","aggregator":"avg"}`,
	} {
		c.json(200, "/v1/query", message)
	}
	c.json(413, "/v1/query", strings.Repeat(" ", 16<<20+1))
}

func (c *caller) makesRules() {
	c.t.Helper()
	rule := ruleBody("servers.<host>", "hosts.<host>")
	c.json(200, "/v1/aggregates/test", rule)
	c.json(200, "/v1/aggregates/test", ruleBody("servers.(", "b"))
	c.json(400, "/v1/aggregates/test", "[]")
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(c.json(200, "/v1/aggregates/", rule)), &made); err != nil {
		c.t.Fatal(err)
	}
	c.json(409, "/v1/aggregates", rule)
	c.json(400, "/v1/aggregates", ruleBody("a.<x>.<x>", "b"))
	c.json(413, "/v1/aggregates", strings.Repeat(" ", 64<<10+1))
	c.get("/v1/aggregates")
	c.get("/v1/aggregates/" + made.ID)
	c.get("/v1/aggregates/none/")
	c.call(200, "DELETE", "/v1/aggregates/"+made.ID, "", "")
	c.call(412, "DELETE", "/v1/aggregates/"+made.ID, "", "")
	c.call(400, "DELETE", "/v1/aggregates/", "", "")
}

func (c *caller) registersViews() {
	c.t.Helper()
	const latency, calls = `{"name":"latency","measure":"rpc.ms","columns":["method"],"aggregation":{"type":"distribution","bounds":[0,1,10]}}`, `{"measure":"rpc/calls","aggregation":{"type":"count"}}`
	c.json(201, "/v1/measures", `{"name":"rpc.ms","unit":"ms","type":"int64"}`)
	c.json(200, "/v1/measures", `[{"name":"rpc.ms","unit":"ms","type":"int64"}]`)
	c.json(409, "/v1/measures", `{"name":"rpc.ms"}`)
	c.json(400, "/v1/measures", `{"name":""}`)
	c.json(201, "/v1/views", latency)
	c.json(201, "/v1/views/", "["+latency+","+calls+"]")
	c.json(200, "/v1/views", calls)
	c.json(409, "/v1/views", strings.Replace(latency, "10", "11", 1))
	c.json(400, "/v1/views", strings.Replace(latency, "distribution", "mean", 1))
	others := map[string]string{"spent": "sum", "latest": "last_value", "whole": "distribution"}
	for name, kind := range others {
		c.json(201, "/v1/views", fmt.Sprintf(`{"name":%q,"measure":"rpc.ms","columns":["method","host"],"aggregation":{"type":%q}}`, name, kind))
	}
	c.json(202, "/v1/collect", `[{"metric":"rpc.ms","value":5,"tags":{"method":"Get"}},{"metric":"rpc/calls","value":1}]`)
	for _, path := range []string{"/v1/views", "/v1/measures", "/v1/measures/rpc.ms", "/v1/views/latency", "/v1/views/rpc%2Fcalls", "/v1/views/latency/data", "/v1/views/rpc%2Fcalls/data"} {
		c.get(path)
	}
	for name := range others {
		if text := c.call(200, "GET", "/v1/views/"+name+"/data", "", ""); !strings.Contains(text, `"method":"Get"`) {
			c.t.Errorf("%s has not counted: %s", name, text)
		}
		c.call(204, "DELETE", "/v1/views/"+name, "", "")
	}
	c.call(409, "DELETE", "/v1/measures/rpc.ms", "", "")
	c.call(204, "DELETE", "/v1/views/latency", "", "")
	c.call(204, "DELETE", "/v1/measures/rpc.ms/", "", "")
	for _, path := range []string{"/v1/views/latency", "/v1/measures/rpc.ms"} {
		c.call(404, "GET", path, "", "")
		c.call(404, "DELETE", path, "", "")
	}
	c.call(404, "GET", "/v1/views/latency/data", "", "")
}

func (c *caller) sendsMeasurements() {
	c.t.Helper()
	at := time.Now().Unix()
	c.json(202, "/v1/measurements", fmt.Sprintf(`{"tags":{"host":"a"},"time":%d,"measurements":[{"name":"app.load","value":1.5},{"name":"app.load","value":2,"tags":{"host":"b"}}]}`, at))
	c.json(202, "/v1/measurements/", `{"measurements":[{"name":"app.ms","count":2,"sum":4,"min":1,"max":3,"stddev":1,"period":10,"attributes":{"aggregate":true}}]}`)
	c.json(400, "/v1/measurements", `{"measurements":[{"name":"app.load"}]}`)
	c.json(400, "/v1/measurements", `{`)
	c.json(413, "/v1/measurements", strings.Repeat(" ", 5<<20+1))
	c.call(415, "POST", "/v1/measurements", "text/plain", `{}`)
	c.json(200, "/v1/metrics", `{"gauges":{"app.temp":{"value":3}},"counters":[{"name":"app.hits","value":5}],"source":"a"}`)
	c.form("/v1/metrics", "gauges[0][name]=app.temp&gauges[0][value]=4&source=b")
	for _, query := range []string{"", "&tags[host]=b", "&summary_function=all", "&group_by=host&group_by_function=sum&tags=*", "&tags_search=host=a"} {
		c.get("/v1/measurements/app.load?resolution=60&duration=600" + query)
	}
	c.call(400, "GET", "/v1/measurements/app.load", "", "")
	c.call(404, "GET", "/v1/measurements/none?resolution=60&duration=600", "", "")
	c.get("/v1/metrics?name=app&offset=1&length=2&sort=desc&orderby=name")
	c.call(400, "GET", "/v1/metrics?sort=up", "", "")
	c.get("/v1/metrics/APP.load")
	c.call(404, "GET", "/v1/metrics/none", "", "")
	c.call(201, "PUT", "/v1/metrics/app.new", "application/json", `{"type":"gauge","period":30,"attributes":{"aggregate":true,"color":"#ff8800","display_max":null}}`)
	c.call(204, "PUT", "/v1/metrics/app.new/", formType, "display_name=new&attributes[aggregate]=false")
	c.call(400, "PUT", "/v1/metrics/app.other", "application/json", `{"period":30}`)
	c.call(422, "PUT", "/v1/metrics/app.new", "application/json", `{"type":"counter"}`)
	c.call(204, "PUT", "/v1/metrics", "application/json", `{"names":"app.*","exclude":["app.hits"],"description":"of the test"}`)
	c.call(400, "PUT", "/v1/metrics", "application/json", `{"period":30}`)
	c.call(404, "PUT", "/v1/metrics", "application/json", `{"names":["none"],"period":30}`)
	c.call(204, "DELETE", "/v1/metrics/app.new", "", "")
	c.call(404, "DELETE", "/v1/metrics/app.new", "", "")
	c.call(204, "DELETE", "/v1/metrics", "application/json", `{"names":["app.load","app.t*"]}`)
	c.call(204, "DELETE", "/v1/metrics", formType, "names[]=app.hits")
	c.call(404, "DELETE", "/v1/metrics", formType, "names[]=app.hits")
}

// refusesMethods asks for each path by the methods that it has not.
func (c *caller) refusesMethods() {
	c.t.Helper()
	accepted := make(map[string][]string)
	for _, op := range described(c.t) {
		accepted[op.Path] = append(accepted[op.Path], op.Method)
	}
	for path, methods := range accepted {
		if slices.Contains(methods, http.MethodGet) {
			methods = append(methods, http.MethodHead)
		}
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			if slices.Contains(methods, method) {
				continue
			}
			resp := c.send(method, path)
			allow := strings.Split(resp.Header.Get("Allow"), ", ")
			slices.Sort(allow)
			slices.Sort(methods)
			if resp.StatusCode != http.StatusMethodNotAllowed || !slices.Equal(allow, methods) {
				c.t.Errorf("%s %s: status %d, Allow %q, want 405 and %q", method, path, resp.StatusCode, allow, methods)
			}
		}
	}
}

var inPath = regexp.MustCompile(`\{[^}]*\}`)

// send makes a request to a path of the document, with "none" for what varies in
// it, and throws the answer's body away.
func (c *caller) send(method, path string) *http.Response {
	c.t.Helper()
	path = inPath.ReplaceAllString(path, "none")
	r, err := http.NewRequest(method, "http://"+c.d.address("http", "tcp")+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.key != "" {
		r.SetBasicAuth(c.key, "")
	}
	resp, err := stubborn.Client(patience).Transport.RoundTrip(r)
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// A daemon with keys wants for each operation the role that the document has.
func TestDocumentHasRoles(t *testing.T) {
	t.Parallel()
	var config strings.Builder
	byRole := make(map[string]string)
	for _, role := range []keys.Role{keys.Read, keys.Ingest, keys.Manage} {
		key := keys.Generate()
		byRole[role.String()] = key
		fmt.Fprintf(&config, "[[key]]\nname = %q\nhash = %q\nroles = [%[1]q]\n", role, keys.Sum(key))
	}
	d := start(t, settings{rules: noRules(t), config: config.String()})
	for _, op := range described(t) {
		c := &caller{t: t, d: d}
		if resp := c.send(op.Method, op.Path); (resp.StatusCode == http.StatusUnauthorized) != (op.Role != "") {
			t.Errorf("%s %s without a key: status %d, role %q", op.Method, op.Path, resp.StatusCode, op.Role)
		}
		for role, key := range byRole {
			c.key = key
			resp := c.send(op.Method, op.Path)
			if refused := op.Role != "" && op.Role != role; (resp.StatusCode == http.StatusForbidden) != refused || resp.StatusCode == http.StatusUnauthorized {
				t.Errorf("%s %s with the role %s: status %d, role in the document %q", op.Method, op.Path, role, resp.StatusCode, op.Role)
			}
		}
	}
	d.stop()
}
