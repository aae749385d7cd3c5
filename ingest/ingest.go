// Package ingest turns the bytes that clients send into datapoints in lanes.
//
// A transport (TCP, UDP, unix stream socket) brings bytes and a protocol
// (plaintext, pickle, protobuf) decodes them into a plaintext.Batch; neither
// knows the other. Bytes wait in the kernel until a worker, one of a few shared
// by all clients, is free to read and decode them in one go, so that an idle
// client costs no buffer. Only TLS and compression need memory of a connection.
package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// Lane takes datapoints. It is held by one goroutine from Acquire to Release.
type Lane interface {
	// Add takes b's datapoints. b.Buf stays unchanged until Release; b itself
	// is filled anew once Add returns.
	Add(b *plaintext.Batch)
	// Release gives the lane back; the Lane is not used after it.
	Release()
}

// Config is what New needs.
type Config struct {
	// Listeners may be empty.
	Listeners []Listener
	// ReadBuffer is how many bytes are read from a connection at once. 0 means
	// 256 KiB. There is one such buffer for each of two workers per core.
	ReadBuffer int
	// UDPBuffer is the kernel's receive buffer of a UDP socket, in bytes, as far
	// as net.core.rmem_max allows. 0 leaves the system's default.
	UDPBuffer int
	// Resolution, where above 0, floors timestamps to its multiples (seconds).
	Resolution float64
	// Acquire returns a lane that is not nil. It may block only briefly: a
	// worker waits in it.
	Acquire func() Lane
	// Now is the arrival time in Unix seconds that replaces a timestamp of -1.
	// It is asked once for each buffer.
	Now func() float64
	// Logger gets transitions and samples of refused lines. nil discards them.
	Logger *slog.Logger
	// RefusedLines is how many refused lines, datapoints, frames and compressed
	// streams are logged with their sender in each RefusedInterval, whose end logs
	// how many more there were. 0 logs none.
	RefusedLines int
	// RefusedInterval is 1 minute where it is 0.
	RefusedInterval time.Duration
}

// Ingest listens for datapoints. Its life is New, Listen, Start, Stop.
type Ingest struct {
	cfg       Config
	log       *slog.Logger
	listeners []*listener
	workers   workers
	refused   *sampler

	stopOnce sync.Once
	stop     chan struct{} // closed when Stop begins
	stopAt   time.Time     // set before stop is closed: waiting for bytes ends here
	aborted  atomic.Bool   // Stop's context is done: read nothing more
	stopErr  error
	running  sync.WaitGroup

	mu      sync.Mutex           // guards the fields below
	started bool                 // Start was called
	sources map[*source]struct{} // what is being read
}

// Listen binds all listeners, or none when it returns an error. Clients can
// connect from here on; they are read once Start is called.
func (in *Ingest) Listen() error {
	for i, l := range in.listeners {
		if err := l.bind(); err != nil {
			for _, bound := range in.listeners[:i] {
				bound.close()
			}
			return err
		}
	}
	return nil
}

// Addrs returns the bound addresses in the order of Config.Listeners. It is
// called after Listen.
func (in *Ingest) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(in.listeners))
	for i, l := range in.listeners {
		addrs[i] = l.addr
	}
	return addrs
}

// Start begins to accept and read. It is called once, after Listen; after Stop
// it does nothing.
func (in *Ingest) Start() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stopping() {
		return
	}
	in.started = true
	for _, l := range in.listeners {
		in.running.Go(l.run)
	}
}

// Stop reads what clients have sent so far, connections in the backlog included,
// hands it to lanes and closes everything. When ctx is done first, what is
// still unread is lost and ctx's error returned; buffers already read are
// handed over in any case. Later calls wait for the first one's end.
func (in *Ingest) Stop(ctx context.Context) error {
	in.stopOnce.Do(func() { in.stopErr = in.shutdown(ctx) })
	return in.stopErr
}

// drainQuiet is how long Stop waits for bytes that are still on their way: sent
// by the client, but not yet in this machine's socket. It covers the round trip
// of a local network.
const drainQuiet = 20 * time.Millisecond

func (in *Ingest) shutdown(ctx context.Context) error {
	in.mu.Lock()
	in.stopAt = time.Now().Add(drainQuiet)
	close(in.stop)
	started := in.started
	in.mu.Unlock()

	if !started {
		for _, l := range in.listeners {
			l.close()
		}
		return nil
	}
	for _, l := range in.listeners {
		l.wake()
	}
	in.wakeSources(in.stopAt)
	abort := context.AfterFunc(ctx, func() {
		in.aborted.Store(true)
		in.wakeSources(time.Now())
	})
	in.running.Wait()
	abort()
	in.refused.close()
	if in.aborted.Load() {
		return fmt.Errorf("stopped with clients' bytes unread: %w", context.Cause(ctx))
	}
	return nil
}

func (in *Ingest) stopping() bool {
	select {
	case <-in.stop:
		return true
	default:
		return false
	}
}

// wakeSources ends every wait for bytes, and of TLS for room to write, at the
// given time.
func (in *Ingest) wakeSources(at time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for s := range in.sources {
		s.conn.SetDeadline(at)
	}
}

func (in *Ingest) addSource(s *source) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.sources[s] = struct{}{}
}

func (in *Ingest) removeSource(s *source) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.sources, s)
}
