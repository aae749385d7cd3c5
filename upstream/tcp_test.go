package upstream

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/internal/heldport"
)

// receiver is a Graphite server. For each connection it calls accept, and with each
// whole line the function that this returned, one call at a time.
type receiver struct {
	t      testing.TB
	addr   net.Addr
	accept func() func(string)

	wg    sync.WaitGroup
	mu    sync.Mutex
	l     net.Listener
	conns map[net.Conn]bool
	cond  *sync.Cond // lines changed
	lines int
}

func newReceiver(t testing.TB, network, addr string, accept func() func(string)) *receiver {
	r := &receiver{t: t, accept: accept, conns: map[net.Conn]bool{}}
	r.cond = sync.NewCond(&r.mu)
	r.listen(network, addr)
	t.Cleanup(r.kill)
	return r
}

func (r *receiver) listen(network, addr string) {
	r.t.Helper()
	var l net.Listener
	if network == "tcp" {
		l = heldport.Listen(r.t, addr)
	} else {
		var err error
		if l, err = net.Listen(network, addr); err != nil {
			r.t.Fatal(err)
		}
	}
	r.mu.Lock()
	r.l, r.addr = l, l.Addr()
	r.mu.Unlock()
	r.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns[c] = true
			line := r.accept()
			r.mu.Unlock()
			r.wg.Go(func() { r.read(c, line) })
		}
	})
}

// read takes lines until the connection ends; what has no newline then is torn.
func (r *receiver) read(c net.Conn, line func(string)) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 1<<16)
	for {
		s, err := in.ReadString('\n')
		if err != nil {
			return
		}
		r.mu.Lock()
		r.lines++
		line(s)
		r.cond.Broadcast()
		r.mu.Unlock()
	}
}

// kill closes the listener and its connections.
func (r *receiver) kill() {
	r.mu.Lock()
	r.l.Close()
	r.mu.Unlock()
	r.cut()
	r.wg.Wait()
}

// cut closes the connections.
func (r *receiver) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.Close()
		delete(r.conns, c)
	}
}

// waitLines returns when n lines have come in all.
func (r *receiver) waitLines(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.lines < n {
		r.cond.Wait()
	}
}

// into collects the lines of all connections.
func into(b *strings.Builder) func() func(string) {
	return func() func(string) { return func(s string) { b.WriteString(s) } }
}

