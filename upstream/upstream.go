// Package upstream carries rows to their destinations.
package upstream

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/route"
)

// abandonAfter is how long a writer may take to end once its connection is closed.
// Only a blocked Stdout, or a Dial that does not heed its context, takes longer.
const abandonAfter = time.Second

// Upstream sends every row to the destinations that the routes say. Each destination
// has a queue and a writer of its own, so that a slow or dead one affects no other,
// nor Send.
//
// Plaintext and pickle are not acknowledged: what the kernel took counts as written,
// and is lost if the connection breaks before the peer read it, unless
// Destination.Resend has it go again. Everything else goes again on the next
// connection, from the start of the line or message that was cut.
//
// For one (destination, name, timestamp) an older value never follows a newer one.
type Upstream struct {
	cfg    Config
	router *Router
	dests  []*destination
	cancel context.CancelFunc // ends the writers without draining
	ctx    context.Context
	gate   gate

	blocks    sync.Pool // of *block, for all arenas
	arenas    [numClasses][numArenas]arena
	constant  [numClasses][]*destination // where Router.fixed leads
	plans     atomic.Pointer[plans]      // nil when no name is ever looked up
	splitters sync.Pool                  // of *splitter
	asks      bool                       // raw names need Config.Outputs
	choices   bool                       // some routes choose by which destinations are up
	unrouted  [NumKinds]atomic.Int64
	newest    atomic.Int64 // timestamp of the rows that were resolved

	// routing is held by senders while they route, if there are choices, and guards
	// what follows. It comes before the locks of destinations.
	routing sync.RWMutex
	states  route.States
	version uint32 // of states
	settled int64  // from this timestamp on, states answers by name alone
	// stopping is set when Stop begins: no row changes its destination any more.
	stopping bool

	mu      sync.Mutex // guards the fields below
	started bool
	stopped bool

	down   chan struct{} // closed when Stop is through
	unsent []Unsent      // written before that
}

// New checks cfg, opens the spools and prepares the queues. It starts nothing; rows
// sent before Start wait in the queues. An Upstream with spools must be stopped.
func New(cfg Config) (*Upstream, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	u := &Upstream{cfg: cfg, down: make(chan struct{}), version: 1, settled: math.MinInt64}
	u.newest.Store(math.MinInt64)
	if u.router, err = NewRouter(cfg.Destinations, cfg.Routes); err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	byOutput := anyOf(cfg.Routes, route.Raw, route.AggregatedHash)
	if u.asks = byOutput.Len() > 0; u.asks && cfg.Outputs == nil {
		return nil, fmt.Errorf("upstream: a route of raw rows has mode %q, which needs Outputs", route.AggregatedHash)
	}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	for i := range cfg.Destinations {
		u.dests = append(u.dests, newDestination(u.ctx, u, i))
	}
	u.prepare()
	if err := u.openSpools(); err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	return u, nil
}

// prepare fills in what follows from the routes.
func (u *Upstream) prepare() {
	chosen := anyOf(u.cfg.Routes, route.Both, route.Failover, route.RoundRobin)
	raw := anyOf(u.cfg.Routes, route.Raw)
	u.choices = chosen.Len() > 0
	for i, d := range u.dests {
		d.chosen = chosen.Has(i)
		d.gated = d.to.WhenFull == Block && (raw.Has(i) || len(u.cfg.Routes) == 0)
		for class, c := range u.router.fixed {
			d.split[class] = !c.ok
		}
	}
	for class, c := range u.router.fixed {
		if c.ok {
			u.constant[class] = u.members(&c.to)
		} else if u.plans.Load() == nil {
			u.plans.Store(newPlans(minSlots))
		}
		for i := range u.arenas[class] {
			u.arenas[class][i].shared = &u.blocks
		}
	}
}

// openSpools opens all spools, or none.
func (u *Upstream) openSpools() error {
	for i, d := range u.dests {
		if d.to.WhenFull != ToSpool {
			continue
		}
		if err := d.openSpool(); err != nil {
			for _, open := range u.dests[:i] {
				if open.spool != nil {
					open.spool.Close()
				}
			}
			return fmt.Errorf("destination %q: %w", d.to.Name, err)
		}
	}
	u.strays()
	return nil
}

// Start begins connecting and writing. Further calls, and calls after Stop, do
// nothing.
func (u *Upstream) Start() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.started || u.stopped {
		return
	}
	u.started = true
	for _, d := range u.dests {
		go d.run()
		if d.spool != nil {
			go d.runSpooler()
		}
	}
}

