package main

import (
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/datadir"
)

// Where signs of life are late, rows wait for one: otherwise a kill straight after
// them would leave a time from which on their buckets are not refused.
func TestRowsFollowASignOfLife(t *testing.T) {
	dir := t.TempDir()
	cfg, problems := config.Load(write(t, dir, "coalesce.toml", anyPicklePort),
		config.Override{Flag: "rules", Value: noRules(t)}, config.Override{Flag: "data", Value: filepath.Join(dir, "data")})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(cfg, slog.New(slog.DiscardHandler), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer d.abandon()
	now := unixNow()
	d.heart.now = func() float64 { return now }
	for _, step := range []struct{ passed, old float64 }{{0, 0}, {0.5, 0.5}, {0.4, 0.9}, {0.2, 0}, {20, 0}, {0.9, 0.9}} {
		now += step.passed
		d.emit([]aggregator.Row{{Name: "a", Time: int64(now) - 1}}, false)
		alive, err := d.dir.LastAlive()
		if old := now - alive; err != nil || old < step.old-0.01 || old > step.old+0.01 {
			t.Errorf("%v s later the last sign of life is %v s old (%v), want %v", step.passed, old, err, step.old)
		}
	}
}

// A disk that hangs or fails holds rows up once, for as long as a sign may be old.
func TestRowsDoNotWaitForADisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		h := &heart{now: unixNow, sign: func(float64) error { <-hang; return errors.New("full") }}
		for _, want := range []time.Duration{beatSpan, 0, 0} {
			begun := time.Now()
			h.fresh()
			if took := time.Since(begun); took != want {
				t.Errorf("rows waited %v, want %v", took, want)
			}
		}
		close(hang)
		synctest.Wait()
		begun := time.Now()
		h.fresh()
		if took := time.Since(begun); took != 0 || h.last.Load() != 0 {
			t.Errorf("rows waited %v for what fails", took)
		}
		(*heart)(nil).fresh()
	})
}

// A start that fails on the disk leaves the last run's buckets to the next one.
func TestTakeOverFails(t *testing.T) {
	dir, err := datadir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	full := errors.New("full")
	d := &daemon{dir: dir, heart: &heart{now: unixNow, sign: func(float64) error { return full }}}
	if err := dir.SaveCheckpoint([]byte("buckets")); err != nil {
		t.Fatal(err)
	}
	err = d.takeOver()
	left, _ := dir.Checkpoint()
	if !errors.Is(err, full) || string(left) != "buckets" || !dir.Ended() {
		t.Errorf("%v, and the checkpoint is %q, ended %v", err, left, dir.Ended())
	}
	d.heart.sign = dir.Beat
	err = d.takeOver()
	if left, _ := dir.Checkpoint(); err != nil || left != nil || dir.Ended() {
		t.Errorf("%v, and the checkpoint is %q, ended %v", err, left, dir.Ended())
	}
}
