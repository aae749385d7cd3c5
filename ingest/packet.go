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
		l.in.log.Error("cannot read datagrams", "listener", l.Name, "err", err)
	}
}

// read is the step of a UDP socket.
func (p *packets) read(fd uintptr) bool {
	for {
		w := p.in.workers.get()
		read, end, err := p.gather(w, fd)
		if p.n > 0 {
			// A line is bounded by its datagram.
			w.scan(w.head, end, largestDatagram, p.listener, p)
		}
		p.in.workers.put(w)
		if read > 0 && !p.got(read) {
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
// as long as the largest one fits. read is how many bytes came and one more for
// each datagram, those of clients that are not allowed included.
func (p *packets) gather(w *worker, fd uintptr) (read, end int, err error) {
	p.n, end = 0, w.head
	l, taken := p.listener, 0
	for range len(p.grams) {
		if end+largestDatagram+1+plaintext.Pad > len(w.buf) {
			break
		}
		g := &p.grams[p.n]
		var n int
		if n, err = receiveNow(fd, w.buf[end:end+largestDatagram], &g.from); err != nil {
			if err == syscall.EINTR {
				err = nil
				continue
			}
			break
		}
		read += n + 1
		if len(l.Allow) > 0 && !l.allows(g.from.ip()) {
			l.denied(&g.from)
			continue
		}
		taken += n
		// There is room behind it, so it stays where it is.
		end += len(plaintext.Datagram(w.buf[end : end+n]))
		g.end = end
		p.n++
	}
	l.counts.bytes.Add(uint64(taken))
	l.counts.datagrams.Add(uint64(p.n))
	return read, end, err
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