// Send queues lines for the destinations that they are routed to: n whole lines
// "name value timestamp\n" of one kind. It keeps no reference to lines. It does not
// wait for the network nor for the disk, and may be called from many goroutines; the
// lines of one (name, timestamp) keep their order over one call and calls that follow
// one another. Lines without a newline at the end, or without a count or kind, are a
// programming mistake, and panic.
func (u *Upstream) Send(lines []byte, n int, kind Kind) {
	if len(u.dests) == 0 || len(lines) == 0 {
		return
	}
	if lines[len(lines)-1] != '\n' || n <= 0 || kind >= NumKinds {
		panic("upstream: BUG: Send of something else than whole lines of one kind")
	}
	class := classOf(kind)
	if u.router.fixed[class].ok {
		u.deliver(&u.arenas[class][0], u.constant[class], lines, n, kind)
		return
	}
	u.split(lines, kind)
}

// deliver queues lines for the destinations to.
func (u *Upstream) deliver(a *arena, to []*destination, lines []byte, n int, kind Kind) {
	if len(to) == 0 {
		u.unrouted[kind].Add(int64(n))
		return
	}
	a.store(lines, n, kind, func(s span) {
		for _, d := range to {
			d.push(s)
		}
	})
}

// Wait returns when no queue of a destination with WhenFull Block is full that raw
// rows may go to, or Stop has begun. Inputs call it before they take in more, where
// they hold nothing that others need. When ctx ends first, it returns its error.
func (u *Upstream) Wait(ctx context.Context) error { return u.gate.wait(ctx) }

// Replan forgets which names go where, because Config.Outputs answers otherwise now.
func (u *Upstream) Replan() {
	if p := u.plans.Load(); p != nil {
		u.plans.Store(newPlans(len(p.slots)))
	}
}

// Unrouted returns the number of rows that no route took, by Kind. They count as made
// for no destination.
func (u *Upstream) Unrouted() (n [NumKinds]int64) {
	for i := range n {
		n[i] = u.unrouted[i].Load()
	}
	return n
}

// Stop refuses further rows and lets the queues drain until they are empty, ctx
// ends, or Config.DrainTimeout has passed; then it closes the connections. Where there
// is a spool, the rest goes to it, without waiting for a connection, and for as long as
// the disk takes. Stop returns the destinations with rows that could not be sent, which
// are counted under Stopped. Further calls wait for the first and return the same; when
// their ctx ends earlier, it ends the draining for all.
func (u *Upstream) Stop(ctx context.Context) []Unsent {
	u.mu.Lock()
	first, started := !u.stopped, u.started
	u.stopped = true
	u.mu.Unlock()
	if first {
		u.unsent = u.stop(ctx, started)
		close(u.down)
		return u.unsent
	}
	select {
	case <-u.down:
	case <-ctx.Done():
		u.cancel()
		<-u.down
	}
	return u.unsent
}

func (u *Upstream) stop(ctx context.Context, started bool) (unsent []Unsent) {
	ctx, cancel := context.WithTimeout(ctx, u.cfg.DrainTimeout)
	defer cancel()
	u.routing.Lock()
	u.stopping = true
	u.routing.Unlock()
	for _, d := range u.dests {
		d.drain()
	}
	if started {
		u.wait(ctx)
	}
	u.cancel()
	for _, d := range u.dests {
		if started && d.spool != nil {
			<-d.spoolEnded
		}
		left := d.finish()
		if left.Datapoints == 0 {
			continue
		}
		unsent = append(unsent, left)
		d.log.Error("rows not sent before the end", "datapoints", left.Datapoints, "last_error", left.LastError)
	}
	return unsent
}

// wait returns when all writers have ended; it breaks them off when ctx ends or
// another call of Stop does so.
func (u *Upstream) wait(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		for _, d := range u.dests {
			<-d.ended
		}
		close(ended)
	}()
	select {
	case <-ended:
		return
	case <-ctx.Done():
		u.cancel()
	case <-u.ctx.Done():
	}
	abandon := time.NewTimer(abandonAfter)
	defer abandon.Stop()
	select {
	case <-ended:
	case <-abandon.C:
	}
}

// Stats returns what became of the rows of each destination, in the order of
// Config.Destinations.
func (u *Upstream) Stats() []DestinationStats {
	stats := make([]DestinationStats, len(u.dests))
	for i, d := range u.dests {
		stats[i] = d.read()
	}
	return stats
}
