// Package operate answers the routes that a daemon is operated by.
package operate

import (
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/keys"
)

// maxScrapes is how many scrapes are answered at once; further ones get 503.
const maxScrapes = 4

// Config is what Routes needs.
type Config struct {
	// Gatherer holds what /metrics shows.
	Gatherer prometheus.Gatherer
	// Unready says why the daemon cannot do its work now; "" is that it can.
	Unready func() string
	// Logger is told of numbers that could not be gathered.
	Logger *slog.Logger
}

// Routes returns /metrics, /healthz, /readyz and /debug/pprof/.
func Routes(cfg Config) []api.Route {
	scrape := promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError, // the other numbers help more than none
		MaxRequestsInFlight: maxScrapes,
	})
	get := []string{http.MethodGet}
	return []api.Route{{
		Path: "/metrics", Methods: get, Role: keys.Read, Handler: scrape,
		Summary: "the daemon's own numbers, for Prometheus",
	}, {
		Path: "/healthz", Methods: get, Open: true, Handler: http.HandlerFunc(healthy),
		Summary: "200 while the daemon is alive",
	}, {
		Path: "/readyz", Methods: get, Open: true, Handler: ready(cfg.Unready),
		Summary: "200 while the daemon takes datapoints, otherwise 503 with the reason",
	}, {
		Path: "/debug/pprof", Below: true, Methods: []string{http.MethodGet, http.MethodPost}, Role: keys.Manage, Loopback: true, Lasting: true,
		Handler: http.HandlerFunc(profiles), Summary: "profiles, for `go tool pprof`",
	}}
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, "ok")
}

func ready(unready func() string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if reason := unready(); reason != "" {
			answer(w, http.StatusServiceUnavailable, reason)
			return
		}
		answer(w, http.StatusOK, "ready")
	})
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write([]byte(text + "\n"))
}

// profiles stands for the handlers that package pprof registers by itself on a
// mux that this daemon does not serve.
func profiles(w http.ResponseWriter, r *http.Request) {
	switch strings.TrimPrefix(r.URL.Path, "/debug/pprof/") {
	case "cmdline":
		pprof.Cmdline(w, r)
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	case "/debug/pprof": // its links are relative to the slash
		http.Redirect(w, r, "/debug/pprof/", http.StatusMovedPermanently)
	default:
		pprof.Index(w, r)
	}
}

// Gate tells whether the daemon is ready. The zero value says that it is
// starting.
type Gate struct {
	reason atomic.Pointer[string]
}

// Open says that the daemon is ready.
func (g *Gate) Open() { g.Close("") }

// Close says why the daemon is not ready any more.
func (g *Gate) Close(reason string) { g.reason.Store(&reason) }

// Reason returns why the daemon is not ready, or "". It serves as Config.Unready.
func (g *Gate) Reason() string {
	if r := g.reason.Load(); r != nil {
		return *r
	}
	return "starting"
}
