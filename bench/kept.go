package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/check"
	"github.com/coalesce-metrics/coalesce/bench/internal/load"
	"github.com/coalesce-metrics/coalesce/bench/internal/report"
	"github.com/coalesce-metrics/coalesce/bench/internal/system"
	"github.com/coalesce-metrics/coalesce/store/sqlite"
)

const (
	// keepLimit bounds how long cells take to get into the store: their bucket, its
	// grace, and a cycle of the archive.
	keepLimit = 60 * time.Second
	// keepGrace is how long a bucket of a kept metric is held after its end at most, and
	// keepSlack until it has closed then.
	keepGrace = 5 * time.Second
	keepSlack = 1500 * time.Millisecond
	// keepRest is how long the store is not written when all is in it.
	keepRest = 300 * time.Millisecond
)

// closed returns when all that was sent is kept, if the rows of all outputs have
// arrived by now.
func (t *trial) closed(sent *load.Sent) time.Time {
	now := time.Now()
	if t.w.Keep == 0 {
		return now
	}
	if last := keptUntil(sent.End, t.w.Keep); last.After(now) {
		return last
	}
	return now
}

// keptUntil returns when a bucket of some seconds is kept that is open at end.
func keptUntil(end time.Time, seconds int) time.Time {
	period := int64(seconds)
	second := end.Unix() - end.Unix()%period + period
	return time.Unix(second, 0).Add(min(keepGrace, time.Duration(seconds)*time.Second/2)).Add(keepSlack)
}

// settle waits until what has closed by then is in the store. The time at which the
// file is written tells, so that the process is not asked.
func (t *trial) settle(ctx context.Context, closed time.Time) error {
	before, err := t.p.CPU()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, keepLimit)
	defer cancel()
	log := filepath.Join(t.dir, system.StoreFile+"-wal")
	err = t.p.Wait(ctx, "its cells are in the store", func() (bool, error) {
		info, err := os.Stat(log)
		if err != nil {
			return false, err
		}
		written := info.ModTime()
		return written.After(closed) && time.Since(written) > keepRest, nil
	})
	if err != nil {
		return err
	}
	after, err := t.p.CPU()
	t.r.Kept = &report.Kept{Later: after - before}
	return err
}

// readStore compares what the stopped process has left in its store with what was sent.
func (t *trial) readStore(ctx context.Context, e *check.Expected) error {
	path := filepath.Join(t.dir, system.StoreFile)
	s, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	t.r.Kept.Bytes = info.Size()
	var problem string
	if t.r.Kept.Cells, problem, err = e.JudgeStore(ctx, s, int64(t.period)); err != nil {
		return err
	}
	if problem != "" {
		t.r.Verdict.Problem = strings.TrimPrefix(t.r.Verdict.Problem+"; in the store: "+problem, "; ")
	}
	return nil
}
