package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/aggregates"
	"github.com/coalesce-metrics/coalesce/api/graphite"
	"github.com/coalesce-metrics/coalesce/api/openapi"
	"github.com/coalesce-metrics/coalesce/api/operate"
	apiviews "github.com/coalesce-metrics/coalesce/api/views"
	"github.com/coalesce-metrics/coalesce/certs"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/keys"
	"github.com/coalesce-metrics/coalesce/metrics"
	"github.com/coalesce-metrics/coalesce/upstream"
)

// maxMessages is the longest body of /v1/query, in bytes.
const maxMessages = 16 << 20

// web is the HTTP side of the daemon. A nil web serves nothing.
type web struct {
	server *api.Server
	ln     net.Listener
	done   chan error
}

// newWeb binds the address for HTTP; it returns nil where there is none.
func (d *daemon) newWeb() (*web, error) {
	if d.cfg.HTTP.Listen == "" {
		return nil, nil
	}
	w := &web{done: make(chan error, 1)}
	sources := d.sources()
	sources.HTTP = func() api.Stats { return w.server.Stats() }
	gc := graphite.Config{Fetch: d.engine.Fetch, Names: d.cells.names, MaxNames: d.cfg.Query.Names, Now: time.Now, Logger: d.log}
	if d.cells.arch != nil {
		gc.Tiers = d.cells.arch.Tiers
	}
	routes, err := graphite.Routes(gc, operate.Routes(operate.Config{Gatherer: metrics.NewRegistry(sources), Unready: d.ready.Reason, Logger: d.log})...)
	if err != nil {
		return nil, err
	}
	routes = append(routes, d.windows.Routes()...)
	routes = append(routes, aggregates.Routes(aggregates.Config{Book: d.book, Owner: api.KeyName, Logger: d.log})...)
	routes = append(routes, apiviews.Routes(apiviews.Config{Registry: d.views, Logger: d.log})...)
	routes = append(routes, d.measurements.Routes()...)
	routes = append(routes, api.Route{
		Path: "/v1/query", Methods: []string{http.MethodPost}, Role: keys.Read, Handler: d.node, MaxBody: maxMessages,
		Summary: "aggregate_metric messages of the query node",
	})
	described, err := openapi.Routes(version)
	if err != nil {
		return nil, err
	}
	routes = append(routes, described...)
	h := d.cfg.HTTP
	ac := api.Config{
		Routes: routes, Logger: d.log, MaxConnections: h.MaxConnections, RequestTimeout: time.Duration(h.RequestTimeout),
		Rate: h.Rate, Burst: h.Burst,
	}
	if ac.Keys, err = keys.NewSet(d.cfg.AllKeys()); err != nil {
		return nil, err
	}
	if ac.TLS, err = d.webTLS(h); err != nil {
		return nil, err
	}
	if w.server, err = api.New(ac); err != nil {
		return nil, err
	}
	if w.ln, err = net.Listen("tcp", d.cfg.HTTP.Listen); err != nil {
		return nil, fmt.Errorf("http: %w (key http.listen, flag --http)", err)
	}
	return w, nil
}

// webTLS returns the settings of TLS, or nil where there is none.
func (d *daemon) webTLS(h config.HTTP) (*tls.Config, error) {
	if h.TLSCert == "" {
		return nil, nil
	}
	files := certs.Files{CertFile: h.TLSCert, KeyFile: h.TLSKey, ClientCAFile: h.TLSClientCA}
	c, err := certs.Load(files, func(err error) {
		if err != nil {
			d.log.Error("the TLS files of http cannot be used; the former ones stay in use", "err", err)
			return
		}
		d.log.Info("loaded the changed TLS files of http")
	})
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.Config(), nil }}, nil
}

func (w *web) start() {
	if w != nil {
		go func() { w.done <- w.server.Serve(w.ln) }()
	}
}

// webPatience is how long a stop waits for requests under way.
const webPatience = 3 * time.Second

// stop lets requests end.
func (w *web) stop(ctx context.Context) error {
	if w == nil {
		return nil
	}
	ctx, done := context.WithTimeout(ctx, webPatience)
	defer done()
	if err := w.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("http: %w", err)
	}
	return <-w.done
}

// close gives the address back when nothing was started.
func (w *web) close() {
	if w != nil {
		w.ln.Close()
	}
}

// sources says where the daemon's own numbers come from.
func (d *daemon) sources() metrics.Sources {
	a := d.cfg.Aggregation
	s := metrics.Sources{
		Aggregator: d.agg.Stats,
		Rules:      d.agg.RuleStats,
		Ingest:     d.in.Stats,
		Upstream:   d.up.Stats,
		Unrouted:   d.up.Unrouted,
		Names:      d.names.Status,
		Reload:     d.rules.Status,
		Catalog: func() metrics.Names {
			return metrics.Names{Held: d.cells.names.Len(), Limit: d.cfg.Store.Names, Refused: d.cells.names.Refused()}
		},
		Collect: d.collected,
		Views:   d.viewStats,
		Limits: metrics.Limits{
			Series: a.MaxSeries, Outputs: a.MaxOutputs, Buckets: a.MaxBuckets, MeasuredMetrics: d.cfg.Measurements.Metrics,
		},
		Build: metrics.Build{Version: version, Revision: revision()},
	}
	if d.cfg.HTTP.Listen != "" {
		s.Measurements = d.measurements.Stats
	}
	if d.cells.arch != nil {
		s.Archive = d.cells.arch.Stats
	}
	for _, to := range d.cfg.AllDestinations() {
		s.Limits.Queues = append(s.Limits.Queues, metrics.QueueLimit{Destination: to.Name, Rows: int64(to.QueueDatapoints), Bytes: int64(to.QueueBytes)})
	}
	for _, l := range d.listening {
		n := l.MaxConnections
		if l.Transport == "udp" {
			n = 0
		}
		s.Limits.Connections = append(s.Limits.Connections, n)
	}
	return s
}

// collected are the values that come over HTTP and to the query node.
func (d *daemon) collected() []metrics.Collected {
	var all []metrics.Collected
	if c := d.windows.Stats(); d.cfg.HTTP.Listen != "" {
		all = append(all, metrics.Collected{Listener: "http", Protocol: "collect", Accepted: c.Accepted, Refused: c.Refused})
	}
	if d.cfg.HTTP.Listen != "" || d.cfg.Node.Listen != "" {
		s := d.recorded
		all = append(all, metrics.Collected{Listener: "node", Protocol: "node", Accepted: s.accepted.Load(), Refused: s.refused.Load()})
	}
	return all
}

// startReporter sends the daemon's own numbers upstream as Graphite series.
func (d *daemon) startReporter(ctx context.Context) error {
	m := d.cfg.Metrics
	if m.Interval == 0 || len(d.cfg.AllDestinations()) == 0 {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("the name of this host, for its own metrics: %w", err)
	}
	r, err := metrics.NewReporter(metrics.ReporterConfig{
		Sources: d.sources(), Prefix: m.Prefix, Host: host, Instance: m.Instance,
		Interval: time.Duration(m.Interval), Now: unixNow,
		Send: func(lines []byte, n int) { d.up.Send(lines, n, upstream.Self) },
	})
	if err != nil {
		return err
	}
	d.running.Go(func() { r.Run(ctx) })
	return nil
}
