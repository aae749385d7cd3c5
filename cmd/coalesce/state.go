package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/upstream"
)

// newState makes the aggregator go on from the data directory.
func (d *daemon) newState(names *naming.Policy) error {
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
	views, problems := forwardViews(d.cfg)
	if err = problems.Err(); err != nil {
		return err
	}
	ac := aggregator.Config{
		Rules:      d.force.Set(),
		Views:      views,
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
		Archive:    d.cells.aggregatorArchive(),
		Announce:   d.cells.announce,
		Departed:   d.cells.departed,
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

// aliveSlack is how far ahead of the clock the last sign of life is taken for right, in
// seconds.
const aliveSlack = 60

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
		d.unclean = alive
		text := "of buckets that began before its end only those are taken in that the store has, or never got"
		if at := d.cfg.Store.At; at == "off" || at == "memory" || d.cfg.Aggregation.WriteBack > 0 {
			text = "buckets that began before its end are refused as too_old"
		}
		d.log.Warn("the last run did not stop in order: its open buckets are lost, and "+text, "last_alive", unixTime(alive))
	}
	if checkpoint != nil && alive > 0 && !d.dir.Ended() {
		d.unclean = alive
		d.log.Warn("the last run ended with rows in its queues: its buckets are saved, but these rows may be lost", "last_alive", unixTime(alive))
	}
	if alive > 0 {
		notBefore = alive + beatSpan.Seconds()
	}
	if now := unixNow(); checkpoint == nil && notBefore > now+aliveSlack {
		d.log.Error("the last run's clock was ahead, or this one's is behind: buckets that begin before its last sign of life count as its own; once the clock is right, restart in order",
			"last_alive", unixTime(alive), "now", unixTime(now))
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

// againPatience is how long a start waits for the store.
const againPatience = 5 * time.Second

// sendAgain sends the rows of the last periods before a crash, or a stop that was cut
// short, to stores, which may have lost them with their connections, or never got them. It comes before any datapoint, so that
// no older value follows an amended one.
func (d *daemon) sendAgain(ctx context.Context) {
	ctx, done := context.WithTimeout(ctx, againPatience)
	defer done()
	var rows []aggregator.Row
	sent := 0
	send := func() {
		d.up.Send(d.format(nil, rows), len(rows), upstream.Amendment)
		sent += len(rows)
		rows = rows[:0]
	}
	err := d.cells.again(ctx, d.unclean, d.cfg.Aggregation.Keep, func(r aggregator.Row) {
		if rows = append(rows, r); len(rows) == againBatch {
			send()
		}
	})
	if len(rows) > 0 {
		send()
	}
	if err != nil {
		d.log.Warn("not all rows of the last periods could be sent again", "err", err)
	}
	if sent > 0 {
		d.log.Info("sent the rows of the last periods again", "rows", sent)
	}
}

// againBatch is how many rows sendAgain sends at a time.
const againBatch = 1000

// takeOver makes this run answer for the buckets of the data directory.
func (d *daemon) takeOver() error {
	if d.dir == nil {
		return nil
	}
	// In this order, so that one that fails here leaves the last run's buckets to the next.
	err := d.heart.beat()
	if err == nil {
		err = d.dir.SetEnded(false)
	}
	if err == nil {
		err = d.dir.DropCheckpoint()
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// saveCells puts open and amendable buckets on the disk, or emits them.
func (d *daemon) saveCells() error {
	if d.dir == nil {
		d.agg.Flush()
		return nil
	}
	data := d.agg.Checkpoint()
	err := errors.Join(d.heart.beat(), d.dir.SaveCheckpoint(data))
	if err == nil {
		d.log.Info("saved the checkpoint", "buckets", d.agg.Stats().Buckets, "bytes", len(data))
		return nil
	}
	d.log.Error("the checkpoint cannot be saved, so that open buckets are emitted as they are", "err", err)
	d.agg.Flush()
	return fmt.Errorf("checkpoint: %w", err)
}

// storePatience is how long a stop waits for the store.
const storePatience = 10 * time.Second

func (d *daemon) closeCells(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, storePatience)
	defer done()
	if err := d.cells.close(ctx); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

func (d *daemon) closeDir() error {
	if d.dir == nil {
		return nil
	}
	dir := d.dir
	d.dir = nil
	return dir.Close()
}

func unixTime(t float64) string { return time.Unix(int64(t), 0).UTC().Format(time.RFC3339) }
