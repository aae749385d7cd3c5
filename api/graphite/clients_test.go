package graphite

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Requests as clients send them. Their lines end in CR LF; LENGTH is that of
// the body.
const (
	grafanaBackend = `
Host: localhost:2080
User-Agent: Grafana/11.3.0
Content-Length: LENGTH
Content-Type: application/x-www-form-urlencoded
Accept-Encoding: gzip

`
	// What the browser asks for comes by way of Grafana's proxy.
	grafanaProxy = `
Host: localhost:2080
User-Agent: Grafana/11.3.0
Accept: application/json, text/plain, */*
Accept-Language: en-US,en;q=0.9
X-Forwarded-For: 10.0.0.7
X-Grafana-Org-Id: 1
Accept-Encoding: gzip

`
	graphiteWeb = `
Host: localhost:2080
Accept-Encoding: identity
User-Agent: python-urllib3/1.26.16

`
	graphiteWebPost = `
Host: localhost:2080
Accept-Encoding: identity
Content-Length: LENGTH
Content-Type: multipart/form-data; boundary=8c4b0be072ee688f2d96cbf6ee3bcc2d
User-Agent: python-urllib3/1.26.16

`
	carbonapiV3 = `
Host: localhost:2080
User-Agent: Go-http-client/1.1
Content-Length: LENGTH
Accept: application/x-carbonapi-v3-pb
X-Ctx-Carbonapi-Uuid: 3f1f2f4c-3f63-4be5-8c3f-6b8fd2a7f3b1
Accept-Encoding: gzip

`
	carbonapiAuto = `
Host: localhost:2080
User-Agent: Go-http-client/1.1
Accept: application/x-carbonapi-v3-pb
X-Ctx-Carbonapi-Uuid: 
Accept-Encoding: gzip

`
	carbonapiV2 = `
Host: localhost:2080
User-Agent: Go-http-client/1.1
Accept: application/x-protobuf
X-Ctx-Carbonapi-Uuid: 3f1f2f4c-3f63-4be5-8c3f-6b8fd2a7f3b1
Accept-Encoding: gzip

`
)

// client sends requests, each over a connection of its own.
type client struct {
	t    *testing.T
	addr string
}

func newClient(t *testing.T) *client {
	t.Helper()
	s := server(t, datapoints...)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		if err := s.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &client{t, ln.Addr().String()}
}

// ask sends a request and returns the body of the answer, which has status 200.
func (c *client) ask(line, head, body, contentType string) []byte {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	head = strings.ReplaceAll(line+" HTTP/1.1"+head, "\n", "\r\n")
	io.WriteString(conn, strings.Replace(head, "LENGTH", fmt.Sprint(len(body)), 1)+body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var r io.Reader = resp.Body
	if resp.Header.Get("Content-Encoding") == "gzip" {
		if r, err = gzip.NewReader(r); err != nil {
			c.t.Fatal(err)
		}
	}
	answer, err := io.ReadAll(r)
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != contentType {
		c.t.Fatalf("%s: %s, %v, %v: %s", line, resp.Status, err, resp.Header, answer)
	}
	return answer
}

func (c *client) equal(got, want any) {
	c.t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateNaNs()); d != "" {
		c.t.Errorf("(-want +got)\n%s", d)
	}
}

// grafanaSeries is what Grafana reads of a series.
type grafanaSeries struct {
	Target     string         `json:"target"`
	Tags       map[string]any `json:"tags"`
	DataPoints [][2]*float64  `json:"datapoints"`
}

func grafanaPoints(at int64, values ...float64) [][2]*float64 {
	var all [][2]*float64
	for i, v := range values {
		point := [2]*float64{&v, nil}
		if math.IsNaN(v) {
			point[0] = nil
		}
		t := float64(at + 60*int64(i))
		point[1] = &t
		all = append(all, point)
	}
	return all
}

func (c *client) json(into any, line, head, body string) {
	c.t.Helper()
	answer := c.ask(line, head, body, "application/json")
	d := json.NewDecoder(bytes.NewReader(answer))
	if err := d.Decode(into); err != nil || d.More() {
		c.t.Fatalf("%s: %v in %s", line, err, answer)
	}
}

