package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api/operate"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/datadir"
	"github.com/coalesce-metrics/coalesce/ingest"
	"github.com/coalesce-metrics/coalesce/naming"
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
	names *nameFiles
	dir   *datadir.Dir // nil without a data directory
	up    *upstream.Upstream
	agg   *aggregator.Aggregator
	in    *ingest.Ingest
	web   *web // nil without HTTP
	ready operate.Gate

	stdout io.Writer
	set    atomic.Pointer[rules.Set] // in force

	listening   []ingest.Listener
	inputs      context.Context // done when the inputs must wait for nothing more
	closeInputs context.CancelFunc

	cancel  context.CancelFunc // ends the background work
	running sync.WaitGroup
	line    []byte // of emit
}

// unixNow is the one place where the wall clock is read for datapoints.
func unixNow() float64 { return float64(time.Now().UnixNano()) / 1e9 }

// newDaemon makes the parts and starts none of them.
func newDaemon(cfg *config.Config, log *slog.Logger, stdout io.Writer) (_ *daemon, err error) {
	d := &daemon{cfg: cfg, log: log, stdout: stdout}
	d.inputs, d.closeInputs = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			d.abandon()
		}
	}()
	d.rules = &ruleFile{path: cfg.Rules, prefix: cfg.Prefix, log: log, now: time.Now}
	set, err := d.rules.start()
	if err != nil {
		return nil, err
	}
	d.set.Store(set)
	d.names = &nameFiles{cfg: cfg.Names, log: log}
	names, err := d.names.start()
	if err != nil {
		return nil, err
	}
	// The lock of the data directory comes before everything that lies in it.
	if cfg.Data != "" {
		if d.dir, err = datadir.Open(cfg.Data); err != nil {
			return nil, err
		}
	}
	if err = d.newUpstream(); err != nil {
		return nil, err
	}
	if err = d.newState(set, names); err != nil {
		return nil, err
	}
	d.rules.apply = d.setRules
	d.names.apply = d.agg.SetNames
	if d.in, err = d.newIngest(); err != nil {
		return nil, err
	}
	return d, nil
}

// setRules puts new rules in force for all that asks for outputs.
func (d *daemon) setRules(set *rules.Set) {
	d.set.Store(set)
	d.agg.SetRules(set)
	d.up.Replan()
}

// abandon gives back what a daemon that is not started holds.
func (d *daemon) abandon() {
	d.closeInputs()
	if d.up != nil {
		d.up.Stop(d.inputs)
	}
	d.closeDir()
}

// newState makes the aggregator go on from the data directory.
func (d *daemon) newState(set *rules.Set, names *naming.Policy) error {
	c := d.cfg.Aggregation
	place, problems := placeOf(d.cfg)
	err := problems.Err()
	if err != nil {
		return err
	}
	var owns func([]byte) bool
	if place != nil {
		owns = place.Owns
	}
	ac := aggregator.Config{
		Rules:      set,
		Names:      names,
		Grace:      seconds(c.Grace),
		AmendDelay: seconds(c.AmendDelay),
		Keep:       c.Keep,
		Future:     seconds(c.Future),
		WriteBack:  seconds(c.WriteBack),
		OutputIdle: seconds(c.OutputIdle),
		MaxSeries:  c.MaxSeries, MaxOutputs: c.MaxOutputs, MaxBuckets: c.MaxBuckets,
		Lanes:      c.Lanes,
		ForwardAll: d.cfg.ForwardsAll() && len(d.cfg.AllDestinations()) > 0,
		Now:        unixNow,
		Emit:       d.emit,
		Owns:       owns,
		Forward:    func(lines []byte, n int) { d.up.Send(lines, n, upstream.Raw) },
		Logger:     d.log,
	}
	if c.AmendDelay == 0 {
		ac.AmendDelay = -1 // the output's grace
	}
	if c.Lanes == 0 {
		ac.Lanes = runtime.GOMAXPROCS(0)
	}
	for _, dest := range d.cfg.AllDestinations() {
		ac.RepeatEarly = ac.RepeatEarly || dest.Kind == string(upstream.Aggregator)
	}
	var checkpoint []byte
	if d.dir != nil {
		if checkpoint, ac.NotBefore, err = d.readDir(); err != nil {
			return err
		}
	}
	d.agg, err = d.restore(ac, checkpoint)
	return err
}

// beatInterval is the time between two signs of life. A run that is killed has
// taken datapoints since its last one, for beatSpan if the next one was late.
const (
	beatInterval = 500 * time.Millisecond
	beatSpan     = 2 * beatInterval
)

