package upstream

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestOrderIsKept(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var f fakeNet
		u := newUpstream(t, "a:1,b:1", func(c *Config) { c.Dial = f.dial })
		send(u, 0, 10) // waits for Start
		u.Start()
		u.Start()
		for i := 10; i < 20_000; i += 10 {
			send(u, i, i+10)
		}
		send(u, 20_000, 60_000) // more than a block
		if got := u.Stop(t.Context()); got != nil {
			t.Errorf("Stop = %v, want nothing unsent", got)
		}
		for _, addr := range []string{"a:1", "b:1"} {
			if f.conn(addr, 0).text() != numbered(0, 60_000) {
				t.Errorf("%s did not receive the lines in order", addr)
			}
		}
		for _, s := range u.Stats() {
			if s.Written != 60_000 || s.Connects != 1 || s.BytesWritten != int64(len(numbered(0, 60_000))) {
				t.Errorf("%+v, want 60000 written on one connection", s)
			}
		}
	})
}

func TestDeadDestinationComesUp(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := fakeNet{prepare: func(_ string, n int, _ *fakeConn) error {
			if n < 4 {
				return syscall.ECONNREFUSED
			}
			return nil
		}}
		u := newUpstream(t, "a:1", func(c *Config) { c.Dial = f.dial })
		u.Start()
		synctest.Wait()
		send(u, 0, 50_000)
		s := u.Stats()[0]
		if s.Queued != 50_000 || s.Connected || s.ConnectErrors != 1 || s.LastError != syscall.ECONNREFUSED.Error() {
			t.Errorf("%+v, want all queued after one refused attempt", s)
		}
		pass(time.Minute)
		if got := f.conn("a:1", 0).text(); got != numbered(0, 50_000) {
			t.Errorf("%d bytes arrived, want all", len(got))
		}
		s = u.Stats()[0]
		if s.Written != 50_000 || !s.Connected || s.ConnectErrors != 4 || s.Connects != 1 {
			t.Errorf("%+v, want all written", s)
		}
	})
}

func TestPausesBetweenAttempts(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := fakeNet{prepare: func(string, int, *fakeConn) error { return syscall.ECONNREFUSED }}
		u := newUpstream(t, "a:1", func(c *Config) {
			c.Dial, c.ReconnectMin, c.ReconnectMax = f.dial, time.Second, 6*time.Second
		})
		u.Start()
		pass(time.Minute)
		for i, longest := range []time.Duration{1, 2, 4, 6, 6, 6} {
			longest *= time.Second
			if got := f.times[i+1].Sub(f.times[i]); got < longest/2 || got > longest {
				t.Errorf("pause %d is %v, want %v to %v", i, got, longest/2, longest)
			}
		}
	})
}

// A connection that lasts begins the pauses anew; one that does not, does not.
func TestPauseAfterConnection(t *testing.T) {
	tests := map[string]struct {
		lasts    time.Duration
		min, max time.Duration
	}{
		"short": {time.Second, 2 * time.Second, 4 * time.Second},
		"long":  {10 * time.Second, time.Second / 2, time.Second},
	}
	for name, tt := range tests {
		bubble(t, name, func(t *testing.T) {
			f := fakeNet{prepare: func(_ string, n int, _ *fakeConn) error {
				if n < 2 {
					return syscall.ECONNREFUSED
				}
				return nil
			}}
			u := newUpstream(t, "a:1", func(c *Config) {
				c.Dial, c.ReconnectMin, c.ReconnectMax = f.dial, time.Second, 8*time.Second
			})
			u.Start()
			for synctest.Wait(); !u.Stats()[0].Connected; synctest.Wait() {
				pass(time.Millisecond)
			}
			pass(tt.lasts)
			lost := time.Now()
			f.conn("a:1", 0).Close()
			pass(tt.max + time.Millisecond)
			if got := f.times[3].Sub(lost); got < tt.min || got > tt.max {
				t.Errorf("pause of %v, want %v to %v", got, tt.min, tt.max)
			}
		})
	}
}

