package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"sync"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api/measurements"
	"github.com/coalesce-metrics/coalesce/api/operate"
	"github.com/coalesce-metrics/coalesce/api/windows"
	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/datadir"
	"github.com/coalesce-metrics/coalesce/ingest"
	"github.com/coalesce-metrics/coalesce/node"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/query"
	"github.com/coalesce-metrics/coalesce/rulebook"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/coalesce-metrics/coalesce/upstream"
	"github.com/coalesce-metrics/coalesce/views"
	"github.com/coalesce-metrics/coalesce/watch"
)

// daemon is all parts of a running coalesce. What flows from one to the next is
// handed down as functions here, so that no part knows the one above it.
type daemon struct {
	cfg   *config.Config
	log   *slog.Logger
	force inForce
	rules *ruleFile
	book  *rulebook.Book
	views *views.Registry
	names *nameFiles
	dir   *datadir.Dir // nil without a data directory
	heart *heart       // likewise
	cells *cells

	engine       *query.Engine
	windows      *windows.API
	node         *node.Node
	recorded     *nodeSource      // of node
	metrics      *attributes.Book // that measurements are sent for
	measurements *measurements.API

	up    *upstream.Upstream
	agg   *aggregator.Aggregator
	in    *ingest.Ingest
	web   *web // nil without HTTP
	ready operate.Gate

	unclean float64 // when the last run ended, if not in order

	stdout io.Writer

	listening   []ingest.Listener
	inputs      context.Context // done when the inputs must wait for nothing more
	closeInputs context.CancelFunc

	cancel  context.CancelFunc // ends the background work
	running sync.WaitGroup
	line    []byte // of emit
}

// unixNow is the one place where the wall clock is read for datapoints.
func unixNow() float64 { return float64(time.Now().UnixNano()) / 1e9 }

// unixSecond is what replaces a timestamp of -1: a whole second, as some of those
// who are sent the datapoint refuse a fraction.
func unixSecond() float64 { return math.Floor(unixNow()) }

// newDaemon makes the parts and starts none of them.
func newDaemon(cfg *config.Config, log *slog.Logger, stdout io.Writer) (_ *daemon, err error) {
	d := &daemon{cfg: cfg, log: log, stdout: stdout}
	d.inputs, d.closeInputs = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			d.abandon()
		}
	}()
	inputs, problems := inputRules(cfg)
	problems = append(problems, viewProblems(cfg)...)
	if err = problems.Err(); err != nil {
		return nil, err
	}
	d.force.put(fromConfig, inputs)
	d.rules = newRuleFile(cfg.Rules, cfg.Prefix, log, time.Now, func(list []*rules.Rule) { d.force.put(fromFile, list) })
	if err = d.rules.start(); err != nil {
		return nil, err
	}
	d.names = newNameFiles(cfg.Names, log)
	names, err := d.names.start()
	if err != nil {
		return nil, err
	}
	// The lock of the data directory comes before everything that lies in it.
	if cfg.Data != "" {
		if d.dir, err = datadir.Open(cfg.Data); err != nil {
			return nil, err
		}
		d.heart = &heart{sign: d.dir.Beat, now: unixNow}
	}
	if err = errors.Join(d.openBook(), d.openViews()); err != nil {
		return nil, err
	}
	first := true
	if d.dir != nil {
		alive, err := d.dir.LastAlive()
		first = err == nil && alive == 0
	}
	if d.cells, err = newCells(cfg, first, log); err != nil {
		return nil, err
	}
	if err = d.openMetrics(); err != nil {
		return nil, err
	}
	if err = d.newUpstream(); err != nil {
		return nil, err
	}
	if err = d.newState(names); err != nil {
		return nil, err
	}
	if err = d.newQueries(); err != nil {
		return nil, err
	}
	d.force.start(d.setRules)
	d.names.apply = d.agg.SetNames
	if d.in, err = d.newIngest(); err != nil {
		return nil, err
	}
	return d, nil
}

// setRules tells what has to know of new rules.
func (d *daemon) setRules(set *rules.Set) {
	d.agg.SetRules(set)
	d.up.Replan()
}

// abandon gives back what a daemon that is not started holds.
func (d *daemon) abandon() {
	d.closeInputs()
	if d.up != nil {
		d.up.Stop(d.inputs)
	}
	if err := errors.Join(d.cells.close(d.inputs), d.closeBook(), d.closeViews(), d.closeMetrics()); err != nil {
		d.log.Warn("the store", "err", err)
	}
	d.closeDir()
}

