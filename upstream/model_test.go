package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/coalesce-metrics/coalesce/route"
)

// world is what is behind the destinations: stores that note every line in the order
// in which it came, and may forget what came of late.
type world struct {
	mu    sync.Mutex
	peers map[string]*peer // by address
	order []arrival        // at all of them
	run   int              // from where on it is of the current run
}

type arrival struct {
	to, key string
	value   int
	at      time.Time
	lost    bool // by the peer
}

// peer is one destination's other side.
type peer struct {
	world  *world
	addr   string
	up     bool
	budget int           // bytes taken by each new connection before it breaks; negative is any number
	delay  time.Duration // of each write
	conns  map[*peerConn]bool
}

type peerConn struct {
	net.Conn
	peer   *peer
	left   int
	delay  time.Duration
	line   []byte
	closed chan struct{}
	once   sync.Once
}

func newWorld(addrs ...string) *world {
	w := &world{peers: map[string]*peer{}}
	for _, a := range addrs {
		w.peers[a] = &peer{world: w, addr: a, up: true, budget: -1, conns: map[*peerConn]bool{}}
	}
	return w
}

func (w *world) dial(_ context.Context, _, addr string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.peers[addr]
	if !p.up {
		return nil, syscall.ECONNREFUSED
	}
	c := &peerConn{peer: p, left: p.budget, delay: p.delay, closed: make(chan struct{})}
	p.conns[c] = true
	return c, nil
}

func (c *peerConn) Read([]byte) (int, error)         { <-c.closed; return 0, io.EOF }
func (c *peerConn) SetWriteDeadline(time.Time) error { return nil }
func (c *peerConn) Close() error                     { c.once.Do(func() { close(c.closed) }); return nil }

func (c *peerConn) Write(b []byte) (int, error) {
	if c.delay > 0 {
		select {
		case <-time.After(c.delay):
		case <-c.closed:
		}
	}
	w := c.peer.world
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	n := len(b)
	if c.left >= 0 {
		n = min(n, c.left)
		c.left -= n
	}
	c.line = append(c.line, b[:n]...)
	for {
		i := bytes.IndexByte(c.line, '\n')
		if i < 0 {
			break
		}
		f := strings.Fields(string(c.line[:i]))
		v, err := strconv.Atoi(f[1])
		if err != nil || len(f) != 3 {
			panic(fmt.Sprintf("not a whole line: %q", c.line[:i]))
		}
		w.order = append(w.order, arrival{to: c.peer.addr, key: f[0] + " " + f[2], value: v, at: time.Now()})
		c.line = c.line[i+1:]
	}
	if n < len(b) {
		return n, syscall.ECONNRESET
	}
	return n, nil
}

// set changes a peer. One that goes down closes its connections, and forgets the
// aggregates of the last forget, unless they came from an earlier run: nobody could
// send them again.
func (w *world) set(addr string, up bool, budget int, forget time.Duration) {
	w.mu.Lock()
	p := w.peers[addr]
	p.up, p.budget = up, budget
	var conns []*peerConn
	if !up {
		for c := range p.conns {
			conns = append(conns, c)
		}
		clear(p.conns)
		for i := range w.order[w.run:] {
			a := &w.order[w.run+i]
			if a.to == addr && !strings.HasPrefix(a.key, "raw.") && time.Since(a.at) < forget {
				a.lost = true
			}
		}
	}
	w.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
	synctest.Wait()
}

// stores is what is behind the peers.
type stores int

const (
	each     stores = iota // a store of its own for each peer
	together               // one store for both
	anywhere               // one each, and the newest value must be in some
)

// last returns the last value of each key that the stores hold.
func (w *world) last(s stores) map[string]int {
	m := map[string]int{}
	for _, a := range w.order {
		if a.lost {
			continue
		}
		switch s {
		case each:
			m[a.to+" "+a.key] = a.value
		case together:
			m[a.key] = a.value
		case anywhere:
			m[a.key] = max(m[a.key], a.value)
		}
	}
	return m
}

// check verifies that no older value follows a newer one.
func (w *world) check(t *rapid.T, s stores) {
	newest := map[string]int{}
	for _, a := range w.order {
		k := a.to + " " + a.key
		if s == together {
			k = a.key
		}
		if a.value < newest[k] {
			t.Fatalf("%s: %d after %d", k, a.value, newest[k])
		}
		newest[k] = a.value
	}
}

