package upstream

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"
)

// A batch is what one write takes: spans up to batchBytes (a larger single span
// alone), and not more than the kernel takes in one call.
const (
	batchBytes = 256 << 10
	batchSpans = 1024
)

// destination is the queue of one Destination with its books. Its writer goroutine
// is in writer.go.
type destination struct {
	cfg    *Config
	name   string
	open   func(context.Context) (sink, error)
	log    *slog.Logger
	ctx    context.Context // ends the writer without draining
	cancel context.CancelFunc
	wake   chan struct{} // one slot: there is something for an idle writer
	hurry  chan struct{} // closed when Stop has begun
	ended  chan struct{} // closed when the writer has ended

	bufs [][]byte // the writer's: the batch as bytes

	mu       sync.Mutex // guards all below
	queue    queue
	batch    []span // in flight; its spans hold references
	idle     bool   // the writer waits on wake
	stopping bool   // no more rows are taken
	finished bool   // the books are closed
	stats    DestinationStats
	full     throttle // of log lines about the full queue
	refused  throttle // of log lines about failed connects
}

func newDestination(ctx context.Context, cfg *Config, to Destination) *destination {
	d := &destination{
		cfg:   cfg,
		name:  to.String(),
		wake:  make(chan struct{}, 1),
		hurry: make(chan struct{}),
		ended: make(chan struct{}),
	}
	d.log = cfg.Logger.With("destination", d.name)
	d.ctx, d.cancel = context.WithCancel(ctx)
	d.stats.Name = d.name
	if to.Scheme == Stdout {
		d.open = (&writerSink{w: cfg.Stdout}).open
	} else {
		d.open = func(ctx context.Context) (sink, error) { return dialStream(ctx, d.ctx, cfg, to) }
	}
	return d
}

// push queues s, of whose block it takes its own reference.
func (d *destination) push(s span) {
	d.mu.Lock()
	n := int64(s.lines)
	d.stats.Made[s.kind] += n
	if d.stopping {
		d.stats.Dropped[Stopped] += n
		d.mu.Unlock()
		return
	}
	d.queue.push(s)
	var lost int64
	if dropped := d.queue.trim(d.cfg.QueueDatapoints, int(d.cfg.QueueBytes)); dropped > 0 {
		d.stats.Dropped[QueueFull] += int64(dropped)
		lost = d.full.add(time.Now(), int64(dropped))
	}
	wake := d.idle
	d.idle = false
	d.mu.Unlock()
	if wake {
		d.signal()
	}
	if lost > 0 {
		d.log.Warn("queue full, oldest rows dropped", "datapoints", lost)
	}
}

func (d *destination) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// take moves the oldest spans into flight and returns their bytes, valid until
// settle. With an empty queue it returns none, and that the writer is done if Stop
// has begun; otherwise the next push signals wake.
func (d *destination) take() (bufs net.Buffers, done bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.queue.spans == 0 {
		d.idle = !d.stopping
		return nil, d.stopping
	}
	d.bufs = d.bufs[:0]
	size := 0
	for d.queue.spans > 0 && len(d.batch) < batchSpans {
		if size += d.queue.at(0).size(); size > batchBytes && len(d.batch) > 0 {
			break
		}
		s := d.queue.pop()
		d.stats.InFlight += int64(s.lines)
		d.batch = append(d.batch, s)
		d.bufs = append(d.bufs, s.bytes())
	}
	return d.bufs, false
}

// settle ends the flight of the batch, of which n bytes were taken. The line that
// was cut and all behind it return to the head of the queue, which may exceed its
// bounds by them until the next push: a broken connection as such loses nothing.
func (d *destination) settle(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.finished {
		return // they were counted as dropped
	}
	d.stats.BytesWritten += n
	d.stats.InFlight = 0
	sent := 0
	for ; sent < len(d.batch) && n >= int64(d.batch[sent].size()); sent++ {
		s := &d.batch[sent]
		n -= int64(s.size())
		d.stats.Written += int64(s.lines)
		s.block.release()
	}
	if sent < len(d.batch) {
		s := &d.batch[sent]
		whole, lines := s.taken(int(n))
		s.skip(whole, lines)
		d.stats.Written += int64(lines)
	}
	for i := len(d.batch) - 1; i >= sent; i-- {
		d.queue.unpop(d.batch[i])
	}
	clear(d.batch)
	d.batch = d.batch[:0]
}

// drain refuses further rows and has the writer end once the queue is empty.
func (d *destination) drain() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopping = true
	close(d.hurry)
	if d.queue.spans == 0 && len(d.batch) == 0 {
		d.cancel() // it may be connecting, which is of no use now
	}
}

// finish closes the books, and returns what was given up. A writer that still hangs
// in a write keeps its blocks, which then never return to the pool.
func (d *destination) finish() Unsent {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.finished = true
	n := d.stats.InFlight + int64(d.queue.clear())
	d.stats.InFlight = 0
	d.stats.Dropped[Stopped] += n
	return Unsent{Destination: d.name, Datapoints: n, LastError: d.stats.LastError}
}

// read returns the books.
func (d *destination) read() DestinationStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.Queued, s.QueuedBytes = int64(d.queue.lines), int64(d.queue.bytes)
	return s
}