func TestSlowDestinationSlowsNobody(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := fakeNet{prepare: func(addr string, _ int, c *fakeConn) error {
			if addr == "slow:1" {
				c.budget = 1000
			}
			return nil
		}}
		u := newUpstream(t, "slow:1,fast:1", func(c *Config) {
			c.Dial, c.QueueDatapoints, c.WriteTimeout = f.dial, 1000, 24*time.Hour
		})
		u.Start()
		synctest.Wait()
		began := time.Now()
		for i := range 100 {
			send(u, 100*i, 100*(i+1))
			synctest.Wait() // the fast writer waits out its flush interval
			pass(time.Millisecond)
		}
		if got := time.Since(began); got != 100*time.Millisecond {
			t.Errorf("sending took %v of virtual time more than the pauses", got-100*time.Millisecond)
		}
		if f.conn("fast:1", 0).text() != numbered(0, 10_000) {
			t.Error("the fast destination did not receive everything")
		}
		slow, fast := u.Stats()[0], u.Stats()[1]
		if slow.InFlight != 100 || slow.Queued != 1000 || slow.Dropped[QueueFull] != 8900 {
			t.Errorf("slow: %+v, want 100 in flight, 1000 queued, 8900 dropped", slow)
		}
		if fast.Written != 10_000 || fast.DroppedTotal() != 0 {
			t.Errorf("fast: %+v, want everything written", fast)
		}
	})
}

func TestQueueFullDropsTheOldest(t *testing.T) {
	tests := map[string]struct {
		edit func(*Config)
		send int // lines of a call
		left int // of 10 000 lines
	}{
		"by datapoints":                    {func(c *Config) { c.QueueDatapoints = 1234 }, 10, 1234},
		"by datapoints, single lines":      {func(c *Config) { c.QueueDatapoints = 50 }, 1, 50},
		"by bytes":                         {func(c *Config) { c.QueueBytes = int64(len(numbered(9000, 10_000))) }, 10, 1000},
		"one call larger than the queue":   {func(c *Config) { c.QueueDatapoints = 300 }, 10_000, 300},
		"a line larger than the queue":     {func(c *Config) { c.QueueBytes = 5 }, 1, 0},
		"room for everything, just":        {func(c *Config) { c.QueueDatapoints = 10_000 }, 1000, 10_000},
		"one datapoint less than required": {func(c *Config) { c.QueueDatapoints = 9_999 }, 10_000, 9_999},
	}
	for name, tt := range tests {
		bubble(t, name, func(t *testing.T) {
			var f fakeNet
			u := newUpstream(t, "a:1", func(c *Config) { c.Dial = f.dial; tt.edit(c) })
			for i := 0; i < 10_000; i += tt.send {
				send(u, i, i+tt.send)
			}
			s := u.Stats()[0]
			checkBalance(t, s)
			if s.Queued != int64(tt.left) || s.Dropped[QueueFull] != int64(10_000-tt.left) {
				t.Errorf("%+v, want %d queued, the others dropped", s, tt.left)
			}
			u.Start()
			synctest.Wait()
			if got, want := f.conn("a:1", 0).text(), numbered(10_000-tt.left, 10_000); got != want {
				t.Errorf("received %d bytes, want the last %d lines", len(got), tt.left)
			}
		})
	}
}