// newQueries makes what answers about cells.
func (d *daemon) newQueries() (err error) {
	if d.engine, err = newEngine(d.cfg, d.cells, d.agg, d.log); err != nil {
		return err
	}
	collect := collectInto(d.agg)
	c := windows.Config{Streams: d.engine.Streams, Collect: collect, Now: time.Now, Logger: d.log}
	for _, w := range d.cfg.AllWindows() {
		c.Windows = append(c.Windows, windows.Window{
			Name: w.Name, Span: time.Duration(w.Span), Step: time.Duration(w.Step), Retention: time.Duration(w.Retention),
		})
	}
	d.windows = windows.New(c)
	d.newMeasurements()
	d.recorded = newNodeSource(d.cfg, d.engine, d.cells, collect)
	d.node = node.New(node.Config{Source: d.recorded, Logger: d.log})
	return nil
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
		Now:             unixSecond,
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
	d.heart.fresh()
	d.line = d.format(d.line[:0], rows)
	d.up.Send(d.line, len(rows), kindOf(again))
}

// format appends rows as plaintext.
func (d *daemon) format(dst []byte, rows []aggregator.Row) []byte {
	for i := range rows {
		dst = plaintext.Append(dst, d.names.rowName(rows[i].Name), rows[i].Value, float64(rows[i].Time))
	}
	return dst
}

// start binds every address before anything that cannot be undone.
func (d *daemon) start() error {
	if err := d.in.Listen(); err != nil {
		d.abandon()
		return fmt.Errorf("%w (keys listen, listen_pickle and [[listener]], flags --listen and --listen-pickle)", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	nodes, err := d.bind(ctx)
	if err == nil {
		err = d.takeOver()
	}
	if err != nil {
		cancel()
		d.running.Wait()
		d.web.close()
		nodes.close()
		d.in.Stop(ctx)
		d.abandon()
		return err
	}
	d.up.Start()
	if d.unclean > 0 {
		d.sendAgain(ctx)
	}
	d.background(ctx)
	if nodes != nil {
		d.log.Info("listening", "protocol", "node", "transport", "tcp", "address", nodes.ln.Addr().String())
		d.running.Go(func() { nodes.serve(ctx) })
	}
	d.in.Start()
	d.web.start()
	d.running.Go(func() { d.watchdog(ctx) })
	d.ready.Open()
	d.logStart()
	d.tell(sd.SdNotifyReady)
	return nil
}

// bind binds the addresses of all but the listeners, and starts what reports on
// them.
func (d *daemon) bind(ctx context.Context) (nodes *nodeServer, err error) {
	if d.web, err = d.newWeb(); err != nil {
		return nil, err
	}
	if err = d.startReporter(ctx); err != nil {
		return nil, err
	}
	return newNodeServer(d.cfg, d.node, d.log)
}

// background starts the work that goes on by itself until ctx is done.
func (d *daemon) background(ctx context.Context) {
	d.running.Go(func() { d.agg.Run(ctx) })
	d.running.Go(func() { d.views.Run(ctx) })
	if d.dir != nil {
		d.running.Go(func() { d.heart.run(ctx, d.log) })
	}
	if d.cells.arch != nil {
		d.running.Go(func() { d.cells.arch.Run(ctx) })
	}
	d.running.Go(func() { d.cells.load(ctx) })
	if !d.cfg.Reload.Watch {
		return
	}
	d.watch(ctx, d.cfg.Rules, d.cfg.Reload.Poll, d.rules.reload)
	for _, path := range d.names.paths {
		d.watch(ctx, path, d.cfg.Names.Poll, d.names.reload)
	}
}

// watch has a file read again when it may have changed.
func (d *daemon) watch(ctx context.Context, path string, poll config.Duration, reload func(force bool)) {
	d.running.Go(func() {
		watch.Run(ctx, watch.Config{
			Path: path, Debounce: time.Duration(d.cfg.Reload.Debounce), Poll: time.Duration(poll),
			Changed: func() { reload(false) }, Logger: d.log,
		})
	})
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
	d.measurements.Close()
	d.cancel()
	d.running.Wait()
	d.cells.stopForgetting(ctx)
	err := errors.Join(d.closeBook(), d.closeViews(), d.closeMetrics())
	d.agg.Tick()
	err = errors.Join(err, d.saveCells())
	unsent := d.up.Stop(ctx)
	for _, u := range unsent {
		err = errors.Join(err, fmt.Errorf("%s for %s could not be sent", count(u.Datapoints, "row"), u.Destination))
	}
	err = errors.Join(err, d.web.stop(ctx), d.closeCells(ctx))
	if d.dir != nil && len(unsent) == 0 {
		err = errors.Join(err, d.dir.SetEnded(true))
	}
	err = errors.Join(err, d.closeDir())
	d.log.Info("stopped")
	return err
}

func seconds(d config.Duration) float64 { return time.Duration(d).Seconds() }
