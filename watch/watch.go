// Package watch tells when a file may have changed.
package watch

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Config says what to watch, and how.
type Config struct {
	// Path is the file. Its directory is watched, because a file that is
	// replaced by renaming another onto it is a new one.
	Path string
	// Debounce is how long the directory must be quiet before Changed is called,
	// so that a file is not read half written. Where other files of the directory
	// change all the time, ten times as long is waited at most.
	Debounce time.Duration
	// Poll is how often Changed is called anyway, for file systems that notify
	// nobody; 0 is never.
	Poll time.Duration
	// Changed is called by Run's goroutine when the file may have changed. It
	// has to look for itself whether it has.
	Changed func()
	// Logger hears when notification is not to be had and polling must do.
	Logger *slog.Logger
}

// Run watches until ctx is done.
func Run(ctx context.Context, cfg Config) {
	var events chan fsnotify.Event
	var errs chan error
	w, err := fsnotify.NewWatcher()
	if err == nil {
		defer w.Close()
		err = w.Add(filepath.Dir(cfg.Path))
		events, errs = w.Events, w.Errors
	}
	if err != nil {
		cfg.Logger.Warn("cannot be notified of changes, polling only", "file", cfg.Path, "every", cfg.Poll, "err", err)
	}
	loop(ctx, cfg, events, errs)
}

func loop(ctx context.Context, cfg Config, events <-chan fsnotify.Event, errs <-chan error) {
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	defer quiet.Stop()
	var latest time.Time // when Changed is called at the latest; zero where nothing waits
	var poll <-chan time.Time
	if cfg.Poll > 0 {
		t := time.NewTicker(cfg.Poll)
		defer t.Stop()
		poll = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			// Every event of the directory counts: the file may be a link whose
			// target lies behind another name, as in mounted configuration.
			if latest.IsZero() {
				latest = time.Now().Add(10 * cfg.Debounce)
			}
			quiet.Reset(min(cfg.Debounce, time.Until(latest)))
		case err, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			cfg.Logger.Warn("watching for changes", "file", cfg.Path, "err", err)
		case <-quiet.C:
			latest = time.Time{}
			cfg.Changed()
		case <-poll:
			cfg.Changed()
		}
	}
}