// However many bytes the first connection takes, the second begins with the line
// that was cut.
func TestCutLineGoesAgain(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		all := numbered(0, 8)
		for k := range len(all) {
			f := fakeNet{prepare: func(_ string, n int, c *fakeConn) error {
				if n == 0 {
					c.budget, c.fault = k, syscall.ECONNRESET
				}
				return nil
			}}
			u := newUpstream(t, "a:1", func(c *Config) { c.Dial = f.dial })
			u.Send([]byte(numbered(0, 3)), 3, Raw) // kinds that differ are two spans
			u.Send([]byte(numbered(3, 8)), 5, Aggregate)
			u.Start()
			synctest.Wait()
			whole := strings.Count(all[:k], "\n")
			s := u.Stats()[0]
			checkBalance(t, s)
			if s.Written != int64(whole) || s.Queued != int64(8-whole) || s.InFlight != 0 ||
				s.BytesWritten != int64(k) || s.WriteErrors != 1 || s.LastError != syscall.ECONNRESET.Error() {
				t.Errorf("cut at %d: %+v, want %d written, the others queued", k, s, whole)
			}
			pass(time.Second)
			if got := f.conn("a:1", 0).text(); got != all[:k] {
				t.Errorf("cut at %d: the first connection got %q", k, got)
			}
			if got := f.conn("a:1", 1).text(); got != numbered(whole, 8) {
				t.Errorf("cut at %d: the second connection got %q, want %q", k, got, numbered(whole, 8))
			}
			if s = u.Stats()[0]; s.Written != 8 || s.Made != [NumKinds]int64{Raw: 3, Aggregate: 5} || s.DroppedTotal() != 0 {
				t.Errorf("cut at %d: %+v, want 8 written", k, s)
			}
			stopWithin(u, time.Second)
		}
	})
}

// What comes back from a broken connection is the oldest of a full queue, but is not
// dropped before newer rows need the room.
func TestBrokenConnectionWithFullQueue(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := fakeNet{prepare: func(_ string, n int, c *fakeConn) error {
			switch n {
			case 0:
				c.budget = 0
				return nil
			}
			return syscall.ECONNREFUSED
		}}
		u := newUpstream(t, "a:1", func(c *Config) { c.Dial, c.QueueDatapoints = f.dial, 100 })
		u.Start()
		send(u, 0, 60)
		synctest.Wait()
		send(u, 60, 160)
		if s := u.Stats()[0]; s.InFlight != 60 || s.Queued != 100 {
			t.Fatalf("%+v, want 60 in flight and 100 queued", s)
		}
		f.conn("a:1", 0).Close()
		synctest.Wait()
		if s := u.Stats()[0]; s.Queued != 160 || s.DroppedTotal() != 0 {
			t.Errorf("%+v, want 160 queued", s)
		}
		send(u, 160, 161)
		if s := u.Stats()[0]; s.Queued != 100 || s.Dropped[QueueFull] != 61 {
			t.Errorf("%+v, want 100 queued, 61 dropped", s)
		}
	})
}

func TestIdleCloseIsNoticed(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var f fakeNet
		u := newUpstream(t, "a:1", func(c *Config) { c.Dial = f.dial })
		u.Start()
		send(u, 0, 5)
		synctest.Wait()
		f.conn("a:1", 0).Close()
		synctest.Wait()
		if s := u.Stats()[0]; s.Connected || s.PeerCloses != 1 || s.WriteErrors != 0 || s.LastError != errPeerClosed.Error() {
			t.Errorf("%+v, want a connection closed by the peer", s)
		}
		send(u, 5, 10)
		pass(time.Second)
		if a, b := f.conn("a:1", 0).text(), f.conn("a:1", 1).text(); a != numbered(0, 5) || b != numbered(5, 10) {
			t.Errorf("received %q, then %q", a, b)
		}
		if s := u.Stats()[0]; s.Connects != 2 || s.Written != 10 {
			t.Errorf("%+v, want 10 written on two connections", s)
		}
	})
}

