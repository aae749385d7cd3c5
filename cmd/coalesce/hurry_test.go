package main

import (
	"log/slog"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// timeout(1) sends its signal to the process and then to its group, which is no
// reason to leave queues undrained.
func TestHurry(t *testing.T) {
	type sent struct {
		at     time.Duration
		signal os.Signal
	}
	for name, test := range map[string]struct {
		signals []sent
		abort   time.Duration // 0 is never
	}{
		"none":               {nil, 0},
		"the same again":     {[]sent{{0, syscall.SIGTERM}, {100 * time.Millisecond, syscall.SIGTERM}}, 0},
		"another at once":    {[]sent{{0, syscall.SIGTERM}, {0, syscall.SIGINT}}, 0},
		"a second":           {[]sent{{time.Second, syscall.SIGTERM}}, time.Second},
		"a second by Ctrl-C": {[]sent{{time.Second, syscall.SIGINT}}, time.Second},
		"twice, a second":    {[]sent{{0, syscall.SIGTERM}, {3 * time.Second, syscall.SIGTERM}}, 3 * time.Second},
		"reload":             {[]sent{{time.Second, syscall.SIGHUP}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				signals := make(chan os.Signal)
				var aborted time.Duration
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					hurry(signals, slog.New(slog.DiscardHandler), func() { aborted = time.Since(begun) })
				}()
				synctest.Wait()
				for _, s := range test.signals {
					time.Sleep(s.at - time.Since(begun))
					signals <- s.signal
				}
				close(signals)
				<-ended
				if aborted != test.abort {
					t.Errorf("aborted after %v, want %v", aborted, test.abort)
				}
			})
		})
	}
}
