package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api/operate"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/datadir"
	"github.com/coalesce-metrics/coalesce/ingest"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/coalesce-metrics/coalesce/upstream"
	"github.com/coalesce-metrics/coalesce/watch"
)

// daemon is all parts of a running coalesce. What flows from one to the next is
// handed down as functions here, so that no part knows the one above it.
type daemon struct {
	cfg   *config.Config
	log   *slog.Logger
	rules *ruleFile
	dir   *datadir.Dir // nil without a data directory
	up    *upstream.Upstream
	agg   *aggregator.Aggregator
	in    *ingest.Ingest
	web   *web // nil without HTTP
	ready operate.Gate

	cancel  context.CancelFunc // ends the background work
	running sync.WaitGroup
	line    []byte // of emit
}

// unixNow is the one place where the wall clock is read for datapoints.
func unixNow() float64 { return float64(time.Now().UnixNano()) / 1e9 }

// newDaemon makes the parts and starts none of them.
func newDaemon(cfg *config.Config, log *slog.Logger, stdout io.Writer) (*daemon, error) {
	d := &daemon{cfg: cfg, log: log}
	d.rules = &ruleFile{path: cfg.Rules, prefix: cfg.Prefix, log: log, now: time.Now}
	set, err := d.rules.start()
	if err != nil {
		return nil, err
	}
	if d.up, err = newUpstream(cfg, log, stdout); err != nil {
		return nil, err
	}
	if err := d.newState(set); err != nil {
		return nil, err
	}
	d.rules.apply = d.agg.SetRules
	if d.in, err = d.newIngest(); err != nil {
		d.closeDir()
		return nil, err
	}
	return d, nil
}

func newUpstream(cfg *config.Config, log *slog.Logger, stdout io.Writer) (*upstream.Upstream, error) {
	c := upstream.Config{
		QueueDatapoints: cfg.Queue.Datapoints,
		QueueBytes:      int64(cfg.Queue.Bytes),
		ConnectTimeout:  time.Duration(cfg.Queue.ConnectTimeout),
		WriteTimeout:    time.Duration(cfg.Queue.WriteTimeout),
		ReconnectMin:    time.Duration(cfg.Queue.ReconnectMin),
		ReconnectMax:    time.Duration(cfg.Queue.ReconnectMax),
		DrainTimeout:    time.Duration(cfg.Queue.DrainTimeout),
		Stdout:          stdout,
		Logger:          log,
	}
	for _, text := range cfg.Upstream {
		dest, err := upstream.ParseDestination(text)
		if err != nil {
			return nil, fmt.Errorf("upstream: %w", err)
		}
		c.Destinations = append(c.Destinations, dest)
	}
	if len(c.Destinations) == 0 {
		log.Warn("no upstream: aggregates are sent nowhere and only answered over HTTP")
	}
	return upstream.New(c)
}

// newState opens the data directory and makes the aggregator go on from it.
func (d *daemon) newState(set *rules.Set) error {
	c := d.cfg.Aggregation
	ac := aggregator.Config{
		Rules:      set,
		Grace:      seconds(c.Grace),
		AmendDelay: seconds(c.AmendDelay),
		Keep:       c.Keep,
		Future:     seconds(c.Future),
		WriteBack:  seconds(c.WriteBack),
		OutputIdle: seconds(c.OutputIdle),
		MaxSeries:  c.MaxSeries, MaxOutputs: c.MaxOutputs, MaxBuckets: c.MaxBuckets,
		Lanes:      c.Lanes,
		ForwardAll: d.cfg.ForwardsAll() && len(d.cfg.Upstream) > 0,
		Now:        unixNow,
		Emit:       d.emit,
		Forward:    func(lines []byte, n int) { d.up.Send(lines, n, upstream.Raw) },
		Logger:     d.log,
	}
	if c.AmendDelay == 0 {
		ac.AmendDelay = -1 // the output's grace
	}
	if c.Lanes == 0 {
		ac.Lanes = runtime.GOMAXPROCS(0)
	}
	var checkpoint []byte
	if d.cfg.Data != "" {
		var err error
		if d.dir, err = datadir.Open(d.cfg.Data); err != nil {
			return err
		}
		if checkpoint, ac.NotBefore, err = d.readDir(); err != nil {
			d.closeDir()
			return err
		}
	}
	var err error
	if d.agg, err = d.restore(ac, checkpoint); err != nil {
		d.closeDir()
	}
	return err
}

