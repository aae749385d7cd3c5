package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/proc"
	"github.com/coalesce-metrics/coalesce/bench/internal/system"
)

// spoolFile makes a file of a spool.
func spoolFile(t *testing.T, dir string, size int64) {
	t.Helper()
	path := filepath.Join(dir, system.DataDir, "spool", "destination", "segment")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
}

// A sender goes on at once until it is too far ahead, and then with the disk.
func TestPace(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	d := watch(dir)
	d.pace(ctx, spoolAhead)
	went := make(chan struct{})
	go func() {
		d.pace(ctx, 1000)
		close(went)
	}()
	for { // until it waits
		d.mu.Lock()
		sent := d.sent
		d.mu.Unlock()
		if sent == spoolAhead+1000 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	select {
	case <-went:
		t.Error("it went on with nothing on the disk")
	default:
	}
	spoolFile(t, dir, 1000)
	<-went
	if ctx.Err() != nil {
		t.Error("it did not see the disk")
	}
	cancel()
	d.pace(ctx, spoolAhead) // does not wait any more
}

func TestSettle(t *testing.T) {
	p, err := proc.Start(t.TempDir(), os.Stderr, nil, "/bin/sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop(0)
	const lines = 1_000_000 // of 100 bytes, of which the queue holds a fifth and a little more
	tests := map[string]struct {
		size     int64
		patience time.Duration
		ok       bool
	}{
		"all but the queue": {80_000_000, 2 * time.Minute, true},
		"not enough":        {78_000_000, 3 * spoolRest, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := watch(dir)
			d.sent = 100 * lines
			spoolFile(t, dir, tt.size)
			ctx, cancel := context.WithTimeout(context.Background(), tt.patience)
			defer cancel()
			bytes, at, err := d.settle(ctx, p, lines)
			if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), "78000000 of 100000000 bytes") {
				t.Errorf("error %v", err)
			}
			if tt.ok && (bytes != tt.size || time.Since(at) < spoolRest) {
				t.Errorf("%d bytes for %v, want %d for at least %v", bytes, time.Since(at), tt.size, spoolRest)
			}
		})
	}
}
