package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a test waits for anything; only a failure takes so long. A
// connection of the kernel's, not of a bubble's, takes as long for a write.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeConn is a connection whose other side is the test.
type fakeConn struct {
	net.Conn // panics on what is not used

	mu       sync.Mutex
	got      bytes.Buffer
	writes   int
	budget   int   // bytes taken before fault; negative means any number
	fault    error // nil means to take nothing until the deadline
	refill   int   // budget after each deadline
	deadline time.Time

	closed    chan struct{}
	closeOnce sync.Once
}

func newFakeConn() *fakeConn { return &fakeConn{budget: -1, closed: make(chan struct{})} }

func (c *fakeConn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	return nil
}

// Read ends when either side closes, which is the same here.
func (c *fakeConn) Read([]byte) (int, error) {
	<-c.closed
	return 0, io.EOF
}

func (c *fakeConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}

func (c *fakeConn) Write(b []byte) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	c.mu.Lock()
	c.writes++
	n := len(b)
	if c.budget >= 0 {
		n = min(n, c.budget)
		c.budget -= n
	}
	c.got.Write(b[:n])
	fault, deadline := c.fault, c.deadline
	c.mu.Unlock()
	if n == len(b) {
		return n, nil
	}
	if fault != nil {
		return n, fault
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-timer.C:
		c.mu.Lock()
		c.budget = c.refill
		c.mu.Unlock()
		return n, os.ErrDeadlineExceeded
	case <-c.closed:
		return n, net.ErrClosed
	}
}

func (c *fakeConn) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got.String()
}

func (c *fakeConn) writeCalls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

// fakeNet dials fake connections. The nth dial (from zero) of an address gets what
// prepare makes of a fresh connection; an error refuses it.
type fakeNet struct {
	prepare func(addr string, n int, c *fakeConn) error

	mu    sync.Mutex
	dials map[string]int
	conns map[string][]*fakeConn
	times []time.Time
}

func (f *fakeNet) dial(_ context.Context, _, addr string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dials == nil {
		f.dials, f.conns = map[string]int{}, map[string][]*fakeConn{}
	}
	n := f.dials[addr]
	f.dials[addr]++
	f.times = append(f.times, time.Now())
	c := newFakeConn()
	if f.prepare != nil {
		if err := f.prepare(addr, n, c); err != nil {
			return nil, err
		}
	}
	f.conns[addr] = append(f.conns[addr], c)
	return c, nil
}

// conn returns the nth connection made to addr.
func (f *fakeNet) conn(addr string, n int) *fakeConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conns[addr][n]
}

// newUpstream makes an Upstream for the comma list to, with fast defaults changed
// by edit. It is stopped, and its books checked, at the end of the test.
func newUpstream(t testing.TB, to string, edit func(*Config)) *Upstream {
	t.Helper()
	cfg := Config{Logger: slog.New(slog.DiscardHandler)}
	for s := range strings.SplitSeq(to, ",") {
		cfg.Destinations = append(cfg.Destinations, mustParse(t, s))
	}
	if edit != nil {
		edit(&cfg)
	}
	u, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		u.Stop(now)
		for _, s := range u.Stats() {
			checkBalance(t, s)
			if s.InFlight != 0 || s.Queued != 0 || s.QueuedBytes != 0 || s.Connected {
				t.Errorf("%s after Stop: %+v, want nothing pending", s.Name, s)
			}
		}
	})
	return u
}

func mustParse(t testing.TB, s string) Destination {
	t.Helper()
	d, err := ParseDestination(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func checkBalance(t interface {
	Helper()
	Errorf(string, ...any)
}, s DestinationStats) {
	t.Helper()
	if left := s.Written + s.InFlight + s.Queued + s.Spooled + s.Moved + s.DroppedTotal(); s.MadeTotal()+s.Found != left {
		t.Errorf("%s: made and found %d, but the other terms add up to %d: %+v",
			s.Name, s.MadeTotal()+s.Found, left, s)
	}
}

// numbered returns the lines of numbers from to to-1.
func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "m.%d %d 60\n", i, i)
	}
	return b.String()
}

// send sends the lines of numbers from to to-1 in one call.
func send(u *Upstream, from, to int) {
	u.Send([]byte(numbered(from, to)), to-from, Raw)
}

// bubble runs f as a subtest in virtual time.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func stopWithin(u *Upstream, d time.Duration) []Unsent {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return u.Stop(ctx)
}

// pass lets virtual time pass, and everything happen that is due then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
