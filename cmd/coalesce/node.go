package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/windows"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/keys"
	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/node"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/query"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/spf13/cobra"
)

func newNode() *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "node [--load FILE]…",
		Short: "Answer aggregate_metric messages on standard input",
		Long: "node reads JSON messages from standard input and writes one line for each to\n" +
			"standard output. It aggregates values that come with a message, that record_metric\n" +
			"messages have brought, or that were loaded; it holds them in memory. The daemon\n" +
			"answers the same messages from its store: POST /v1/query, and [node] listen.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringArrayVar(&files, "load", nil, "file of plaintext lines to read before the first message")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg := config.Default()
		log := newLogger(cmd.ErrOrStderr(), cfg.Log)
		m, err := newMemory(&cfg, log)
		if err != nil {
			return err
		}
		defer m.close()
		for _, path := range files {
			if err := m.load(path); err != nil {
				return err
			}
		}
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		return node.New(node.Config{Source: m.source, Logger: log}).Serve(ctx, cmd.InOrStdin(), cmd.OutOrStdout())
	}
	return cmd
}

// inMemory keeps every series that it is given, in memory.
type inMemory struct {
	cells   *cells
	agg     *aggregator.Aggregator
	source  *nodeSource
	log     *slog.Logger
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func newMemory(cfg *config.Config, log *slog.Logger) (*inMemory, error) {
	cfg.Data, cfg.Store.At = "", "memory"
	inputs, problems := inputRules(cfg)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	m := &inMemory{log: log}
	var err error
	if m.cells, err = newCells(cfg, true, log); err != nil {
		return nil, err
	}
	a := cfg.Aggregation
	m.agg, err = aggregator.New(aggregator.Config{
		Rules: rules.NewSet(inputs), Archive: m.cells.aggregatorArchive(), Announce: m.cells.announce, Departed: m.cells.departed,
		Grace: seconds(a.Grace), AmendDelay: -1, Keep: a.Keep, Future: seconds(a.Future), OutputIdle: seconds(a.OutputIdle),
		MaxSeries: a.MaxSeries, MaxOutputs: a.MaxOutputs, MaxBuckets: a.MaxBuckets, Lanes: 1,
		Now: unixNow, Emit: func([]aggregator.Row, bool) {}, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	engine, err := newEngine(cfg, m.cells, m.agg, log)
	if err != nil {
		return nil, err
	}
	m.source = newNodeSource(cfg, engine, m.cells, collectInto(m.agg))
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	m.running.Go(func() { m.agg.Run(ctx) })
	m.running.Go(func() { m.cells.arch.Run(ctx) })
	m.cells.load(ctx) // at once, as there is nothing: no question comes too early
	return m, nil
}

// load reads a file of plaintext lines.
func (m *inMemory) load(path string) error {
	r := lineReader{agg: m.agg, collected: true, scanner: plaintext.NewScanner(int(config.Default().Limits.MaxLine))}
	r.scanner.Now = unixNow()
	if err := r.readFile(path); err != nil {
		return err
	}
	for reason, n := range r.scanner.Refused {
		if n > 0 && plaintext.Reason(reason) != plaintext.Blank {
			m.log.Warn("lines refused", "file", path, "reason", plaintext.Reason(reason).String(), "lines", n)
		}
	}
	for d, n := range m.agg.Stats().Dropped {
		if n > 0 {
			m.log.Warn("datapoints dropped", "file", path, "reason", aggregator.Drop(d).String(), "datapoints", n)
		}
	}
	return nil
}

func (m *inMemory) close() {
	m.cancel()
	m.running.Wait()
	ctx, done := context.WithTimeout(context.Background(), time.Second)
	defer done()
	if err := m.cells.close(ctx); err != nil {
		m.log.Debug("the store", "err", err) // it ends with the process anyway
	}
}

// newEngine makes the engine that answers from what is held and what is kept.
func newEngine(cfg *config.Config, c *cells, agg *aggregator.Aggregator, log *slog.Logger) (*query.Engine, error) {
	q := query.Config{
		Catalog: c.names, Held: agg.Buckets, Now: unixNow, Timeout: time.Duration(cfg.Query.Timeout),
		MaxTargets: cfg.Query.Targets, MaxSeries: cfg.Query.Series, MaxPoints: cfg.Query.Points, Logger: log,
	}
	if c.arch != nil {
		q.Archive = c.arch
	}
	return query.New(q)
}

// collectInto returns what adds points to an aggregator, whose series are kept
// themselves.
func collectInto(agg *aggregator.Aggregator) func([]windows.Point) {
	return func(points []windows.Point) {
		var batch plaintext.Batch
		l := agg.Acquire()
		defer l.Release()
		for len(points) > 0 {
			batch.Reset()
			n := min(len(points), plaintext.BatchSize)
			for _, p := range points[:n] {
				batch.Add([]byte(p.Name), p.Value, p.Time)
			}
			l.AddCollected(&batch)
			points = points[n:]
		}
	}
}

// nodeSource is what is stored, as the query node reads it.
type nodeSource struct {
	engine    *query.Engine
	cells     *cells
	collect   func([]windows.Point)
	retention int64
	future    float64

	accepted, refused atomic.Uint64 // values to be recorded
}

func newNodeSource(cfg *config.Config, engine *query.Engine, c *cells, collect func([]windows.Point)) *nodeSource {
	s := &nodeSource{engine: engine, cells: c, collect: collect, future: seconds(cfg.Aggregation.Future)}
	s.retention = int64(seconds(cfg.Store.Retention))
	for _, w := range cfg.AllWindows() {
		s.retention = max(s.retention, int64(seconds(w.Retention)))
	}
	return s
}

// Cells implements node.Source.
func (s *nodeSource) Cells(ctx context.Context, metric string, from, until int64) ([]node.Series, bool, error) {
	loaded := s.cells.loaded.Load()
	streams, known, err := s.engine.Streams(ctx, metric, 0, from, until)
	if err != nil {
		return nil, known, err
	}
	if !known && !loaded {
		return nil, false, node.ErrLoading
	}
	all := make([]node.Series, len(streams))
	for i, x := range streams {
		if len(x.Tags) > 0 {
			all[i].Tags = x.Tags
		}
		for _, b := range x.Cells {
			all[i].Cells = append(all[i].Cells, node.Cell{Start: b.Start, Step: b.Step, Cell: b.Cell, Values: b.Values})
		}
	}
	return all, known, nil
}

// Record implements node.Source.
func (s *nodeSource) Record(ctx context.Context, metric string, value float64, tags map[string]string, at float64) error {
	if err := s.record(ctx, metric, value, tags, at); err != nil {
		s.refused.Add(1)
		return err
	}
	s.accepted.Add(1)
	return nil
}

func (s *nodeSource) record(ctx context.Context, metric string, value float64, tags map[string]string, at float64) error {
	if !api.Allowed(ctx, keys.Ingest) {
		return fmt.Errorf("%w: the key does not have the role %q", node.ErrRefused, keys.Ingest)
	}
	name, err := naming.Join(metric, tags)
	if err != nil {
		return fmt.Errorf("%w: %w", node.ErrRefused, err)
	}
	if at > unixNow()+s.future {
		return fmt.Errorf("%w: timestamp %.0f is more than %v s ahead", node.ErrRefused, at, s.future)
	}
	s.collect([]windows.Point{{Name: name, Value: value, Time: at}})
	return nil
}

// Retention implements node.Source.
func (s *nodeSource) Retention() int64 { return s.retention }

// Unit implements node.Source: no unit is declared for plain metrics.
func (s *nodeSource) Unit(string) (string, bool) { return "", false }
