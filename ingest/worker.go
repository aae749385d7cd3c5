package ingest

import (
	"sync"
	"unsafe"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// largestDatagram is what a UDP socket can hand out at once.
const largestDatagram = 65535

// A worker is what it takes to decode bytes: a buffer, a scanner and a batch. It
// is borrowed for as long as one buffer takes.
type worker struct {
	in *Ingest
	// buf is head bytes, then room to read into, then plaintext.Pad spare ones.
	// The unfinished line of the read before is put right in front of what was
	// read, so that reads always go to the same, aligned place.
	buf     []byte
	head    int
	scanner *plaintext.Scanner
	batch   plaintext.Batch

	frames framer

	// For the time of one buffer:
	from       sender
	samples    []sample // refused items to be logged
	suppressed uint64   // refused items not to be logged
}

// A sender knows who sent the bytes at an offset of the worker's buffer.
type sender interface {
	sender(offset int) string
}

// workers lends workers. Their number is bounded, so that the memory for
// buffers is, too; who waits is served in order.
type workers struct {
	slots chan struct{}
	pool  sync.Pool // each core gets back the buffer that its cache still holds
}

func (ws *workers) init(in *Ingest, head, limit int) {
	const cacheLine = 64
	head = (head + cacheLine - 1) &^ (cacheLine - 1)
	room := in.cfg.ReadBuffer
	for _, l := range in.cfg.Listeners {
		if l.Transport == "udp" {
			room = max(room, 2*(largestDatagram+1))
		}
	}
	ws.slots = make(chan struct{}, limit)
	ws.pool.New = func() any {
		w := &worker{in: in, head: head, buf: make([]byte, head+room+plaintext.Pad), scanner: plaintext.NewScanner(0)}
		w.scanner.Resolution = in.cfg.Resolution
		w.scanner.OnRefuse = w.refused
		w.frames.worker = w
		return w
	}
}

func (ws *workers) get() *worker {
	ws.slots <- struct{}{}
	return ws.pool.Get().(*worker)
}

func (ws *workers) put(w *worker) {
	ws.pool.Put(w)
	<-ws.slots
}

// room is where the next bytes of a stream are read to.
func (w *worker) room() []byte { return w.buf[w.head : w.head+w.in.cfg.ReadBuffer] }

// scan decodes the whole lines in buf[start:end] into a lane.
func (w *worker) scan(start, end, maxLine int, l *listener, from sender) {
	w.scanner.MaxLine = maxLine
	w.scanner.Now = w.in.cfg.Now()
	w.from = from
	w.batch.Buf = w.buf[:end]
	accepted := 0
	lane := w.in.cfg.Acquire()
	for start < end {
		start = w.scanner.Scan(&w.batch, start, end)
		if w.batch.N > 0 {
			accepted += w.batch.N
			lane.Add(&w.batch)
		}
	}
	lane.Release()
	l.counts.accepted.Add(uint64(accepted))
	w.settle(l)
}

// refuseLong counts a line of which only the start was kept, buf[at:end].
func (w *worker) refuseLong(at, end int, l *listener, from sender) {
	w.from = from
	w.scanner.RefuseLong(w.buf[at:end])
	w.settle(l)
}

// settle moves what was refused to l's counters and to the log.
func (w *worker) settle(l *listener) {
	l.counts.refused.move(w.scanner.Refused[:], lineReasons[:])
	w.from = nil
	if len(w.samples) > 0 || w.suppressed > 0 {
		w.in.refused.report(l.Name, w.samples, w.suppressed)
		clear(w.samples)
		w.samples, w.suppressed = w.samples[:0], 0
	}
}

// refused is called for each refused line.
func (w *worker) refused(r plaintext.Reason, line []byte) {
	if r == plaintext.Blank || !w.sampled() {
		return
	}
	offset := uintptr(unsafe.Pointer(unsafe.SliceData(line))) - uintptr(unsafe.Pointer(unsafe.SliceData(w.buf)))
	const shown = 400 // as carbon does
	w.sample("line", lineReasons[r], int(offset), string(line[:min(len(line), shown)]))
}

// sampled reports whether a refused item shall be logged.
func (w *worker) sampled() bool {
	if w.suppressed > 0 || !w.in.refused.take() {
		w.suppressed++
		return false
	}
	return true
}

// sample keeps a refused item for the log, which is written by settle: a log may
// block, and a lane may be held now.
func (w *worker) sample(what string, r Reason, offset int, text string) {
	w.samples = append(w.samples, sample{what, r, w.from.sender(offset), text})
}
