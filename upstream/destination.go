package upstream

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/coalesce-metrics/coalesce/spool"
)

const (
	// hardLines and hardBytes are what may be queued beyond the bounds at least,
	// where rows wait for the disk or for senders to heed Wait.
	hardLines = 1 << 16
	hardBytes = 8 << 20
)

// destination is the queue of one Destination with its books. Its writer goroutine
// is in writer.go, the way to and from the disk in spooling.go.
//
// Rows are sent in the order again, back, spool, late, queue, but for those of queue
// whose timestamp is not in times: they may pass the spool and late.
type destination struct {
	cfg    *Config
	to     Destination
	up     *Upstream
	index  int // in Config.Destinations
	open   func(context.Context) (sink, error)
	log    *slog.Logger
	ctx    context.Context // ends the writer without draining
	cancel context.CancelFunc
	began  time.Time
	wake   chan struct{} // one slot: there is something for an idle writer
	hurry  chan struct{} // closed when Stop has begun
	ended  chan struct{} // closed when the writer has ended

	spool      *spool.Spool  // nil without; open until finish
	spoolWake  chan struct{} // one slot: there is something for the spooler
	spoolEnded chan struct{} // closed when the spooler has ended

	bufs   [][]byte          // the writer's: the batch as bytes
	arenas [numClasses]arena // rows from the disk, and copies

	soft, hard bounds           // of late and queue together
	split      [numClasses]bool // rows of a class go by name, so that blocks hold others' rows too
	gated      bool             // a full queue shuts the gate
	chosen     bool             // it is among those that a failover or round-robin route chooses from

	mu    sync.Mutex // guards all below
	again queue      // rows that were written and go again, outside of the books
	back  queue      // rows that a broken connection gave back, older than those in the spool
	late  queue      // rows on their way to the spool
	queue queue
	// recent holds the rows written of late, which may go again.
	recent  queue
	transit int64 // rows that are being handed to other destinations

	batch []span // in flight; its spans hold references
	from  source // where it was taken from

	spooled int64 // rows in the spool or being appended, without those in flight
	times   times // of these, and of late
	dry     bool  // the spool has nothing to read
	seen    spool.Stats
	rate    allowance // of rows from the spool

	idle     bool // the writer waits on wake
	down     bool // connecting has failed since it last succeeded
	stopping bool // no more rows are taken
	finished bool // the books are closed
	stats    DestinationStats
	full     throttle  // of log lines about the full queue
	refused  throttle  // of log lines about failed connects
	arrivals throttle  // of log lines about connections made
	losses   throttle  // of log lines about connections lost
	since    time.Time // of the connection
	flaps    int       // connections made since one has lasted
	trouble  throttle  // of log lines about the spool
}

// bounds of a queue.
type bounds struct{ lines, bytes int }

// source is where a batch was taken from.
type source uint8

const (
	fromQueue source = iota
	fromBack
	fromAgain
	fromSpool
)

func newDestination(ctx context.Context, u *Upstream, index int) *destination {
	to := u.cfg.Destinations[index]
	d := &destination{
		cfg:        &u.cfg,
		to:         to,
		up:         u,
		index:      index,
		log:        u.cfg.Logger.With("destination", to.Name),
		began:      time.Now(),
		wake:       make(chan struct{}, 1),
		hurry:      make(chan struct{}),
		ended:      make(chan struct{}),
		spoolWake:  make(chan struct{}, 1),
		spoolEnded: make(chan struct{}),
		soft:       bounds{to.QueueDatapoints, int(to.QueueBytes)},
		rate:       allowance{rate: float64(u.cfg.Spool.Rate)},
	}
	for i := range d.arenas {
		d.arenas[i].shared = &u.blocks
	}
	d.hard = d.soft
	if to.WhenFull != DropOldest {
		d.hard.lines += max(d.soft.lines, hardLines)
		d.hard.bytes += max(d.soft.bytes, hardBytes)
	}
	d.ctx, d.cancel = context.WithCancel(ctx)
	d.open = opener(d.ctx, d.cfg, to)
	d.stats.Name, d.stats.Address = to.Name, to.String()
	return d
}

