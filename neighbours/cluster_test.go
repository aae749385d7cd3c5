package neighbours

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coalesce-metrics/coalesce/internal/stubborn"
)

// graphiteWeb is a real graphite-web that has all its data from a daemon.
type graphiteWeb struct {
	*child
	d       *daemon
	dir     string
	address string
}

// serveGraphiteWeb runs it with the settings that are in a directory. Its own reader
// of msgpack is older than Debian's Python, and the one that Debian has is newer than
// graphite-web.
const serveGraphiteWeb = `
import collections, collections.abc, os, sys
collections.Hashable = collections.abc.Hashable
sys.modules["msgpack"] = None
here, port = sys.argv[1], int(sys.argv[2])
sys.path.insert(0, here)
os.environ["DJANGO_SETTINGS_MODULE"] = "graphite.settings"
os.environ["GRAPHITE_SETTINGS_MODULE"] = "cluster_settings"
from graphite.wsgi import application
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
from wsgiref.simple_server import make_server
make_server("127.0.0.1", port, application).serve_forever()
`

// graphiteWebSettings make it pass over a server that has failed for longer than a
// test takes, as it does by default.
const graphiteWebSettings = `
SECRET_KEY = "secret"
CONF_DIR = STORAGE_DIR = LOG_DIR = %[1]q
LOG_ROTATION = False
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": %[1]q + "/graphite.db"}}
STORAGE_FINDERS = ("graphite.finders.remote.RemoteFinder",)
CLUSTER_SERVERS = ["%[2]s?format=%[3]s"]
REMOTE_STORE_USE_POST = %[4]s
REMOTE_RETRY_DELAY = 60
FIND_TIMEOUT = FETCH_TIMEOUT = 120
TAGDB = "graphite.tags.http.HttpTagDB"
TAGDB_HTTP_URL = "http://%[2]s"
`

// startGraphiteWeb starts one that asks for a format, by POST or by GET.
func startGraphiteWeb(t *testing.T, d *daemon, format string, post bool) *graphiteWeb {
	t.Helper()
	if _, err := exec.LookPath("graphite-manage"); err != nil {
		missing(t, "graphite-web")
	}
	dir, p := t.TempDir(), port(t)
	usePost := "False"
	if post {
		usePost = "True"
	}
	write(t, dir, "cluster_settings.py", fmt.Sprintf(graphiteWebSettings, dir, d.http, format, usePost))
	script := write(t, dir, "serve.py", serveGraphiteWeb)
	g := &graphiteWeb{d: d, dir: dir, address: local(p)}
	// The system's Python is the one that Debian's graphite-web belongs to.
	g.child = launch(t, dir, "/usr/bin/python3", "-I", script, dir, strconv.Itoa(p))
	g.awaitPorts(g.address)
	return g
}

// ask returns the answers of graphite-web and of the daemon.
func (g *graphiteWeb) ask(path string, query url.Values) (web, own []byte) {
	g.t.Helper()
	path += "?" + query.Encode()
	return fetch(g.t, "http://"+g.address+path), fetch(g.t, "http://"+g.d.http+path)
}

// fetch returns a page.
func fetch(t *testing.T, address string) []byte {
	t.Helper()
	resp, err := stubborn.Client(patience).Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", address, resp.Status, body, err)
	}
	return body
}

// sameRendered returns what both make of targets, and checks that it is the same.
func (g *graphiteWeb) sameRendered(from, until int64, targets ...string) []rendered {
	g.t.Helper()
	a, b := g.ask("/render", url.Values{
		"target": targets, "format": {"json"}, "from": {fmt.Sprint(from)}, "until": {fmt.Sprint(until)},
	})
	var web, own []rendered
	decode(g.t, a, &web)
	decode(g.t, b, &own)
	for i := range min(len(web), len(own)) {
		// graphite-web reads tags from names, and takes a view for part of them.
		if strings.Contains(web[i].Target, ":") {
			web[i].Tags, own[i].Tags = nil, nil
		}
	}
	if diff := cmp.Diff(own, web, cmpopts.EquateNaNs()); diff != "" {
		g.t.Errorf("%q of graphite-web (+) is not that of the daemon (-):\n%s", targets, diff)
	}
	return web
}

// sameFound returns what graphite-web finds, and waits until it is what the daemon
// does: the interval of a leaf goes on when a bucket closes, maybe between the two
// answers. The order is left out, since that of graphite-web is at random where nodes
// of different branches have one name.
func (g *graphiteWeb) sameFound(path string, query url.Values) (found []string) {
	g.t.Helper()
	await(g.t, fmt.Sprintf("equal answers to %s %v", path, query), func() string {
		a, b := g.ask(path, query)
		found = parts(g.t, a)
		if diff := cmp.Diff(parts(g.t, b), found); diff != "" {
			return "that of graphite-web (+) is not that of the daemon (-):\n" + diff
		}
		return ""
	})
	return found
}

// noFaults checks that it has had no trouble with the daemon.
func (g *graphiteWeb) noFaults() {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, "exception.log"))
	if err != nil {
		g.t.Fatal(err)
	}
	if len(text) > 0 {
		g.t.Errorf("graphite-web has caught exceptions:\n%s", text)
	}
}

// rendered is a series in JSON.
type rendered struct {
	Target     string
	Tags       map[string]string
	Datapoints points
}

// points are values, NaN for none, with their timestamps.
type points [][2]float64

func (p *points) UnmarshalJSON(text []byte) error {
	var pairs [][2]*json.Number
	if err := json.Unmarshal(text, &pairs); err != nil {
		return err
	}
	*p = make(points, len(pairs))
	for i, pair := range pairs {
		for j, n := range pair {
			if n == nil {
				(*p)[i][j] = math.NaN()
				continue
			}
			x, err := strconv.ParseFloat(n.String(), 64)
			if err != nil && !errors.Is(err, strconv.ErrRange) { // 1e9999 is infinite
				return err
			}
			(*p)[i][j] = x
		}
	}
	return nil
}

// stored returns the values of series.
func stored(series []rendered) store {
	found := make(store)
	for _, s := range series {
		for _, p := range s.Datapoints {
			if !math.IsNaN(p[0]) {
				found[fmt.Sprintf("%s %.0f", s.Target, p[1])] = p[0]
			}
		}
	}
	return found
}

// parts returns the elements of a list in JSON, or of the one in an object, sorted.
func parts(t *testing.T, text []byte) (texts []string) {
	t.Helper()
	var all []any
	if strings.HasPrefix(string(text), "{") {
		var object map[string]any
		decode(t, text, &object)
		for _, key := range []string{"metrics", "nodes", "results", "values"} {
			if list, ok := object[key].([]any); ok {
				all = append(all, list...)
				delete(object, key)
			}
		}
		all = append(all, object)
	} else {
		decode(t, text, &all)
	}
	for _, part := range all {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	slices.Sort(texts)
	return texts
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}
