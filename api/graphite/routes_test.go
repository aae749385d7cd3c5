package graphite

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/catalog"
)

func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"Fetch":    func(c *Config) { c.Fetch = nil },
		"Names":    func(c *Config) { c.Names = nil },
		"Now":      func(c *Config) { c.Now = nil },
		"Logger":   func(c *Config) { c.Logger = nil },
		"MaxNames": func(c *Config) { c.MaxNames = 0 },
	} {
		cfg := newConfig(t)
		change(&cfg)
		if _, err := Routes(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// /metrics is Prometheus' as well.
func TestMetricsShared(t *testing.T) {
	other := api.Route{Path: "/metrics", Methods: []string{"GET"}, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "numbers")
	})}
	first := api.Route{Path: "/first", Methods: []string{"GET"}, Handler: other.Handler}
	s := newServer(t, newConfig(t), first, other)
	for name, c := range map[string]struct{ method, target, form, want string }{
		"scrape":          {"GET", "/metrics", "", "numbers"},
		"scrape, slash":   {"GET", "/metrics/", "", "numbers"},
		"scrape of a set": {"GET", "/metrics?name[]=up", "", "numbers"},
		"browse":          {"GET", "/metrics?query=none", "", "[]"},
		"browse, slash":   {"GET", "/metrics/?format=treejson&query=none", "", "[]"},
		"browse, tagged":  {"GET", "/metrics?query=none;a=b", "", "[]"},
		"browse by form":  {"POST", "/metrics", "query=none", "[]"},
		"the others stay": {"GET", "/first", "", "numbers"},
	} {
		if w := do(s, c.method, c.target, c.form, "Content-Type", formType); w.Code != 200 || w.Body.String() != c.want {
			t.Errorf("%s: %d %s; want %s", name, w.Code, w.Body, c.want)
		}
	}
}

func TestStatic(t *testing.T) {
	s := server(t)
	testPages(t, s, "text/plain; charset=utf-8", map[string]pageCase{
		"version":        {target: "/version", want: "1.1.10"},
		"version, slash": {target: "/version/", want: "1.1.10"},
		"version, post":  {target: "/version", form: "x=y", want: "1.1.10"},
	})
	testPages(t, s, "application/json", map[string]pageCase{
		"events": {target: "/events/get_data?from=-1h&until=now&tags=deploy", want: "[]"},
	})
}

// Long answers are compressed, and only for those who take that.
func TestCompression(t *testing.T) {
	cfg := newConfig(t)
	cfg.Names = catalog.New(1000)
	for i := range 500 {
		name := fmt.Sprintf("a.long.name.%d", i)
		cfg.Names.Add(name, catalog.Entry{Series: name}, 0)
	}
	s := newServer(t, cfg)
	for name, c := range map[string]struct{ target, accept, want string }{
		"long":           {"/metrics/index.json", "gzip", "gzip"},
		"long, Chrome's": {"/metrics/index.json", "gzip, deflate, br, zstd", "gzip"},
		"long, at once":  {"/functions", "gzip", "gzip"},
		"short":          {"/version", "gzip", ""},
		"not accepted":   {"/metrics/index.json", "identity", ""},
		"refused":        {"/metrics/index.json", "gzip;q=0", ""},
		"nothing said":   {"/metrics/index.json", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := get(s, c.target, "Accept-Encoding", c.accept)
			if got := w.Header().Get("Content-Encoding"); got != c.want || w.Header().Get("Vary") != "Accept-Encoding" {
				t.Fatalf("%q, %v", got, w.Header())
			}
			plain := get(s, c.target).Body.String()
			body := io.Reader(w.Body)
			if c.want == "gzip" {
				if w.Body.Len() > len(plain)/2 {
					t.Errorf("%d bytes of %d", w.Body.Len(), len(plain))
				}
				var err error
				if body, err = gzip.NewReader(body); err != nil {
					t.Fatal(err)
				}
			}
			if b, err := io.ReadAll(body); err != nil || string(b) != plain {
				t.Errorf("%v: %d bytes, want %d", err, len(b), len(plain))
			}
		})
	}
}

func TestFunctions(t *testing.T) {
	s := server(t)
	type description struct {
		Name, Function, Description, Module, Group string
		Params                                     *[]struct{ Name, Type string }
	}
	read := func(target string, into any) {
		t.Helper()
		w := get(s, target)
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil || w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %d %v %v", target, w.Code, w.Header(), err)
		}
	}
	var all, math map[string]description
	read("/functions", &all)
	// Grafana cannot do without these.
	for _, name := range []string{"constantLine", "aliasSub", "seriesByTag", "sumSeries", "sum", "alias"} {
		f := all[name]
		if f.Name != name || !strings.HasPrefix(f.Function, name+"(") || f.Group == "" || f.Module == "" || f.Description == "" || f.Params == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
	for name, f := range all {
		if f.Params == nil {
			t.Errorf("%s has null for params, which the query editor cannot iterate over", name)
		}
	}
	var grouped map[string]map[string]description
	read("/functions/?grouped=1", &grouped)
	group := all["scale"].Group
	if grouped[group]["scale"].Name != "scale" {
		t.Errorf("scale is not in %q", group)
	}
	read("/functions?group="+strings.ReplaceAll(group, " ", "%20"), &math)
	if len(math) != len(grouped[group]) || math["scale"].Name != "scale" {
		t.Errorf("%d in %q, want %d", len(math), group, len(grouped[group]))
	}
	var one description
	read("/functions/aliasSub/", &one)
	if one.Name != "aliasSub" {
		t.Errorf("%+v", one)
	}
	testPages(t, s, "application/json", map[string]pageCase{"pie": {target: "/functions?type=pie", want: "{}"}})
	testRefusals(t, s, 404, "application/json", map[string]pageCase{
		"unknown": {target: "/functions/none", want: `{"error":"function none not found"}`},
		"no pie":  {target: "/functions/scale?type=pie", want: `{"error":"function scale not found"}`},
	})
	testRefusals(t, s, 400, "application/json", map[string]pageCase{
		"grouped": {target: "/functions?grouped=by", want: `{"error":"grouped \"by\"; accepted: 1 or 0"}`},
	})
}
