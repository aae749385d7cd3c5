// Package measurements answers the routes over which measurements are sent and read.
package measurements

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/keys"
)

// Path is where measurements are, MetricsPath where the metrics are.
const (
	Path        = "/v1/measurements"
	MetricsPath = "/v1/metrics"
)

// Config is what New needs.
type Config struct {
	// Book has the metrics.
	Book *attributes.Book
	// Stream and Add are those of the aggregator.
	Stream func(aggregator.Stream) (aggregator.StreamID, error)
	Add    func([]aggregator.Measurement)
	// Series returns the names of a metric's series, Forget deletes series with
	// what is kept of them.
	Series func(metric string) []string
	Forget func(ctx context.Context, names []string) error
	// Query answers GET /v1/measurements/{metric}; nil leaves the route out.
	Query http.Handler

	Now func() time.Time
	// Logger is told of faults that are not the client's.
	Logger *slog.Logger
}

// API is the family of routes. Its methods may be called concurrently.
type API struct{ cfg Config }

// New returns the family.
func New(cfg Config) *API { return &API{cfg} }

// Routes returns /v1/measurements, /v1/metrics and what is below them.
func (a *API) Routes() []api.Route {
	var all []api.Route
	if a.cfg.Query != nil {
		all = append(all, api.Route{
			Path: Path + "/{metric}", Methods: []string{http.MethodGet}, Role: keys.Read, Handler: a.cfg.Query,
			Summary: "measurements of a metric: ?resolution=60&duration=3600",
		})
	}
	return all
}
