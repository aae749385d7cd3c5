// Package upstream carries rows to their destinations.
package upstream

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// abandonAfter is how long a writer may take to end once its connection is closed.
// Only a blocked Stdout, or a Dial that does not heed its context, takes longer.
const abandonAfter = time.Second

// Upstream sends every row to every destination. Each destination has a queue and a
// writer of its own, so that a slow or dead one affects no other, nor Send.
//
// Plaintext is not acknowledged: what the kernel took counts as written, and is lost
// if the connection breaks before the peer read it. Everything else goes again on
// the next connection, from the start of the line that was cut.
type Upstream struct {
	cfg    Config
	arena  arena
	dests  []*destination
	cancel context.CancelFunc // ends the writers without draining
	ctx    context.Context

	mu      sync.Mutex // guards the fields below
	started bool
	stopped bool

	down   chan struct{} // closed when Stop is through
	unsent []Unsent      // written before that
}

// New checks cfg and prepares the queues. It starts nothing; rows sent before Start
// wait in the queues.
func New(cfg Config) (*Upstream, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	u := &Upstream{cfg: cfg, down: make(chan struct{})}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	for _, d := range cfg.Destinations {
		u.dests = append(u.dests, newDestination(u.ctx, &u.cfg, d))
	}
	return u, nil
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
	}
}

// Send queues lines for every destination: n whole lines "name value timestamp\n"
// of one kind. It keeps no reference to lines. It does not wait for the network and
// may be called from many goroutines; the lines of one call, and of calls that
// follow one another, keep their order. Lines without a newline at the end, or
// without a count or kind, are a programming mistake, and panic.
func (u *Upstream) Send(lines []byte, n int, kind Kind) {
	if len(u.dests) == 0 || len(lines) == 0 {
		return
	}
	if lines[len(lines)-1] != '\n' || n <= 0 || kind >= NumKinds {
		panic("upstream: BUG: Send of something else than whole lines of one kind")
	}
	for len(lines) > 0 {
		b, off, size := u.arena.reserve(lines)
		s := span{block: b, off: off, end: off + size, lines: n, kind: kind}
		if size < len(lines) {
			s.lines = bytes.Count(lines[:size], newline)
		}
		// Nobody else sees the range before it is queued, so no lock is held for
		// the copy.
		copy(s.bytes(), lines)
		for _, d := range u.dests {
			d.push(s)
		}
		b.release()
		lines, n = lines[size:], n-s.lines
	}
}

// Stop refuses further rows and lets the queues drain until they are empty, ctx
// ends, or Config.DrainTimeout has passed; then it closes the connections. It
// returns the destinations with rows that could not be sent, which are counted
// under Stopped. Further calls wait for the first and return the same; when
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
	for _, d := range u.dests {
		d.drain()
	}
	if started {
		u.wait(ctx)
	}
	u.cancel()
	for _, d := range u.dests {
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