// watchLog returns a logger and a channel of the messages that contain text.
func watchLog(text string) (*slog.Logger, <-chan string) {
	seen := make(chan string, 1000)
	return slog.New(slog.NewTextHandler(writerFunc(func(b []byte) {
		if strings.Contains(string(b), text) {
			seen <- string(b)
		}
	}), nil)), seen
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

func TestReceiverKilledAndRestarted(t *testing.T) {
	var got strings.Builder
	r := newReceiver(t, "tcp", heldport.New(t), into(&got))
	log, lost := watchLog("destination lost")
	u := newUpstream(t, r.addr.String(), func(c *Config) {
		c.Logger, c.WriteTimeout, c.ReconnectMin, c.ReconnectMax = log, patience, time.Millisecond, 10*time.Millisecond
	})
	u.Start()
	const n = 20_000
	for round := range 3 {
		send(u, round*n, round*n+n/2)
		r.waitLines(round*n + n/2)
		r.kill()
		<-lost
		send(u, round*n+n/2, (round+1)*n)
		r.listen("tcp", r.addr.String())
		r.waitLines((round + 1) * n)
	}
	if unsent := u.Stop(t.Context()); unsent != nil {
		t.Errorf("Stop = %v, want nothing unsent", unsent)
	}
	r.kill()
	if got.String() != numbered(0, 3*n) {
		t.Errorf("received %d lines of %d in order", r.lines, 3*n)
	}
	if s := u.Stats()[0]; s.Written != 3*n || s.PeerCloses != 3 || s.Connects != 4 || s.DroppedTotal() != 0 {
		t.Errorf("%+v, want all written on four connections", s)
	}
}

func TestUnixAndIPv6(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, tt := range []struct{ network, addr, to string }{
		{"unix", path, "unix://" + path},
		{"tcp6", "[::1]:0", ""},
	} {
		t.Run(tt.network, func(t *testing.T) {
			if l, err := net.Listen(tt.network, tt.addr); err != nil {
				t.Skip(err)
			} else {
				l.Close()
			}
			var got strings.Builder
			r := newReceiver(t, tt.network, tt.addr, into(&got))
			if tt.to == "" {
				tt.to = r.addr.String()
			}
			u := newUpstream(t, tt.to, func(c *Config) { c.WriteTimeout = patience })
			u.Start()
			send(u, 0, 30_000)
			r.waitLines(30_000)
			if got.String() != numbered(0, 30_000) {
				t.Error("the lines did not arrive in order")
			}
		})
	}
}

// checker verifies lines "g<sender> <sequence> 60" of several senders.
// On one connection their order is kept, on all together none comes twice.
type checker struct {
	t    *testing.T
	seen map[string]bool
}

func (c *checker) accept() func(string) {
	last := map[string]int{}
	return func(s string) {
		f := strings.Fields(s)
		if len(f) != 3 {
			c.t.Errorf("not a whole line: %q", s)
			return
		}
		i, err := strconv.Atoi(f[1])
		if err != nil || f[0] < "g0" || f[0] > "g7" || s != f[0]+" "+f[1]+" 60\n" {
			c.t.Errorf("not a whole line: %q", s)
		}
		if i <= last[f[0]] {
			c.t.Errorf("sender %s: %d after %d", f[0], i, last[f[0]])
		}
		if c.seen[s] {
			c.t.Errorf("%q came twice", s)
		}
		last[f[0]], c.seen[s] = i, true
	}
}

// Many senders, one sound receiver, one that cuts its connections again and again,
// one that is not there; the books are read all the while.
func TestConcurrentSenders(t *testing.T) {
	const senders, calls = 8, 400
	good := newReceiver(t, "tcp", "127.0.0.1:0", (&checker{t, map[string]bool{}}).accept)
	cutter := newReceiver(t, "tcp", "127.0.0.1:0", (&checker{t, map[string]bool{}}).accept)
	to := good.addr.String() + "," + cutter.addr.String() + "," + heldport.New(t)
	u := newUpstream(t, to, func(c *Config) {
		c.WriteTimeout, c.ReconnectMin, c.ReconnectMax = patience, time.Millisecond, 2*time.Millisecond
		c.QueueDatapoints = 50_000
	})
	u.Start()
	var sending, watching sync.WaitGroup
	made := make([]int, senders)
	for g := range senders {
		sending.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			for call := range calls {
				var b bytes.Buffer
				n := 1 + rnd.IntN(1+rnd.IntN(300))
				for range n {
					made[g]++
					fmt.Fprintf(&b, "g%d %d 60\n", g, made[g])
				}
				u.Send(b.Bytes(), n, Kind(g%NumKinds))
				clear(b.Bytes()) // Send must not have kept them
				if g == 0 && call%40 == 0 {
					cutter.cut()
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	watching.Go(func() {
		for ctx.Err() == nil {
			for _, s := range u.Stats() {
				checkBalance(t, s)
			}
			runtime.Gosched()
		}
	})
	sending.Wait()
	total := 0
	for _, n := range made {
		total += n
	}
	good.waitLines(total - int(u.Stats()[0].Dropped[QueueFull]))
	stopWithin(u, time.Second)
	cancel()
	watching.Wait()
	good.kill()
	cutter.kill()

	stats := u.Stats()
	for i, s := range stats {
		if s.MadeTotal() != int64(total) {
			t.Errorf("destination %d: made %d, want %d", i, s.MadeTotal(), total)
		}
	}
	if s := stats[0]; int64(good.lines) != s.Written {
		t.Errorf("received %d lines, written %d", good.lines, s.Written)
	}
	if s := stats[1]; int64(cutter.lines) > s.Written || cutter.lines == 0 {
		t.Errorf("received %d lines, written %d", cutter.lines, s.Written)
	}
	if s := stats[2]; s.Written != 0 || s.DroppedTotal() != int64(total) {
		t.Errorf("%+v, want everything dropped", s)
	}
}

// A half-open peer, which only stops sending, counts as closed.
func TestHalfClose(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u := newUpstream(t, l.Addr().String(), func(c *Config) { c.ReconnectMin = time.Millisecond })
	u.Start()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := first.Write([]byte("discarded\n")); err != nil {
		t.Fatal(err)
	}
	if err := first.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	second, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if rest, err := io.ReadAll(first); err != nil || len(rest) > 0 {
		t.Errorf("the first connection got %q, %v, want its end", rest, err)
	}
	send(u, 0, 5)
	got := make([]byte, len(numbered(0, 5)))
	if _, err := io.ReadFull(second, got); err != nil || string(got) != numbered(0, 5) {
		t.Errorf("the second connection got %q, %v", got, err)
	}
}
