package upstream

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func resending(f *fakeNet, edit func(*Destination)) func(*Config) {
	return func(c *Config) {
		c.Dial, c.ReconnectMax = f.dial, time.Second
		d := &c.Destinations[0]
		d.Resend = 10 * time.Second
		if edit != nil {
			edit(d)
		}
	}
}

func TestResend(t *testing.T) {
	text := func(s string) func(*Upstream, Kind) {
		return func(u *Upstream, k Kind) { u.Send([]byte(s), strings.Count(s, "\n"), k) }
	}
	tests := map[string]struct {
		edit  func(*Destination)
		again string // of what is sent below
	}{
		"aggregates":    {nil, "new.agg 2 60\nnew.self 3 60\n"},
		"raw too":       {func(d *Destination) { d.ResendRaw = true }, "new.agg 2 60\nnew.raw 1 60\nnew.self 3 60\n"},
		"off":           {func(d *Destination) { d.Resend = 0 }, ""},
		"to aggregator": {func(d *Destination) { d.Role = Aggregator }, ""},
		"a minute":      {func(d *Destination) { d.Resend = time.Minute }, "old.agg 1 60\nnew.agg 2 60\nnew.self 3 60\n"},
	}
	for name, tt := range tests {
		bubble(t, name, func(t *testing.T) {
			var f fakeNet
			u := newUpstream(t, "a:1", resending(&f, tt.edit))
			u.Start()
			text("old.agg 1 60\n")(u, Aggregate)
			pass(15 * time.Second)
			text("new.agg 2 60\n")(u, Aggregate)
			text("new.raw 1 60\n")(u, Raw)
			text("new.self 3 60\n")(u, Self)
			pass(time.Second)
			f.conn("a:1", 0).Close()
			synctest.Wait()
			text("later 4 60\n")(u, Raw)
			pass(10 * time.Second)
			got := f.conn("a:1", 1).text()
			if got != tt.again+"later 4 60\n" {
				t.Errorf("the second connection got %q, want %q before the later row", got, tt.again)
			}
			s := u.Stats()[0]
			checkBalance(t, s)
			if want := int64(strings.Count(tt.again, "\n")); s.Resent != want || s.Written != 5 {
				t.Errorf("%+v, want %d resent", s, want)
			}
		})
	}
}

// The time counts up to the break, however long the destination is away, and begins
// anew for what went again.
func TestResendAfterLongOutage(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := fakeNet{prepare: func(_ string, n int, c *fakeConn) error {
			switch {
			case n > 0 && n < 20:
				return syscall.ECONNREFUSED
			case n == 20:
				c.budget, c.fault = len("a 1 60\nb"), syscall.ECONNRESET
			}
			return nil
		}}
		u := newUpstream(t, "a:1", resending(&f, nil))
		u.Start()
		u.Send([]byte("a 1 60\nb 2 60\n"), 2, Aggregate)
		synctest.Wait()
		f.conn("a:1", 0).Close()
		pass(time.Minute)
		for i, want := range []string{"a 1 60\nb 2 60\n", "a 1 60\nb", "a 1 60\nb 2 60\n"} {
			if got := f.conn("a:1", i).text(); got != want {
				t.Errorf("connection %d got %q, want %q", i, got, want)
			}
		}
		if s := u.Stats()[0]; s.Written != 2 || s.Resent != 3 {
			t.Errorf("%+v, want 2 written and 3 resent", s)
		}
	})
}

// Of several values of one (name, timestamp) only the last goes again.
func TestResendLatest(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var f fakeNet
		u := newUpstream(t, "a:1", resending(&f, nil))
		u.Start()
		u.Send([]byte("a 1 60\nb 1 60\na 1 120\n"), 3, Aggregate)
		u.Send([]byte("a 2 60\na 3 60\n"), 2, Amendment)
		synctest.Wait()
		f.conn("a:1", 0).Close()
		pass(time.Minute)
		if got, want := f.conn("a:1", 1).text(), "b 1 60\na 1 120\na 3 60\n"; got != want {
			t.Errorf("went again: %q, want %q", got, want)
		}
	})
}

func TestAmendmentsAreWithheldFromAggregators(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var f fakeNet
		u := newUpstream(t, "a:1,b:1", func(c *Config) {
			c.Dial = f.dial
			c.Destinations[0].Role = Aggregator
		})
		u.Start()
		u.Send([]byte("a 1 60\n"), 1, Aggregate)
		u.Send([]byte("a 2 60\nb 3 60\n"), 2, Amendment)
		pass(time.Second)
		if a, b := f.conn("a:1", 0).text(), f.conn("b:1", 0).text(); a != "a 1 60\n" || b != "a 1 60\na 2 60\nb 3 60\n" {
			t.Errorf("the aggregator got %q, the store %q", a, b)
		}
		if s := u.Stats()[0]; s.Dropped[Withheld] != 2 || s.Made[Amendment] != 2 {
			t.Errorf("%+v, want 2 withheld", s)
		}
	})
}

// Rows that go again are all gone before any of the spool, which may hold newer values
// of theirs, follow.
func TestResendComesBeforeTheSpool(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		f := newGatedNet()
		f.open = true
		u := newUpstream(t, "a:1", spooling(t.TempDir(), f, func(c *Config) {
			c.QueueDatapoints, c.Destinations[0].Resend = 10, time.Minute
		}))
		u.Start()
		synctest.Wait()
		const n = 3 * batchSpans
		for i := range n { // kinds that differ are not joined
			u.Send([]byte(numbered(i, i+1)), 1, Aggregate+Kind(i%2))
			synctest.Wait()
			pass(time.Millisecond)
		}
		f.mu.Lock()
		f.open = false
		f.mu.Unlock()
		f.conn("a:1", 0).Close()
		synctest.Wait()
		for range 100 {
			u.Send([]byte(numbered(0, n)), n, Amendment)
			synctest.Wait()
		}
		f.up()
		pass(time.Minute)
		if got := f.conn("a:1", 1).text(); !strings.HasPrefix(got, numbered(0, n)+numbered(0, n)) {
			t.Errorf("received %q first, want what goes again, then the spool", got[:200])
		}
		if s := u.Stats()[0]; s.Resent != n {
			t.Errorf("%+v, want %d resent", s, n)
		}
	})
}