// push queues s, of whose block it takes its own reference.
func (d *destination) push(s span) {
	d.mu.Lock()
	n := int64(s.lines)
	d.stats.Made[s.kind] += n
	switch {
	case d.stopping:
		d.stats.Dropped[Stopped] += n
		d.mu.Unlock()
		return
	case s.kind == Amendment && d.to.Role == Aggregator:
		d.stats.Dropped[Withheld] += n
		d.mu.Unlock()
		return
	}
	d.enqueue(s)
	lost := d.bound()
	wake := d.idle
	d.idle = false
	full := d.over(d.soft)
	if full {
		d.shut()
	}
	d.mu.Unlock()
	if wake {
		signal(d.wake)
	}
	if full && d.spool != nil {
		signal(d.spoolWake)
	}
	if lost > 0 {
		d.log.Warn("queue full, oldest rows dropped", "datapoints", lost)
	}
}

// sharedSpans is how many spans a queue has, before those that come are copied. Each may
// be all that is needed of its block.
const sharedSpans = 64

// enqueue adds s to the queue; mu is held. When many wait, small parts of blocks are
// copied to blocks of the destination's own: they would keep memory from being used again
// that is many times as large as they are, and that no bound counts.
func (d *destination) enqueue(s span) {
	class := classOf(s.kind)
	if !d.split[class] || d.queue.spans < sharedSpans || s.size() > blockSize/2 {
		d.queue.push(s)
		return
	}
	d.arenas[class].store(s.bytes(), s.lines, s.kind, d.queue.push)
}

// signal fills a channel of one slot.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// over reports whether more waits than b; mu is held.
func (d *destination) over(b bounds) bool {
	return d.queue.lines+d.late.lines > b.lines || d.queue.bytes+d.late.bytes > b.bytes
}

// bound drops the oldest rows beyond the hard bounds, and returns how many to log;
// mu is held.
func (d *destination) bound() int64 {
	if !d.over(d.hard) {
		return 0
	}
	n := d.late.trim(max(d.hard.lines-d.queue.lines, 0), max(d.hard.bytes-d.queue.bytes, 0))
	n += d.queue.trim(d.hard.lines, d.hard.bytes)
	d.stats.Dropped[QueueFull] += int64(n)
	return d.full.add(time.Now(), int64(n))
}

// shut has the inputs wait for this destination if that is wanted; mu is held.
func (d *destination) shut() {
	if d.gated && !d.stats.Blocking && !d.stopping {
		d.stats.Blocking = true
		d.up.gate.add(1)
	}
}

// unshut lets the inputs go on once a fifth of the queue is free; mu is held.
func (d *destination) unshut() {
	if d.stats.Blocking && (d.stopping || !d.over(bounds{d.soft.lines / 5 * 4, d.soft.bytes / 5 * 4})) {
		d.stats.Blocking = false
		d.up.gate.add(-1)
	}
}

// drain refuses further rows and has the writer end once the queue is empty, or at
// once when there is a spool and no connection.
func (d *destination) drain() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopping = true
	d.unshut()
	close(d.hurry)
	empty := d.queue.spans+d.back.spans+d.again.spans+len(d.batch) == 0
	if empty || d.spool != nil && !d.stats.Connected {
		d.cancel() // it may be connecting, which is of no use now
	}
}

// finish closes the books, and returns what was given up. A writer that still hangs
// in a write keeps its blocks, which then never return to the pool.
func (d *destination) finish() Unsent {
	if d.spool != nil {
		d.closeSpool()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.finished = true
	n := d.stats.InFlight
	for _, q := range []*queue{&d.back, &d.late, &d.queue} {
		n += int64(q.clear())
	}
	d.again.clear()
	d.recent.clear()
	d.stats.InFlight = 0
	d.stats.Dropped[Stopped] += n
	return Unsent{Destination: d.to.Name, Datapoints: n, LastError: d.stats.LastError}
}

// read returns the books.
func (d *destination) read() DestinationStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.Queued = int64(d.queue.lines+d.late.lines+d.back.lines) + d.transit
	s.QueuedBytes = int64(d.queue.bytes + d.late.bytes + d.back.bytes)
	s.Spooled = d.spooled
	return s
}