func TestWriteTimeout(t *testing.T) {
	bubble(t, "nothing taken", func(t *testing.T) {
		f := fakeNet{prepare: func(_ string, n int, c *fakeConn) error {
			if n == 0 {
				c.budget = 0
			}
			return nil
		}}
		u := newUpstream(t, "a:1", func(c *Config) { c.Dial, c.WriteTimeout = f.dial, 3*time.Second })
		u.Start()
		send(u, 0, 5)
		pass(3*time.Second - 1)
		synctest.Wait()
		if s := u.Stats()[0]; s.InFlight != 5 || s.WriteErrors != 0 {
			t.Errorf("%+v, want 5 in flight", s)
		}
		pass(time.Second)
		if s := u.Stats()[0]; s.Written != 5 || s.WriteErrors != 1 {
			t.Errorf("%+v, want 5 written after an error", s)
		}
		if got := f.conn("a:1", 1).text(); got != numbered(0, 5) {
			t.Errorf("the second connection got %q", got)
		}
	})
	bubble(t, "slow but alive", func(t *testing.T) {
		f := fakeNet{prepare: func(_ string, _ int, c *fakeConn) error {
			c.budget, c.refill = 7, 7
			return nil
		}}
		u := newUpstream(t, "a:1", func(c *Config) { c.Dial, c.WriteTimeout = f.dial, 3*time.Second })
		u.Start()
		send(u, 0, 50)
		pass(time.Hour)
		if got := f.conn("a:1", 0).text(); got != numbered(0, 50) {
			t.Errorf("received %q", got)
		}
		if s := u.Stats()[0]; s.Connects != 1 || s.WriteErrors != 0 || s.Written != 50 {
			t.Errorf("%+v, want 50 written on one connection", s)
		}
	})
}

func TestConnectTimeout(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		u := newUpstream(t, "a:1", func(c *Config) {
			c.ConnectTimeout = 2 * time.Second
			c.Dial = dialNever
		})
		u.Start()
		pass(2*time.Second - 1)
		synctest.Wait()
		if s := u.Stats()[0]; s.ConnectErrors != 0 {
			t.Errorf("%+v, want no error yet", s)
		}
		pass(1)
		synctest.Wait()
		if s := u.Stats()[0]; s.ConnectErrors != 1 || s.LastError != "context deadline exceeded" {
			t.Errorf("%+v, want one timeout", s)
		}
	})
}

func TestBatches(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var f fakeNet
		u := newUpstream(t, "a:1", func(c *Config) { c.Dial = f.dial })
		for i := range 2*batchSpans + 1 { // each a span of its own
			u.Send([]byte("m 1 60\n"), 1, Kind(i%2))
		}
		long := "m." + strings.Repeat("x", batchBytes) + " 1 60\n"
		u.Send([]byte(long+"m 1 60\n"), 2, Self)
		u.Start()
		synctest.Wait()
		got := f.conn("a:1", 0).text()
		if want := strings.Repeat("m 1 60\n", 2*batchSpans+1) + long + "m 1 60\n"; got != want {
			t.Errorf("received %d bytes, want %d", len(got), len(want))
		}
		if s := u.Stats()[0]; s.Made != [NumKinds]int64{batchSpans + 1, batchSpans, 2} {
			t.Errorf("made %v", s.Made)
		}
	})
}

func TestSendPanics(t *testing.T) {
	u := newUpstream(t, "a:1", nil)
	for name, call := range map[string]func(){
		"no newline": func() { u.Send([]byte("m 1 60"), 1, Raw) },
		"no count":   func() { u.Send([]byte("m 1 60\n"), 0, Raw) },
		"no kind":    func() { u.Send([]byte("m 1 60\n"), 1, NumKinds) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "upstream: BUG: ") {
					t.Errorf("panic %v", p)
				}
			}()
			call()
		})
	}
	u.Send(nil, 0, Raw)
	if s := u.Stats()[0]; s.MadeTotal() != 0 {
		t.Errorf("%+v, want nothing", s)
	}
}

func TestThrottle(t *testing.T) {
	var th throttle
	start := time.Unix(0, 0)
	for i, step := range []struct {
		after   time.Duration
		n, want int64
	}{
		{0, 5, 5}, {1, 1, 0}, {logInterval - 1, 2, 0}, {logInterval, 3, 6}, {2*logInterval - 1, 1, 0}, {9 * logInterval, 1, 2},
	} {
		if got := th.add(start.Add(step.after), step.n); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
}

func TestLabels(t *testing.T) {
	var got []string
	for k := range Kind(NumKinds) {
		got = append(got, k.String())
	}
	for r := range Reason(NumReasons) {
		got = append(got, r.String())
	}
	want := "raw aggregate self amendment queue_full stopped withheld unencodable spool_full spool_age spool_damaged spool_error"
	if strings.Join(got, " ") != want {
		t.Errorf("labels %q, want %q", got, want)
	}
}
