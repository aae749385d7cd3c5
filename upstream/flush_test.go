package upstream

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestFlushInterval(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var f fakeNet
		u := newUpstream(t, "a:1", func(c *Config) { c.Dial, c.FlushInterval = f.dial, time.Millisecond })
		u.Start()
		synctest.Wait()
		send(u, 0, 1)
		synctest.Wait()
		if got := f.conn("a:1", 0).text(); got != numbered(0, 1) {
			t.Errorf("an idle writer wrote %q at once, want the line", got)
		}
		for i := range 1000 { // one second of a line every millisecond tenth
			send(u, 1+i, 2+i)
			pass(100 * time.Microsecond)
		}
		if got := f.conn("a:1", 0).writeCalls(); got < 90 || got > 110 {
			t.Errorf("%d writes in 100 ms, want about one each millisecond", got)
		}
		pass(time.Millisecond)
		synctest.Wait()
		if got := f.conn("a:1", 0).text(); got != numbered(0, 1001) {
			t.Error("lines are missing")
		}
	})
}

// A writer that waits out the flush interval still heeds the peer and Stop.
func TestFlushIntervalIsInterrupted(t *testing.T) {
	tests := map[string]struct {
		end func(*testing.T, *Upstream, *fakeConn)
		max time.Duration // until the second line is out, at most
	}{
		"peer closes":    {func(_ *testing.T, _ *Upstream, c *fakeConn) { c.Close() }, 100 * time.Millisecond},
		"Stop":           {func(t *testing.T, u *Upstream, _ *fakeConn) { u.Stop(t.Context()) }, 0},
		"the time is up": {func(*testing.T, *Upstream, *fakeConn) { pass(time.Hour) }, time.Hour},
	}
	for name, tt := range tests {
		bubble(t, name, func(t *testing.T) {
			var f fakeNet
			u := newUpstream(t, "a:1", func(c *Config) { c.Dial, c.FlushInterval = f.dial, time.Hour })
			u.Start()
			send(u, 0, 1)
			synctest.Wait()
			send(u, 1, 2)
			synctest.Wait()
			if s := u.Stats()[0]; s.Written != 1 || s.Queued != 1 {
				t.Fatalf("%+v, want one line written, one waiting", s)
			}
			began := time.Now()
			tt.end(t, u, f.conn("a:1", 0))
			for synctest.Wait(); u.Stats()[0].Written < 2 && time.Since(began) < 2*time.Hour; {
				pass(time.Millisecond)
			}
			if got := time.Since(began); got > tt.max+time.Millisecond {
				t.Errorf("the second line took %v, want at most %v", got, tt.max)
			}
		})
	}
}