// readDir returns the checkpoint of the last run, if it stopped in order, and
// else the time up to which it may have emitted.
func (d *daemon) readDir() (checkpoint []byte, notBefore float64, err error) {
	alive, err := d.dir.LastAlive()
	if err != nil {
		return nil, 0, fmt.Errorf("data directory: %w; remove the file if no earlier run matters", err)
	}
	if checkpoint, err = d.dir.Checkpoint(); err != nil {
		return nil, 0, fmt.Errorf("data directory: %w", err)
	}
	if checkpoint == nil && alive > 0 {
		d.log.Warn("the last run did not stop in order: its open buckets are lost, and buckets that began before its end are refused as too_old",
			"last_alive", unixTime(alive))
	}
	return checkpoint, alive, nil
}

func (d *daemon) restore(ac aggregator.Config, checkpoint []byte) (*aggregator.Aggregator, error) {
	if checkpoint == nil {
		return aggregator.New(ac)
	}
	alive := ac.NotBefore
	ac.NotBefore = 0 // the checkpoint knows better
	agg, err := aggregator.New(ac)
	if err != nil {
		return nil, err
	}
	if err = agg.Restore(checkpoint); err == nil {
		s := agg.Stats()
		d.log.Info("going on from the checkpoint", "outputs", s.Outputs, "buckets", s.Buckets)
		return agg, nil
	}
	if !errors.Is(err, aggregator.ErrCheckpoint) {
		return nil, err
	}
	path, moveErr := d.dir.SetAside()
	d.log.Error("the checkpoint cannot be used: its open buckets are lost, and buckets that began before the last run's end are refused as too_old",
		"err", errors.Join(err, moveErr), "kept_as", path, "last_alive", unixTime(alive))
	ac.NotBefore = alive
	return aggregator.New(ac)
}

func (d *daemon) newIngest() (*ingest.Ingest, error) {
	c := ingest.Config{
		ReadBuffer:      int(d.cfg.Limits.ReadBuffer),
		UDPBuffer:       int(d.cfg.Limits.UDPBuffer),
		Resolution:      seconds(d.cfg.Limits.TimestampResolution),
		Acquire:         func() ingest.Lane { return d.agg.Acquire() },
		Now:             unixNow,
		Logger:          d.log,
		RefusedLines:    d.cfg.Log.RefusedLines,
		RefusedInterval: time.Duration(d.cfg.Log.RefusedInterval),
	}
	for _, l := range d.cfg.AllListeners() {
		c.Listeners = append(c.Listeners, ingest.Listener{
			Transport: l.Transport, Address: l.Address,
			MaxConnections: l.MaxConnections, IdleTimeout: time.Duration(l.IdleTimeout), MaxLine: int(l.MaxLine),
		})
	}
	return ingest.New(c)
}

// emit sends rows upstream. The aggregator calls it from one goroutine at a time.
func (d *daemon) emit(rows []aggregator.Row) {
	d.line = d.line[:0]
	for i := range rows {
		d.line = plaintext.Append(d.line, []byte(rows[i].Name), rows[i].Value, float64(rows[i].Time))
	}
	d.up.Send(d.line, len(rows), upstream.Aggregate)
}

