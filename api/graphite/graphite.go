// Package graphite answers Graphite's HTTP routes.
package graphite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/keys"
	"github.com/coalesce-metrics/coalesce/query"
)

// Config is what Routes needs.
type Config struct {
	// Fetch answers requests for series; an *query.Error is the client's fault.
	Fetch func(context.Context, query.Request) ([]*query.Series, error)
	// Names has the names of series. Those that a client deletes are removed from
	// it.
	Names *catalog.Catalog
	// Tiers returns the steps at which cells of a period, in seconds, are kept,
	// ascending. Nil is none.
	Tiers func(period int64) []archive.Tier
	// MaxNames is how many names, tags or values one answer holds at most, but for
	// that of /metrics/index.json, which holds all.
	MaxNames int
	// Now is the clock; its time zone is that of requests that name none.
	Now func() time.Time
	// Logger is told of faults that are not the client's.
	Logger *slog.Logger
}

type handler struct {
	cfg       Config
	functions map[string]function
}

// page is one route.
type page struct {
	path, summary string
	answer        func(*call) error
	below         bool // answers the paths below, too
	post          bool // refuses other methods
	manages       bool // changes what there is
	jsonErrors    bool
}

func (h *handler) pages() []page {
	return []page{
		{path: "/render", answer: h.render, summary: "series: ?target=NAME&from=-1h&until=now&format=json"},
		{path: "/metrics", answer: h.find, summary: "as /metrics/find"},
		{path: "/metrics/find", answer: h.find, summary: "what is in the tree of names: ?query=a.*"},
		{path: "/metrics/expand", answer: h.expand, summary: "paths that match: ?query=a.*"},
		{path: "/metrics/index.json", answer: h.index, summary: "all names without tags"},
		{path: "/tags", answer: h.tags, below: true, jsonErrors: true, summary: "tags; /tags/NAME has the values of one: ?filter=REGEXP&limit=N"},
		{path: "/tags/findSeries", answer: h.findSeries, jsonErrors: true, summary: "names by tags: ?expr=dc=x&expr=host=~web"},
		{path: "/tags/autoComplete/tags", answer: h.completeTags, jsonErrors: true, summary: "tags to go on with: ?expr=dc=x&tagPrefix=h&limit=100"},
		{path: "/tags/autoComplete/values", answer: h.completeValues, jsonErrors: true, summary: "values of a tag: ?tag=host&expr=dc=x&valuePrefix=w&limit=100"},
		{path: "/tags/tagSeries", answer: h.tagSeries, post: true, jsonErrors: true, summary: "the canonical form of a name: path=NAME"},
		{path: "/tags/tagMultiSeries", answer: h.tagMultiSeries, post: true, jsonErrors: true, summary: "the same of several"},
		{path: "/tags/delSeries", answer: h.delSeries, post: true, manages: true, jsonErrors: true, summary: "forgets names until they have data again: path=NAME"},
		{path: "/functions", answer: h.listFunctions, below: true, jsonErrors: true, summary: "functions that targets may have; /functions/NAME has one"},
		{path: "/version", answer: h.version, summary: "the version of Graphite that is answered like"},
		{path: "/events/get_data", answer: h.events, summary: "events, of which there are none"},
		{path: "/_internal/capabilities", answer: h.capabilities, summary: "protocols, for carbonapi"},
		{path: "/info", answer: h.info, summary: "how a series is kept, for carbonapi: ?target=NAME"},
	}
}

// Routes returns others, and Graphite's routes. If one of others is for
// /metrics, which Graphite has as well, both are answered there: Graphite's by
// POST or with a query, as it always has one.
func Routes(cfg Config, others ...api.Route) ([]api.Route, error) {
	switch {
	case cfg.Fetch == nil || cfg.Names == nil || cfg.Now == nil || cfg.Logger == nil:
		return nil, errors.New("graphite: Fetch, Names, Now and Logger must be set")
	case cfg.MaxNames < 1:
		return nil, fmt.Errorf("graphite: MaxNames %d; must be at least 1", cfg.MaxNames)
	}
	h := &handler{cfg: cfg, functions: indexFunctions()}
	routes := slices.Clone(others)
	for _, p := range h.pages() {
		r := h.route(p)
		if i := slices.IndexFunc(others, func(o api.Route) bool { return o.Path == p.path && p.path == "/metrics" }); i >= 0 {
			routes[i] = beside(others[i], r)
			continue
		}
		routes = append(routes, r)
	}
	return routes, nil
}

func (h *handler) route(p page) api.Route {
	methods := []string{http.MethodGet, http.MethodPost}
	if p.post {
		methods = methods[1:]
	}
	role := keys.Read
	if p.manages {
		role = keys.Manage
	}
	return api.Route{
		Path: p.path, Below: p.below, Methods: methods, Role: role, Summary: p.summary, Handler: compress(h.serve(p)),
	}
}

// beside returns a route that is answered as Graphite's where the request is one
// to Graphite, otherwise as the other.
func beside(other, graphite api.Route) api.Route {
	both := other
	both.Methods = append(slices.Clone(other.Methods), http.MethodPost)
	both.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		values, _ := api.ParseQuery(r.URL.RawQuery) // if it is wrong, the other may say so
		if r.Method == http.MethodPost || values.Has("query") {
			graphite.Handler.ServeHTTP(w, r)
			return
		}
		other.Handler.ServeHTTP(w, r)
	})
	return both
}
