package upstream

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func dialNever(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestStopDrains(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := fakeNet{prepare: func(_ string, n int, c *fakeConn) error {
			if n == 0 {
				return syscall.ECONNREFUSED
			}
			c.budget, c.refill = 1000, 10_000
			return nil
		}}
		u := newUpstream(t, "a:1", func(c *Config) { c.Dial, c.WriteTimeout = f.dial, 100*time.Millisecond })
		u.Start()
		send(u, 0, 1000)
		synctest.Wait()
		if got := u.Stop(t.Context()); got != nil {
			t.Errorf("Stop = %v, want nothing unsent", got)
		}
		if got := f.conn("a:1", 0).text(); got != numbered(0, 1000) {
			t.Errorf("%d bytes arrived, want all", len(got))
		}
		send(u, 0, 7)
		if s := u.Stats()[0]; s.Dropped[Stopped] != 7 || s.MadeTotal() != 1007 || s.Connected {
			t.Errorf("%+v, want what came after Stop dropped", s)
		}
	})
}

func TestStopGivesUp(t *testing.T) {
	tests := map[string]struct {
		edit  func(*Config)
		limit time.Duration // of the context
		takes time.Duration
	}{
		"after DrainTimeout": {func(c *Config) { c.DrainTimeout = 3 * time.Second }, time.Hour, 3 * time.Second},
		"with the context":   {func(c *Config) {}, 2 * time.Second, 2 * time.Second},
	}
	for name, tt := range tests {
		bubble(t, name, func(t *testing.T) {
			f := fakeNet{prepare: func(addr string, _ int, c *fakeConn) error {
				switch addr {
				case "stuck:1":
					c.budget = 25 // two lines and a half
				case "dead:1":
					return syscall.ECONNREFUSED
				}
				return nil
			}}
			var logged bytes.Buffer
			u := newUpstream(t, "stuck:1,good:1,dead:1", func(c *Config) {
				c.Dial, c.WriteTimeout = f.dial, time.Hour
				c.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelError}))
				tt.edit(c)
			})
			u.Start()
			synctest.Wait()
			send(u, 0, 50)
			synctest.Wait()
			send(u, 50, 80)
			began := time.Now()
			want := []Unsent{
				{Destination: "stuck:1", Datapoints: 78},
				{Destination: "dead:1", Datapoints: 80, LastError: syscall.ECONNREFUSED.Error()},
			}
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if diff := cmp.Diff(want, stopWithin(u, tt.limit)); diff != "" {
						t.Error("Stop (-want +got):", diff)
					}
				})
			}
			wg.Wait()
			if got := time.Since(began); got != tt.takes {
				t.Errorf("Stop took %v, want %v", got, tt.takes)
			}
			for i, written := range []int64{2, 80, 0} {
				s := u.Stats()[i]
				checkBalance(t, s)
				if s.Written != written || s.Dropped[Stopped] != 80-written {
					t.Errorf("%+v, want %d written, the others dropped", s, written)
				}
			}
			if got := strings.Count(logged.String(), "rows not sent"); got != 2 {
				t.Errorf("%d log lines, want 2: %s", got, logged.String())
			}
		})
	}
}

// A second, less patient Stop ends the first.
func TestStopAgainHurries(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		u := newUpstream(t, "a:1", func(c *Config) { c.Dial, c.DrainTimeout = dialNever, time.Hour })
		u.Start()
		send(u, 0, 5)
		began := time.Now()
		var first []Unsent
		var wg sync.WaitGroup
		wg.Go(func() { first = u.Stop(t.Context()) })
		synctest.Wait()
		second := stopWithin(u, time.Second)
		wg.Wait()
		if got := time.Since(began); got != time.Second {
			t.Errorf("Stop took %v, want a second", got)
		}
		want := []Unsent{{Destination: "a:1", Datapoints: 5}}
		if diff := cmp.Diff([][]Unsent{want, want}, [][]Unsent{first, second}); diff != "" {
			t.Error("Stop (-want +got):", diff)
		}
	})
}

func TestStopWithNothingToDoIsQuick(t *testing.T) {
	tests := map[string]struct {
		dial func(context.Context, string, string) (net.Conn, error)
		wait time.Duration
	}{
		"idle":                {new(fakeNet).dial, time.Second},
		"dialling":            {dialNever, time.Second},
		"before the next try": {func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }, time.Second},
		"just started":        {new(fakeNet).dial, 0},
	}
	for name, tt := range tests {
		bubble(t, name, func(t *testing.T) {
			var logged bytes.Buffer
			u := newUpstream(t, "a:1", func(c *Config) {
				c.Dial, c.ReconnectMin = tt.dial, time.Second
				c.Logger = slog.New(slog.NewTextHandler(&logged, nil))
			})
			u.Start()
			pass(tt.wait)
			began := time.Now()
			if got := u.Stop(t.Context()); got != nil || time.Since(began) != 0 {
				t.Errorf("Stop = %v after %v, want nothing at once", got, time.Since(began))
			}
			if strings.Contains(logged.String(), "lost") {
				t.Errorf("an orderly end is logged as a loss: %s", logged.String())
			}
		})
	}
}

// Stop does not sit out a pause between two attempts to connect.
func TestStopHurriesReconnect(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := fakeNet{prepare: func(_ string, n int, _ *fakeConn) error {
			if n == 0 {
				return syscall.ECONNREFUSED
			}
			return nil
		}}
		u := newUpstream(t, "a:1", func(c *Config) { c.Dial, c.ReconnectMin, c.ReconnectMax = f.dial, time.Hour, time.Hour })
		u.Start()
		send(u, 0, 5)
		synctest.Wait()
		began := time.Now()
		if got := u.Stop(t.Context()); got != nil || time.Since(began) != 0 {
			t.Errorf("Stop = %v after %v, want nothing at once", got, time.Since(began))
		}
		if got := f.conn("a:1", 0).text(); got != numbered(0, 5) {
			t.Errorf("received %q", got)
		}
	})
}

func TestStopWithoutStart(t *testing.T) {
	u := newUpstream(t, "a:1", nil)
	send(u, 0, 5)
	if diff := cmp.Diff([]Unsent{{Destination: "a:1", Datapoints: 5}}, u.Stop(t.Context())); diff != "" {
		t.Error("Stop (-want +got):", diff)
	}
	u.Start() // does nothing
	if s := u.Stats()[0]; s.Dropped[Stopped] != 5 || s.ConnectErrors+s.Connects != 0 {
		t.Errorf("%+v, want 5 dropped", s)
	}
}

func TestQueueFullIsLoggedSparingly(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var logged bytes.Buffer
		u := newUpstream(t, "a:1", func(c *Config) {
			c.QueueDatapoints = 10
			c.Logger = slog.New(slog.NewTextHandler(&logged, nil))
		})
		send(u, 0, 10)
		for range 250 { // 25 s
			send(u, 0, 1)
			pass(100 * time.Millisecond)
		}
		var counts []string
		for line := range strings.Lines(logged.String()) {
			if _, n, ok := strings.Cut(line, "datapoints="); ok {
				counts = append(counts, strings.TrimSpace(n))
			}
		}
		if diff := cmp.Diff([]string{"1", "100", "100"}, counts); diff != "" {
			t.Error("logged counts (-want +got):", diff)
		}
	})
}
