package operate

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/coalesce-metrics/coalesce/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newServer(t *testing.T, cfg Config) *api.Server {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := api.New(api.Config{Routes: Routes(cfg), Logger: cfg.Logger})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(s *api.Server, path, client string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Host = "localhost"
	if client != "" {
		r.RemoteAddr = client
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "things_total", Help: "Things."})
	c.Add(3)
	r.MustRegister(c)
	return r
}

func TestMetrics(t *testing.T) {
	w := get(newServer(t, Config{Gatherer: registry()}), "/metrics", "")
	want := "# HELP things_total Things.\n# TYPE things_total counter\nthings_total 3\n"
	if w.Code != 200 || w.Body.String() != want || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("%d %q %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
}

// broken is a collector whose number cannot be had.
type broken struct{}

func (broken) Describe(chan<- *prometheus.Desc) {}

func (broken) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.NewInvalidMetric(prometheus.NewDesc("bad", "Bad.", nil, nil), errors.New("no such number"))
}

// A number that cannot be gathered does not hide the others.
func TestMetricsInPart(t *testing.T) {
	var log bytes.Buffer
	r := registry()
	r.MustRegister(broken{})
	s := newServer(t, Config{Gatherer: r, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	w := get(s, "/metrics", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "things_total 3") || !strings.Contains(log.String(), "no such number") {
		t.Errorf("%d %s\nlog: %s", w.Code, w.Body, &log)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	var gate Gate
	s := newServer(t, Config{Gatherer: registry(), Unready: gate.Reason})
	check := func(path string, status int, body string) {
		t.Helper()
		if w := get(s, path, ""); w.Code != status || w.Body.String() != body+"\n" {
			t.Errorf("%s: %d %q, want %d %q", path, w.Code, w.Body, status, body)
		}
	}
	check("/readyz", 503, "starting")
	check("/healthz", 200, "ok")
	gate.Open()
	check("/readyz/", 200, "ready")
	gate.Close("stopping")
	check("/readyz", 503, "stopping")
	check("/healthz/", 200, "ok")
}

func TestProfiles(t *testing.T) {
	s := newServer(t, Config{Gatherer: registry()})
	const here, elsewhere = "127.0.0.1:9", "192.0.2.7:9"
	for name, c := range map[string]struct {
		path, client string
		status       int
		want         string
	}{
		"index":     {"/debug/pprof/", here, 200, "goroutine"},
		"no slash":  {"/debug/pprof", here, 301, "/debug/pprof/"},
		"profile":   {"/debug/pprof/goroutine?debug=1", here, 200, "goroutine profile:"},
		"command":   {"/debug/pprof/cmdline", here, 200, ""},
		"symbol":    {"/debug/pprof/symbol", here, 200, "num_symbols"},
		"trace":     {"/debug/pprof/trace?seconds=0.001", here, 200, "go 1."},
		"unknown":   {"/debug/pprof/nothing", here, 404, "Unknown profile"},
		"elsewhere": {"/debug/pprof/goroutine?debug=1", elsewhere, 403, "on this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			if w := get(s, c.path, c.client); w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d %.200q; want %d with %q", w.Code, w.Body, c.status, c.want)
			}
		})
	}
}