// start binds every address before anything that cannot be undone.
func (d *daemon) start() error {
	if err := d.in.Listen(); err != nil {
		d.closeDir()
		return err
	}
	var err error
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	if d.web, err = d.newWeb(); err == nil {
		err = d.startReporter(ctx)
	}
	if err == nil {
		err = d.takeOver()
	}
	if err != nil {
		cancel()
		d.web.close()
		d.in.Stop(ctx)
		d.closeDir()
		return err
	}
	d.up.Start()
	d.running.Go(func() { d.agg.Run(ctx) })
	if d.dir != nil {
		d.running.Go(func() { d.beat(ctx) })
	}
	if d.cfg.Reload.Watch {
		d.running.Go(func() {
			watch.Run(ctx, watch.Config{
				Path: d.cfg.Rules, Debounce: time.Duration(d.cfg.Reload.Debounce), Poll: time.Duration(d.cfg.Reload.Poll),
				Changed: func() { d.rules.reload(false) }, Logger: d.log,
			})
		})
	}
	d.in.Start()
	d.web.start()
	d.ready.Open()
	d.logStart()
	return nil
}

// takeOver makes this run answer for the buckets of the data directory.
func (d *daemon) takeOver() error {
	if d.dir == nil {
		return nil
	}
	if err := errors.Join(d.dir.Beat(unixNow()), d.dir.DropCheckpoint()); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

func (d *daemon) logStart() {
	for i, addr := range d.in.Addrs() {
		l := d.cfg.AllListeners()[i]
		d.log.Info("listening", "protocol", l.Protocol, "transport", l.Transport, "address", addr.String())
	}
	if d.web != nil {
		d.log.Info("listening", "protocol", "http", "transport", "tcp", "address", d.web.ln.Addr().String())
	}
	d.log.Info("started", "version", version, "rules", d.agg.Stats().Rules, "upstream", d.cfg.Upstream, "data", d.cfg.Data)
}

// beat records every second that this run is alive.
func (d *daemon) beat(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := d.dir.Beat(unixNow())
		if (err != nil) != failing {
			failing = err != nil
			if failing {
				d.log.Error("the data directory cannot be written to", "err", err)
			} else {
				d.log.Info("the data directory can be written to again")
			}
		}
	}
}

// stop ends the daemon in order: what clients have sent is read, the cells are
// saved or emitted, the queues are drained. The end of ctx cuts it short.
func (d *daemon) stop(ctx context.Context) error {
	d.ready.Close("stopping")
	reading, done := context.WithTimeout(ctx, time.Duration(d.cfg.Queue.DrainTimeout))
	if err := d.in.Stop(reading); err != nil {
		d.log.Warn("not everything that clients had sent could be read", "err", err)
	}
	done()
	d.cancel()
	d.running.Wait()
	d.agg.Tick()
	err := d.saveCells()
	for _, u := range d.up.Stop(ctx) {
		err = errors.Join(err, fmt.Errorf("%d rows for %s could not be sent", u.Datapoints, u.Destination))
	}
	err = errors.Join(err, d.web.stop(ctx), d.closeDir())
	d.log.Info("stopped")
	return err
}

// saveCells puts open and amendable buckets on the disk, or emits them.
func (d *daemon) saveCells() error {
	if d.dir == nil {
		d.agg.Flush()
		return nil
	}
	data := d.agg.Checkpoint()
	err := errors.Join(d.dir.Beat(unixNow()), d.dir.SaveCheckpoint(data))
	if err == nil {
		d.log.Info("saved the checkpoint", "buckets", d.agg.Stats().Buckets, "bytes", len(data))
		return nil
	}
	d.log.Error("the checkpoint cannot be saved, so that open buckets are emitted as they are", "err", err)
	d.agg.Flush()
	return fmt.Errorf("checkpoint: %w", err)
}

func (d *daemon) closeDir() error {
	if d.dir == nil {
		return nil
	}
	dir := d.dir
	d.dir = nil
	return dir.Close()
}

func seconds(d config.Duration) float64 { return time.Duration(d).Seconds() }

func unixTime(t float64) string { return time.Unix(int64(t), 0).UTC().Format(time.RFC3339) }
