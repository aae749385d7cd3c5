package ingest

import (
	"bytes"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// A decoder turns the bytes of one connection into datapoints. It is the
// protocol of a stream and belongs to the connection's goroutine.
type decoder interface {
	// feed decodes the n bytes at w.buf[w.head:]. What is unfinished it keeps
	// in memory of its own: the worker is lent for this call only.
	feed(w *worker, n int)
	// end decodes what is kept, because the client has ended the stream.
	end(w *worker)
	// cut drops what is kept, because the stream ended in the middle, and
	// returns how many items that were.
	cut() int
}

// lines decodes plaintext lines.
type lines struct {
	listener *listener
	from     sender
	// tail is the line whose newline has not come yet, at most MaxLine bytes
	// that are copied once each, whatever the size of the reads.
	tail []byte
	// skipping says that the line was too long and has been counted: all up to
	// its newline is passed over.
	skipping bool
}

// spareTail is how much memory for tails a connection keeps between reads.
const spareTail = 1 << 10

func (d *lines) feed(w *worker, n int) {
	start, end := w.head, w.head+n
	if d.skipping {
		nl := bytes.IndexByte(w.buf[start:end], '\n')
		if nl < 0 {
			return
		}
		d.skipping = false
		start += nl + 1
	}
	if whole := start + plaintext.Complete(w.buf[start:end]); whole > start {
		start -= len(d.tail)
		copy(w.buf[start:], d.tail)
		d.drop()
		w.scan(start, whole, d.listener.MaxLine, d.listener, d.from)
		start = whole
	}
	if len(d.tail)+end-start <= d.listener.MaxLine {
		d.tail = append(d.tail, w.buf[start:end]...)
		return
	}
	kept := len(d.tail)
	copy(w.buf[start-kept:], d.tail)
	d.drop()
	d.skipping = true
	w.refuseLong(start-kept, end, d.listener, d.from)
}

func (d *lines) end(w *worker) {
	if len(d.tail) == 0 {
		return
	}
	start := w.head - len(d.tail)
	copy(w.buf[start:], d.tail)
	w.buf[w.head] = '\n'
	d.drop()
	w.scan(start, w.head+1, d.listener.MaxLine, d.listener, d.from)
}

func (d *lines) cut() int {
	items := 0
	if len(bytes.TrimSpace(d.tail)) > 0 {
		items = 1
	}
	d.drop()
	return items
}

// drop empties the tail.
func (d *lines) drop() {
	if cap(d.tail) > spareTail {
		d.tail = nil
	}
	d.tail = d.tail[:0]
}