// model is a run of an Upstream with what was sent to it.
type model struct {
	world   *world
	cfg     Config
	u       *Upstream
	next    int            // value
	sent    map[string]int // last value by address and key, or by key
	stores  stores
	made    map[string]bool // keys of aggregates
	written int64           // of earlier runs
}

func newModel(t *rapid.T, cfg Config, s stores) *model {
	m := &model{world: newWorld("a:1", "b:1"), cfg: cfg, stores: s, sent: map[string]int{}, made: map[string]bool{}}
	m.cfg.Dial = m.world.dial
	m.cfg.Logger = slog.New(slog.DiscardHandler)
	m.start(t)
	return m
}

func (m *model) start(t *rapid.T) {
	var err error
	if m.u, err = New(m.cfg); err != nil {
		t.Fatal(err)
	}
	m.world.mu.Lock()
	m.world.run = len(m.world.order)
	m.world.mu.Unlock()
	m.u.Start()
}

func (m *model) stop(t *rapid.T, patience time.Duration) {
	if got := stopWithin(m.u, patience); got != nil {
		t.Fatalf("Stop = %v, want nothing unsent", got)
	}
	for _, s := range m.u.Stats() {
		checkBalance(t, s)
		m.written += s.Written + s.Resent
		if s.DroppedTotal() != s.Dropped[Withheld] {
			t.Fatalf("%+v, want nothing dropped", s)
		}
	}
}

// send sends one batch of lines of one kind.
func (m *model) send(t *rapid.T) {
	raw := rapid.Bool().Draw(t, "raw")
	amend := !raw && rapid.Bool().Draw(t, "amend")
	kind, prefix := Aggregate, "agg."
	switch {
	case raw:
		kind, prefix = Raw, "raw."
	case amend:
		kind = Amendment
	}
	var b strings.Builder
	n := 0
	for range rapid.IntRange(1, 12).Draw(t, "lines") {
		key := fmt.Sprintf("%s%d %d", prefix, rapid.IntRange(0, 3).Draw(t, "name"), 1000+20*rapid.IntRange(0, 5).Draw(t, "time"))
		if !raw && m.made[key] != amend {
			continue
		}
		m.made[key] = true
		m.next++
		n++
		name, stamp, _ := strings.Cut(key, " ")
		fmt.Fprintf(&b, "%s %d %s\n", name, m.next, stamp)
		if m.stores != each {
			m.sent[key] = m.next
			continue
		}
		for _, i := range m.u.router.Destinations(nil, []byte(name), kind, nil) {
			if d := m.cfg.Destinations[i]; kind != Amendment || d.Role != Aggregator {
				m.sent[d.String()+" "+key] = m.next
			}
		}
	}
	if n > 0 {
		m.u.Send([]byte(b.String()), n, kind)
	}
}

func (m *model) run(t *rapid.T, restarts bool, forget time.Duration) {
	addr := rapid.SampledFrom([]string{"a:1", "b:1"})
	pause := rapid.SampledFrom([]time.Duration{0, time.Millisecond, 50 * time.Millisecond, time.Second, 20 * time.Second})
	actions := map[string]func(*rapid.T){
		"send":  m.send,
		"send2": m.send,
		"send3": m.send,
		"pass":  func(t *rapid.T) { pass(pause.Draw(t, "pause")) },
		"down":  func(t *rapid.T) { m.world.set(addr.Draw(t, "addr"), false, 0, forget) },
		"up":    func(t *rapid.T) { m.world.set(addr.Draw(t, "addr"), true, -1, 0) },
		"breaks": func(t *rapid.T) {
			m.world.set(addr.Draw(t, "addr"), true, rapid.IntRange(0, 200).Draw(t, "budget"), 0)
		},
		"slow": func(t *rapid.T) {
			m.world.mu.Lock()
			defer m.world.mu.Unlock()
			m.world.peers[addr.Draw(t, "addr")].delay = pause.Draw(t, "delay") % (2 * time.Second)
		},
		"": func(t *rapid.T) {
			for _, s := range m.u.Stats() {
				checkBalance(t, s)
			}
		},
	}
	if restarts {
		actions["restart"] = func(t *rapid.T) {
			m.stop(t, pause.Draw(t, "patience"))
			m.start(t)
		}
	}
	t.Repeat(actions)
	for _, a := range []string{"a:1", "b:1"} {
		m.world.set(a, true, -1, 0)
		m.world.mu.Lock()
		m.world.peers[a].delay = 0
		var conns []*peerConn
		for c := range m.world.peers[a].conns {
			conns = append(conns, c)
		}
		m.world.mu.Unlock()
		for _, c := range conns {
			c.Close() // those that were to break, or slow
		}
	}
	pass(time.Minute)
	for _, s := range m.u.Stats() {
		if s.Spooled+s.Queued+s.InFlight != 0 {
			t.Fatalf("%+v, want nothing pending", s)
		}
	}
	m.stop(t, time.Minute)
	m.world.check(t, m.stores)
	if diff := cmp.Diff(m.sent, m.world.last(m.stores)); diff != "" {
		t.Fatal("last values (-sent +held):", diff)
	}
	if got := int64(len(m.world.order)); got != m.written {
		t.Fatalf("%d lines arrived, written %d", got, m.written)
	}
}

