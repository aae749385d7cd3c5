package ingest

import (
	"syscall"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// A packets reads the datagrams of one UDP socket. Those that wait already are
// decoded together.
type packets struct {
	source
	listener *listener
	grams    [256]gram // one buffer's, to find the sender of a line
	n        int
}

// A gram is one datagram in a worker's buffer.
type gram struct {
	end  int
	from rawAddr
}

// receive reads datagrams until Stop, then those left in the socket.
func (l *listener) receive() {
	defer l.close()
	defer l.dropped() // keeps the last number for Stats
	p := &packets{listener: l}
	p.source = source{in: l.in, conn: l.packets, step: p.read}
	if _, err := p.pump(); err != nil {
		l.failed(err)
	}
}

// failed counts a read error of a UDP socket.
func (l *listener) failed(err error) {
	l.counts.readErrors.Add(1)
	if l.readLog.due() {
		l.in.log.Error("cannot read datagrams", "listener", l.Name, "error", err)
	}
}

// read is the step of a UDP socket.
func (p *packets) read(fd uintptr) bool {
	for {
		w := p.in.workers.get()
		bytes, end, err := p.gather(w, fd)
		if p.n > 0 {
			c := &p.listener.counts
			c.bytes.Add(uint64(bytes))
			c.datagrams.Add(uint64(p.n))
			// A line is bounded by its datagram.
			w.scan(w.head, end, largestDatagram, p.listener, p)
		}
		p.in.workers.put(w)
		if p.n > 0 && !p.got(bytes) {
			return true
		}
		if err == syscall.EAGAIN {
			return false
		}
		if err != nil {
			// An error is reported once and does not close the socket. The next
			// datagram wakes the reader.
			p.listener.failed(err)
			return false
		}
	}
}

// gather reads waiting datagrams into w's buffer, as lines that end at end, for
// as long as the largest one fits. bytes is how long they were as received.
func (p *packets) gather(w *worker, fd uintptr) (bytes, end int, err error) {
	p.n, end = 0, w.head
	for p.n < len(p.grams) && end+largestDatagram+1+plaintext.Pad <= len(w.buf) {
		g := &p.grams[p.n]
		n, err := receiveNow(fd, w.buf[end:end+largestDatagram], &g.from)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return bytes, end, err
		}
		bytes += n
		// There is room behind it, so it stays where it is.
		end += len(plaintext.Datagram(w.buf[end : end+n]))
		g.end = end
		p.n++
	}
	return bytes, end, nil
}

// sender returns who sent the datagram with the byte at offset.
func (p *packets) sender(offset int) string {
	for i := range p.grams[:p.n] {
		if g := &p.grams[i]; offset < g.end {
			return g.from.String()
		}
	}
	return ""
}
