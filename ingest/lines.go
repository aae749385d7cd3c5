package ingest

import (
	"bytes"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

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

func (d *lines) feed(w *worker, n int) bool {
	start, end := w.head, w.head+n
	if d.skipping {
		nl := bytes.IndexByte(w.buf[start:end], '\n')
		if nl < 0 {
			return true
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
		return true
	}
	kept := len(d.tail)
	copy(w.buf[start-kept:], d.tail)
	d.drop()
	d.skipping = true
	w.refuseLong(start-kept, end, d.listener, d.from)
	return true
}

func (d *lines) end(w *worker) int {
	if len(d.tail) == 0 {
		return 0
	}
	start := w.head - len(d.tail)
	copy(w.buf[start:], d.tail)
	w.buf[w.head] = '\n'
	d.drop()
	w.scan(start, w.head+1, d.listener.MaxLine, d.listener, d.from)
	return 0
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
