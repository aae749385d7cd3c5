// Package windows answers the routes over which values are collected and windows
// of them are read.
package windows

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/keys"
	"github.com/coalesce-metrics/coalesce/query"
)

// Window is a step at which cells are kept.
type Window struct {
	Name      string
	Span      time.Duration // the range that is shown by default
	Step      time.Duration
	Retention time.Duration
}

// Config is what New needs.
type Config struct {
	// Windows are the windows, the finest first.
	Windows []Window
	// Streams returns cells; see query.Engine.
	Streams func(ctx context.Context, metric string, step, from, until int64) ([]query.Stream, bool, error)
	// Collect takes points, which it does not keep. It is called by many.
	Collect func([]Point)
	Now     func() time.Time
	// Logger is told of faults that are not the client's.
	Logger *slog.Logger
}

// Point is one value.
type Point struct {
	Name  string // canonical, with its tags
	Value float64
	Time  float64 // Unix seconds
}

// API answers the routes. It may be used concurrently.
type API struct {
	cfg               Config
	accepted, refused atomic.Uint64
}

// New returns the routes' handlers.
func New(cfg Config) *API { return &API{cfg: cfg} }

// Routes returns /v1/windows and /v1/collect.
func (a *API) Routes() []api.Route {
	return []api.Route{{
		Path: "/v1/windows", Below: true, Methods: []string{http.MethodGet}, Role: keys.Read, Handler: http.HandlerFunc(a.windows),
		Summary: "the windows, and below each its cells: /v1/windows/5m?metric=NAME&tag=k:v",
	}, {
		Path: "/v1/collect", MaxBody: maxBody, Methods: []string{http.MethodPost}, Role: keys.Ingest, Handler: http.HandlerFunc(a.collect),
		Summary: `values: {"metric":NAME,"value":1,"tags":{},"timestamp":SECONDS}, or an array of such`,
	}}
}

// Stats are the values received since the start.
type Stats struct {
	Accepted, Refused uint64
}

// Stats returns the counts. A request that is refused counts with all its values.
func (a *API) Stats() Stats { return Stats{a.accepted.Load(), a.refused.Load()} }

// fail answers what a request cannot be answered for.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	var client *query.Error
	if errors.As(err, &client) {
		err = api.BadRequest("%s", client)
	}
	api.Fail(w, r, err, a.cfg.Logger)
}
