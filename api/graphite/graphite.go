// Package graphite answers Graphite's HTTP routes.
package graphite

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/query"
)

// Config is what Routes needs.
type Config struct {
	// Fetch answers requests for series; an *query.Error is the client's fault.
	Fetch func(context.Context, query.Request) ([]query.Series, error)
	// Now is the clock; its time zone is that of requests that name none.
	Now func() time.Time
	// Logger is told of faults that are not the client's.
	Logger *slog.Logger
}

// Routes returns /render.
func Routes(cfg Config) []api.Route {
	h := &handler{cfg}
	return []api.Route{{
		Path: "/render", Methods: []string{http.MethodGet, http.MethodPost}, Handler: http.HandlerFunc(h.render),
		Summary: "series as Graphite's JSON: ?target=NAME&from=-1h&until=now&format=json",
	}}
}

type handler struct {
	cfg Config
}

// fail answers what a request cannot be answered for.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var client *query.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &client):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case errors.As(err, &large):
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody waits for an answer
	default:
		h.cfg.Logger.Error("a query failed", "path", r.URL.Path, "err", err)
		http.Error(w, "the query failed; the log of the daemon has more", http.StatusInternalServerError)
	}
}