func TestGrafana(t *testing.T) {
	t.Run("panel", func(t *testing.T) {
		c := newClient(t)
		const tail = "&target=aliasSub%28all.%2A%2C+%22%28%5E.%2A%24%29%22%2C+%22%5C1+A%22%29&until=1700000040"
		var series []grafanaSeries
		c.json(&series, "POST /render", grafanaBackend, "format=json&from=1699999919&maxDataPoints=1000"+tail)
		nan := math.NaN()
		c.equal(series, []grafanaSeries{
			{"all.count A", map[string]any{"name": "all.count"}, grafanaPoints(1699999920, 3.5, nan, 7)},
			{"all.time A", map[string]any{"name": "all.time"}, grafanaPoints(1699999920, nan, nan, nan)},
		})
		series = nil
		c.json(&series, "POST /render", grafanaBackend, "format=json&from=1699999919&maxDataPoints=2"+tail)
		if len(series) != 2 || len(series[0].DataPoints) > 2 {
			t.Errorf("with two points at most: %+v", series)
		}
	})
	t.Run("panel of a browser", func(t *testing.T) {
		var series []grafanaSeries
		head := strings.Replace(grafanaProxy, "X-Grafana", "Content-Length: LENGTH\nContent-Type: application/x-www-form-urlencoded\nX-Dashboard-Id: 3\nX-Panel-Id: 2\nX-Grafana", 1)
		c := newClient(t)
		c.json(&series, "POST /render", head,
			"target=aliasSub(all.count%2C%20%22(%5E.*%24)%22%2C%20%22%5C1%20A%22)&from=-15min&until=now&format=json&maxDataPoints=1423")
		if len(series) != 1 || series[0].Target != "all.count A" {
			t.Errorf("%+v", series)
		}
	})
	t.Run("health", func(t *testing.T) {
		c := newClient(t)
		var series []grafanaSeries
		c.json(&series, "POST /render", grafanaBackend, "format=json&from=1699996490&maxDataPoints=100&target=constantLine%28100%29&until=1700000090")
		if len(series) != 1 || series[0].Target != "100" || len(series[0].DataPoints) != 3 {
			t.Fatalf("%+v", series)
		}
		for i, at := range []float64{1699996490, 1699998290, 1700000090} {
			if p := series[0].DataPoints[i]; p[0] == nil || *p[0] != 100 || *p[1] != at {
				t.Errorf("%d: %v", i, p)
			}
		}
	})
	t.Run("variables", func(t *testing.T) {
		c := newClient(t)
		// As Grafana has it: what is not of these types ends its reading.
		type node struct {
			Text          string `json:"text"`
			ID            string `json:"id"`
			AllowChildren int    `json:"allowChildren"`
			Expandable    int    `json:"expandable"`
			Leaf          int    `json:"leaf"`
		}
		var nodes []node
		c.json(&nodes, "POST /metrics/find?from=1699996490&until=1700000090", grafanaBackend, "query=servers.%2A")
		c.equal(nodes, []node{{"web1", "servers.web1", 1, 1, 0}, {"web2", "servers.web2", 1, 1, 0}})
		var paths struct {
			Results []string `json:"results"`
		}
		c.json(&paths, "GET /metrics/expand?from=-6h&query=servers.%2A.%2A&until=now", grafanaProxy, "")
		c.equal(paths.Results, []string{"servers.web1.cpu", "servers.web2.mem"})
		var values []string
		c.json(&values, "GET /tags/autoComplete/tags?expr=name%3Ddisk.used&limit=10000&from=-6h&until=now", grafanaProxy, "")
		c.equal(values, []string{"dc", "host"})
		c.json(&values, "GET /tags/autoComplete/values?expr=dc%3Dx&expr=name%3Ddisk.used&tag=host&limit=10000&from=-6h&until=now", grafanaProxy, "")
		c.equal(values, []string{"a", "b"})
	})
	t.Run("editor", func(t *testing.T) {
		c := newClient(t)
		var functions map[string]struct {
			Name   string
			Params []struct{ Name, Type string }
		}
		c.json(&functions, "GET /functions", grafanaProxy, "")
		if f := functions["movingAverage"]; f.Name != "movingAverage" || len(f.Params) < 2 || f.Params[0].Type != "seriesList" {
			t.Errorf("%+v", f)
		}
		c.equal(string(c.ask("GET /version", grafanaProxy, "", "text/plain; charset=utf-8")), "1.1.10")
	})
	t.Run("annotations", func(t *testing.T) {
		c := newClient(t)
		var events []any
		c.json(&events, "GET /events/get_data?from=-6h&until=now&tags=deploy", grafanaProxy, "")
		c.equal(events, []any{})
	})
}

