package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

func TestDebounceAndPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var calls []time.Duration
		events := make(chan fsnotify.Event)
		ctx, cancel := context.WithCancel(t.Context())
		go loop(ctx, Config{
			Debounce: 500 * time.Millisecond, Poll: 10 * time.Second,
			Changed: func() { calls = append(calls, time.Since(start)) },
		}, events, nil)
		for range 5 { // an editor writes in pieces
			events <- fsnotify.Event{}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		cancel()
		synctest.Wait()
		want := []time.Duration{900 * time.Millisecond, 10 * time.Second}
		if len(calls) != 2 || calls[0] != want[0] || calls[1] != want[1] {
			t.Errorf("called at %v, want %v", calls, want)
		}
	})
}

// A neighbour that is written to all the time, such as a log, hides no change.
func TestBusyDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var calls []time.Duration
		events := make(chan fsnotify.Event)
		ctx, cancel := context.WithCancel(t.Context())
		go loop(ctx, Config{
			Debounce: 500 * time.Millisecond,
			Changed:  func() { calls = append(calls, time.Since(start)) },
		}, events, nil)
		for range 110 {
			events <- fsnotify.Event{}
			time.Sleep(100 * time.Millisecond)
		}
		cancel()
		synctest.Wait()
		if len(calls) != 2 || calls[0] != 5*time.Second || calls[1] < 10*time.Second || calls[1] > 10200*time.Millisecond {
			t.Errorf("called at %v, want after 5 s and again 5 s later", calls)
		}
	})
}

// A file that is replaced by renaming, the way careful programs write, is noticed.
func TestRename(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rules.conf")
	if err := os.WriteFile(path, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Run(ctx, Config{Path: path, Debounce: time.Millisecond, Poll: time.Millisecond, Changed: func() { changed <- struct{}{} }, Logger: slog.Default()})
	}()
	<-changed // it runs
	for range 2 {
		tmp := filepath.Join(dir, "rules.conf.new")
		if err := os.WriteFile(tmp, []byte("b"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, path); err != nil {
			t.Fatal(err)
		}
		<-changed
	}
	cancel()
	for { // it may wait to tell
		select {
		case <-changed:
			continue
		case <-done:
		}
		break
	}
}
