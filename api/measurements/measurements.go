// Package measurements answers the routes over which measurements are sent and read.
package measurements

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
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
	// Loaded says that Series knows the series of earlier runs.
	Loaded func() bool
	// Query answers GET /v1/measurements/{metric}; nil leaves the route out.
	Query http.Handler

	// Grace is how long after its end a period closes whose values are added up;
	// never longer than the period.
	Grace time.Duration
	// Past and Future are how far from the clock the time of a measurement may be.
	Past, Future time.Duration
	// MaxBatch is how many measurements a request may have, MaxBody how many bytes,
	// once it is unpacked, MaxTags how many tags a measurement.
	MaxBatch, MaxTags int
	MaxBody           int64
	// MaxTagSets is how many series a metric may have in an hour, MaxSeries how
	// many all metrics may have.
	MaxTagSets, MaxSeries int
	// Agents are the clients whose new metrics are aggregated: product tokens of
	// the header User-Agent, whatever their case.
	Agents []string
	// MergeTags has the tags of a measurement added to those that stand beside all
	// measurements, instead of taking their place.
	MergeTags bool

	Now func() time.Time
	// Logger is told of faults that are not the client's.
	Logger *slog.Logger
}

// API is the family of routes. Its methods may be called concurrently.
type API struct {
	cfg     Config
	agents  agents
	tagSets *tagSets
	streams streams
	batches sync.Pool // of *batch

	// gate is held, shared, by whoever takes measurements, and alone by whoever
	// changes metrics: all measurements that come after the change see it.
	gate   sync.RWMutex
	closed bool

	requests, malformed, accepted, limited atomic.Uint64
	refused                                [NumReasons]atomic.Uint64
}

// New returns the family.
func New(cfg Config) *API {
	return &API{
		cfg: cfg, agents: newAgents(cfg.Agents), tagSets: newTagSets(cfg.MaxTagSets, cfg.MaxSeries),
		streams: streams{open: cfg.Stream, grace: cfg.Grace.Seconds()},
		batches: sync.Pool{New: func() any { return new(batch) }},
	}
}

// Close ends the taking of measurements and all changes: those that are answered
// as done have been handed on when it returns.
func (a *API) Close() {
	a.gate.Lock()
	defer a.gate.Unlock()
	a.closed = true
}

// roles are what the methods need that do not manage.
var roles = map[string]keys.Role{http.MethodGet: keys.Read, http.MethodHead: keys.Read, http.MethodPost: keys.Ingest}

// Routes returns /v1/measurements, /v1/metrics and what is below them.
func (a *API) Routes() []api.Route {
	all := []api.Route{{
		Path: Path, Methods: []string{http.MethodPost}, Role: keys.Ingest, Handler: http.HandlerFunc(a.postMeasurements),
		Summary: `measurements are sent here: {"measurements":[{"name":"cpu","value":1,"tags":{"host":"a"}}]}`,
	}, {
		Path: MetricsPath, Methods: []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}, Role: keys.Manage, Roles: roles,
		Handler: http.HandlerFunc(a.all),
		Summary: `metrics of measurements: a list; PUT and DELETE change those of {"names":"cpu*"}; POST is the legacy form of sending`,
	}, {
		Path: MetricsPath + "/{name}", Methods: []string{http.MethodGet, http.MethodPut, http.MethodDelete}, Role: keys.Manage, Roles: roles,
		Handler: http.HandlerFunc(a.one),
		Summary: "one metric, to be seen, made, changed or removed with its data",
	}}
	if a.cfg.Query != nil {
		all = append(all, api.Route{
			Path: Path + "/{metric}", Methods: []string{http.MethodGet}, Role: keys.Read, Handler: a.cfg.Query,
			Summary: "measurements of a metric: ?resolution=60&duration=3600",
		})
	}
	for i := range all {
		all[i].MaxBody = a.cfg.MaxBody
		all[i].Refuse = a.refuse
		all[i].Handler = limits(all[i].Handler)
	}
	return all
}

// refuse answers a request that is not admitted.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	setLimits(w, r)
	a.fail(w, r, badRequest(status, "%s", text))
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	fail(w, r, err, a.cfg.Now(), a.cfg.Logger)
}

// limits tells clients in every answer how much they may ask for.
func limits(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setLimits(w, r)
		h.ServeHTTP(w, r)
	})
}

// setLimits sets the headers that clients read remaining=NUMBER from. There is one
// limit for what is aggregated and what is not.
func setLimits(w http.ResponseWriter, r *http.Request) {
	left := api.AllowanceOf(r.Context())
	if left.Limit == 0 {
		left = api.Allowance{Limit: math.MaxInt32, Left: math.MaxInt32}
	}
	text := fmt.Sprintf("limit=%d,remaining=%d", left.Limit, left.Left)
	w.Header().Set("X-Librato-RateLimit-Agg", text)
	w.Header().Set("X-Librato-RateLimit-Std", text)
}

// Reason is why measurements are refused.
type Reason uint8

// The reasons that there are.
const (
	Invalid  Reason = iota // a field is not as it must be, or there are too many measurements
	Time                   // too far from the clock
	TagSets                // a metric has too many series in this hour
	Metrics                // there are too many metrics
	Failed                 // the daemon's own fault: a metric could not be saved
	Stopping               // the daemon stops
	// NumReasons is how many there are.
	NumReasons
)

var reasons = [NumReasons]string{"invalid", "time", "tag_sets", "metrics", "failed", "stopping"}

// String returns the name of the reason in metrics.
func (r Reason) String() string { return reasons[r] }

// Stats is what has been counted.
type Stats struct {
	// Requests counts those that send measurements, Malformed those of them that
	// cannot be read: nothing in them is in another number.
	Requests, Malformed uint64
	// Accepted counts measurements that were handed on. With Refused it is all.
	Accepted uint64
	Refused  [NumReasons]uint64
	// Limited counts the requests that were refused for TagSets.
	Limited uint64
	// Metrics are those known, Series the tag sets seen in this hour.
	Metrics, Series int
}

// Stats returns the counts.
func (a *API) Stats() Stats {
	s := Stats{
		Requests: a.requests.Load(), Malformed: a.malformed.Load(), Accepted: a.accepted.Load(), Limited: a.limited.Load(),
		Metrics: a.cfg.Book.Len(), Series: a.tagSets.size(),
	}
	for i := range s.Refused {
		s.Refused[i] = a.refused[i].Load()
	}
	return s
}
