package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/check"
	"github.com/coalesce-metrics/coalesce/bench/internal/load"
	"github.com/coalesce-metrics/coalesce/bench/internal/proc"
	"github.com/coalesce-metrics/coalesce/bench/internal/report"
	"github.com/coalesce-metrics/coalesce/bench/internal/system"
)

const (
	// spoolAhead is how many bytes may be sent that are not on the disk yet: more than
	// the queue holds before it turns to the disk, and less than twice that, which is
	// what it holds at all. Lines have some 70 bytes.
	spoolAhead = system.SpoolRows * 120
	// spoolRest is how long nothing is written when all is that will be.
	spoolRest = 100 * time.Millisecond
	// spoolStuck is how long the disk may take for a write.
	spoolStuck = 20 * time.Second
)

// A disk watches a spool grow. It may be used by several goroutines.
type disk struct {
	dir string

	mu    sync.Mutex // guards all below
	sent  int64      // bytes, to the system
	size  int64      // of all files
	seen  time.Time  // when size was looked up
	grown time.Time  // when it was first seen to be as large as it is
	err   error
}

func watch(dir string) *disk {
	now := time.Now()
	return &disk{dir: filepath.Join(dir, system.DataDir, "spool"), seen: now, grown: now}
}

// pace has a sender wait before it sends n bytes while the disk is behind: what a
// queue cannot hold is dropped, however fast it is written.
func (d *disk) pace(ctx context.Context, n int) {
	d.mu.Lock()
	d.sent += int64(n)
	for d.look(); d.sent-d.size > spoolAhead && time.Since(d.grown) < spoolStuck && ctx.Err() == nil; d.look() {
		d.mu.Unlock()
		time.Sleep(time.Millisecond)
		d.mu.Lock()
	}
	d.mu.Unlock()
}

// look looks up the size, at most once in a millisecond; mu is held.
func (d *disk) look() {
	now := time.Now()
	if now.Sub(d.seen) < time.Millisecond {
		return
	}
	d.seen = now
	var size int64
	err := filepath.WalkDir(d.dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil { // a file that comes or goes meanwhile, or the first of them all
		d.err = err
		return
	}
	if d.err = nil; size != d.size {
		d.size, d.grown = size, now
	}
}

// settle waits until the spool is at rest and holds all of the points sent but what the
// queue does. It returns how much that is, and when it came to that.
func (d *disk) settle(ctx context.Context, p *proc.Process, points int64) (bytes int64, at time.Time, err error) {
	began := time.Now()
	d.mu.Lock()
	queue := system.SpoolRows*d.sent/points + 1<<20 // and a few writes
	d.mu.Unlock()
	err = p.Wait(ctx, "all is in the spool but what the queue holds", func() (bool, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.look()
		if bytes, at = d.size, d.grown; bytes == 0 {
			at = began
		}
		return d.sent-bytes <= queue && time.Since(at) > spoolRest && time.Since(began) > spoolRest, nil
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("%w; it holds %d of %d bytes (%v)", err, bytes, d.sent, d.err)
	}
	return bytes, at, err
}

// write waits until what was sent is in the spool, and notes what that took.
func (t *trial) write(ctx context.Context, sent *load.Sent) error {
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	bytes, at, err := t.disk.settle(ctx, t.p, sent.Points)
	if err != nil {
		return err
	}
	cpu, err := t.p.CPU()
	t.r.Spool = &report.Spool{Bytes: bytes, Write: report.Phase{CPU: cpu - t.before, Time: at.Sub(sent.Start)}}
	return err
}

// drain opens the sink, waits until it has everything, and notes what that took.
func (t *trial) drain(ctx context.Context, e *check.Expected) error {
	before, err := t.p.CPU()
	if err != nil {
		return err
	}
	if err := t.sink.Open(); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	if err := t.p.Wait(limit, "it is connected", func() (bool, error) { return t.sink.Connections() > 0, nil }); err != nil {
		return err
	}
	start := time.Now()
	if err := t.await(ctx, e); err != nil {
		return err
	}
	took := time.Since(start)
	after, err := t.p.CPU()
	t.r.Spool.Drain = report.Phase{CPU: after - before, Time: took}
	return err
}