// readDir returns the checkpoint of the last run, if it stopped in order, and
// else the time up to which it may have taken datapoints.
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
	if alive > 0 {
		notBefore = alive + beatSpan.Seconds()
	}
	return checkpoint, notBefore, nil
}

func (d *daemon) restore(ac aggregator.Config, checkpoint []byte) (*aggregator.Aggregator, error) {
	if checkpoint == nil {
		return aggregator.New(ac)
	}
	notBefore := ac.NotBefore
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
		"err", errors.Join(err, moveErr), "kept_as", path, "not_before", unixTime(notBefore))
	ac.NotBefore = notBefore
	return aggregator.New(ac)
}

// acquire lends a lane to a listener, once no destination asks the inputs to wait.
func (d *daemon) acquire() ingest.Lane {
	d.up.Wait(d.inputs) // ends with the inputs; the queues have room for what comes then
	return d.agg.Acquire()
}

// listenerOf returns a configured listener as package ingest takes it.
func listenerOf(l *config.Listener) ingest.Listener {
	out := ingest.Listener{
		Protocol: l.Protocol, Transport: l.Transport, Address: l.Address,
		ReusePort: l.ReusePort, Allow: l.AllowedNetworks(), Compression: l.Compression,
		MaxConnections: l.MaxConnections, IdleTimeout: time.Duration(l.IdleTimeout),
		MaxLine: int(l.MaxLine), MaxFrame: int(l.MaxFrame),
	}
	if l.TLSCert != "" {
		out.TLS = &ingest.TLS{CertFile: l.TLSCert, KeyFile: l.TLSKey, ClientCAFile: l.TLSClientCA}
	}
	return out
}

func (d *daemon) newIngest() (*ingest.Ingest, error) {
	c := ingest.Config{
		ReadBuffer:      int(d.cfg.Limits.ReadBuffer),
		UDPBuffer:       int(d.cfg.Limits.UDPBuffer),
		Resolution:      seconds(d.cfg.Limits.TimestampResolution),
		Acquire:         d.acquire,
		Now:             unixNow,
		Logger:          d.log,
		RefusedLines:    d.cfg.Log.RefusedLines,
		RefusedInterval: time.Duration(d.cfg.Log.RefusedInterval),
	}
	var err error
	if d.listening, err = d.listeners(); err != nil {
		return nil, err
	}
	c.Listeners = d.listening
	return ingest.New(c)
}

// emit sends rows upstream. The aggregator calls it from one goroutine at a time.
func (d *daemon) emit(rows []aggregator.Row, again bool) {
	d.line = d.line[:0]
	for i := range rows {
		d.line = plaintext.Append(d.line, d.names.rowName(rows[i].Name), rows[i].Value, float64(rows[i].Time))
	}
	kind := upstream.Aggregate
	if again {
		kind = upstream.Amendment
	}
	d.up.Send(d.line, len(rows), kind)
}

// start binds every address before anything that cannot be undone.
func (d *daemon) start() error {
	err := d.in.Listen()
	if err != nil {
		d.abandon()
		return fmt.Errorf("%w (keys listen, listen_pickle and [[listener]], flags --listen and --listen-pickle)", err)
	}
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
		d.abandon()
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
		for _, path := range d.names.paths() {
			d.running.Go(func() {
				watch.Run(ctx, watch.Config{
					Path: path, Debounce: time.Duration(d.cfg.Reload.Debounce), Poll: time.Duration(d.cfg.Names.Poll),
					Changed: func() { d.names.reload(false) }, Logger: d.log,
				})
			})
		}
	}
	d.in.Start()
	d.web.start()
	d.running.Go(func() { d.watchdog(ctx) })
	d.ready.Open()
	d.logStart()
	d.tell(sd.SdNotifyReady)
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
	for _, l := range d.in.Stats() {
		d.log.Info("listening", "protocol", l.Protocol, "transport", l.Transport, "address", l.Address)
	}
	if d.web != nil {
		d.log.Info("listening", "protocol", "http", "transport", "tcp", "address", d.web.ln.Addr().String())
	}
	d.log.Info("started", "version", version, "rules", d.agg.Stats().Rules, "upstream", d.cfg.Upstream, "data", d.cfg.Data)
}

// beat records again and again that this run is alive.
func (d *daemon) beat(ctx context.Context) {
	tick := time.NewTicker(beatInterval)
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
	d.tell(sd.SdNotifyStopping)
	d.closeInputs()
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