// A member of graphite-web's cluster: what it reads of the answers it reads with
// these keys, and anything but 200 makes it leave the member alone for a minute.
func TestGraphiteWeb(t *testing.T) {
	series := array{
		object{"name": "all.count", "pathExpression": "all.c*", "consolidationFunc": "sum", "valuesPerPoint": uint64(1), "xFilesFactor": 0.0,
			"start": uint64(1699999920), "end": uint64(1700000100), "step": uint64(60), "values": array{3.5, nil, 7.0}},
		object{"name": "all.load;dc=x", "pathExpression": `seriesByTag('dc=x','name=all.load')`, "consolidationFunc": "average", "valuesPerPoint": uint64(1), "xFilesFactor": 0.0,
			"start": uint64(1699999920), "end": uint64(1700000070), "step": uint64(30), "values": array{nil, nil, nil, 4.5, nil}},
	}
	nodes := array{
		object{"path": "servers.web1", "metric_path": "servers.web1", "is_leaf": false, "isLeaf": false},
		object{"path": "servers.web1", "metric_path": "servers.web1", "is_leaf": true, "isLeaf": true, "intervals": array{}},
		object{"path": "servers.web1.cpu", "metric_path": "servers.web1.cpu", "is_leaf": true, "isLeaf": true,
			"intervals": array{array{uint64(1699996490), uint64(1700000090)}}},
	}
	const (
		render = "&local=1&noCache=1&from=1699999919&until=1700000040&target=all.c%2A&target=seriesByTag%28%27dc%3Dx%27%2C%27name%3Dall.load%27%29&target=none.%2A&now=1700000090"
		branch = "&query=servers.web1&from=1699913690&until=1700000090"
		leaf   = "&query=servers.web1.%2A"
	)
	for format, c := range map[string]struct {
		contentType string
		read        func([]byte) any
	}{"pickle": {"application/pickle", readPickle}, "msgpack": {"application/x-msgpack", readMsgPack}} {
		t.Run(format, func(t *testing.T) {
			client := newClient(t)
			get := func(target string) any { return c.read(client.ask("GET "+target, graphiteWeb, "", c.contentType)) }
			client.equal(get("/render/?format="+format+render), series)
			client.equal(get("/render/?format="+format+"&local=1&noCache=1&from=1699999919&until=1700000040&target=none"), array{})
			// What cannot be read is unknown: after a 400 graphite-web asks nothing for a minute.
			client.equal(get("/render/?format="+format+render+"&target=a.b%2Cx&target=seriesByTag%28%27dc%3D~%5B%27%29"), series)
			client.equal(get("/metrics/find/?local=1&format="+format+branch), nodes[:2])
			client.equal(get("/metrics/find/?local=1&format="+format+leaf), nodes[2:])
			client.equal(get("/metrics/find/?local=1&format="+format+"&query=none"), array{})
		})
		t.Run(format+" by POST", func(t *testing.T) {
			client := newClient(t)
			const boundary = "8c4b0be072ee688f2d96cbf6ee3bcc2d"
			form := func(pairs ...string) string {
				var b strings.Builder
				for i := 0; i < len(pairs); i += 2 {
					fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", boundary, pairs[i], pairs[i+1])
				}
				return b.String() + "--" + boundary + "--\r\n"
			}
			client.equal(c.read(client.ask("POST /render/", graphiteWebPost, form("format", format, "local", "1", "noCache", "1",
				"from", "1699999919", "until", "1700000040", "target", "all.c*", "target", "seriesByTag('dc=x','name=all.load')", "now", "1700000090"), c.contentType)), series)
			client.equal(c.read(client.ask("POST /metrics/find/", graphiteWebPost, form("local", "1", "format", format, "query", "servers.web1.*"), c.contentType)), nodes[2:])
		})
	}
	t.Run("JSON", func(t *testing.T) {
		c := newClient(t)
		var names []string
		c.json(&names, "GET /metrics/index.json?local=1", graphiteWeb, "")
		c.equal(names, []string{"all.count", "all.time", "servers.web1", "servers.web1.cpu", "servers.web2.cpu", "servers.web2.mem"})
		c.json(&names, "GET /tags/autoComplete/tags?tagPrefix=&limit=100&local=1&expr=dc%3Dy", graphiteWeb, "")
		c.equal(names, []string{"host", "name", "rack"})
		c.json(&names, "GET /tags/autoComplete/values?tag=host&valuePrefix=&limit=100&local=1&expr=dc%3Dx", graphiteWeb, "")
		c.equal(names, []string{"a", "b"})
	})
}

var carbonapiWant = []carbonapiSeries{
	{"all.count", "all.count", 1699999920, 1700000100, 60, []float64{3.5, math.NaN(), 7}},
	{"all.load;dc=x", "seriesByTag('dc=x','name=all.load')", 1699999920, 1700000070, 30, []float64{math.NaN(), math.NaN(), math.NaN(), 4.5, math.NaN()}},
}

var carbonapiMatches = []carbonapiMatch{{"servers.web1", false}, {"servers.web1", true}}

const carbonapiTargets = "&from=1699999919&target=all.count&target=seriesByTag%28%27dc%3Dx%27%2C%27name%3Dall.load%27%29&target=none.%2A&until=1700000040"