// virtual keeps rapid from asking for a deadline, which there is not in virtual time.
type virtual struct{ *testing.T }

// TestModel sends values to destinations that come and go, over restarts, with small
// queues, and compares what the stores hold in the end.
func TestModel(t *testing.T) {
	to := func(addr string, role Role, full WhenFull, resend time.Duration) Destination {
		d := mustParse(t, addr)
		d.Role, d.WhenFull, d.Resend, d.ResendRaw = role, full, resend, resend > 0
		return d
	}
	both := []int{0, 1}
	tests := map[string]struct {
		cfg    Config
		stores stores
		forget time.Duration
	}{
		"spool": {cfg: Config{Destinations: []Destination{
			to("a:1", Store, ToSpool, 0), to("b:1", Aggregator, ToSpool, 0)}}},
		"spool and resend": {forget: 5 * time.Second, cfg: Config{Destinations: []Destination{
			to("a:1", Store, ToSpool, 10*time.Second), to("b:1", Store, ToSpool, 10*time.Second)}}},
		"hash, spool and resend": {forget: 5 * time.Second, cfg: Config{
			Destinations: []Destination{to("a:1", Store, ToSpool, 10*time.Second), to("b:1", Store, ToSpool, 10*time.Second)},
			Routes:       []route.Route{{Kinds: route.Both, Mode: route.Hash, Destinations: both}}}},
		"failover": {stores: together, cfg: Config{QueueDatapoints: 1e6,
			Destinations: []Destination{to("a:1", Store, DropOldest, 0), to("b:1", Store, DropOldest, 0)},
			Routes:       []route.Route{{Kinds: route.Both, Mode: route.Failover, Destinations: both}}}},
		"failover, spool and resend": {stores: anywhere, cfg: Config{
			Destinations: []Destination{to("a:1", Store, ToSpool, 10*time.Second), to("b:1", Store, ToSpool, 10*time.Second)},
			Routes:       []route.Route{{Kinds: route.Both, Mode: route.Failover, Destinations: both}}}},
		"round-robin": {stores: together, cfg: Config{QueueDatapoints: 1e6,
			Destinations: []Destination{to("a:1", Store, Block, 0), to("b:1", Store, DropOldest, 0)},
			Routes:       []route.Route{{Kinds: route.Both, Mode: route.RoundRobin, Destinations: both}}}},
	}
	for name, tt := range tests {
		bubble(t, name, func(t *testing.T) {
			rapid.Check(virtual{t}, func(r *rapid.T) {
				cfg := tt.cfg
				restarts := cfg.Destinations[0].WhenFull == ToSpool
				if restarts {
					cfg.Spool = SpoolConfig{Dir: t.TempDir(), Rate: 100}
					cfg.QueueDatapoints = rapid.IntRange(1, 30).Draw(r, "queue")
				}
				cfg.DrainTimeout = time.Minute
				cfg.ReconnectMax = time.Second
				m := newModel(r, cfg, tt.stores)
				defer m.u.Stop(context.Background())
				m.run(r, restarts, tt.forget)
			})
		})
	}
}
