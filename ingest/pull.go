package ingest

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// pullBuffer is how much a connection with TLS or compression keeps to read
// into: a TLS record holds no more.
const pullBuffer = 16 << 10

// pull reads a connection whose bytes are not the protocol's own: they go
// through TLS, a decompressor or both, which ask for them as they need them and
// wait meanwhile. So what comes out goes to a buffer of the connection's own, and
// a worker is lent only to decode that.
func (s *stream) pull(conn net.Conn) (end, error) {
	p := &puller{Conn: conn, stream: s}
	s.step = p.step
	if err := s.open(); err != nil {
		return endFailed, err
	}
	defer s.close()

	t := &transport{Reader: p}
	if s.listener.tls != nil {
		session, ok := s.listener.secure(p)
		if !ok {
			return p.end, p.err
		}
		// Says goodbye to the client, where the connection still can.
		defer session.Close()
		t.Reader = session
	}
	r := decompressor(s.listener.Compression, t)
	buf := make([]byte, min(pullBuffer, s.in.cfg.ReadBuffer))
	for drained := 0; ; {
		n, err := r.Read(buf)
		if n > 0 && !s.hand(buf[:n]) {
			return endSaid, nil
		}
		if err != nil {
			return s.broken(p, t, err)
		}
		// A few bytes can become many, which Stop does not wait for either.
		if s.in.aborted.Load() {
			return endStopped, nil
		}
		if s.in.stopping() {
			if drained += n; drained > inflatedLimit {
				return endStopped, nil
			}
		}
	}
}

// inflatedLimit is how many bytes Stop takes from one decompressor.
const inflatedLimit = 4 * drainLimit

// hand lets a worker decode b.
func (s *stream) hand(b []byte) bool {
	w := s.in.workers.get()
	s.lost = !s.decoder.feed(w, copy(w.room(), b))
	s.in.workers.put(w)
	return !s.lost
}

// broken finds out why there is nothing more to read.
func (s *stream) broken(p *puller, t *transport, err error) (end, error) {
	switch {
	case p.over && p.end != endSaid: // Stop, idle or broken, below everything
		return p.end, p.err
	case t.err != nil && !errors.Is(t.err, io.EOF):
		return endFailed, t.err // of TLS
	case errors.Is(err, io.EOF):
		// Without TLS's own end, anybody on the way may have ended the stream.
		s.eof = s.listener.tls == nil || !p.over
		return endSaid, nil
	case t.err != nil:
		// Of what the decompressor still held, nobody knows how much it was.
		s.listener.counts.unfinished.Add(uint64(max(1, s.decoder.cut())))
		return endFailed, errors.New("the compressed stream ended in the middle")
	default:
		s.listener.counts.unfinished.Add(uint64(s.decoder.cut()))
		s.refuse(BadCompression, err)
		return endSaid, nil
	}
}

// refuse counts why nothing can be found in the stream any more.
func (s *stream) refuse(r Reason, err error) {
	s.lost = true
	s.listener.counts.refused[r].Add(1)
	w := s.in.workers.get()
	w.from = s
	if w.sampled() {
		w.sample("stream", r, 0, err.Error())
	}
	w.settle(s.listener)
	s.in.workers.put(w)
}

// A transport is what a decompressor reads from. It keeps the error, so that
// those of the transport and of the decompressor can be told apart.
type transport struct {
	io.Reader
	err error
}

func (t *transport) Read(b []byte) (int, error) {
	n, err := t.Reader.Read(b)
	if err != nil {
		t.err = err
	}
	return n, err
}

// A puller is a connection whose Read waits as its stream's source does: for
// bytes, for the idle timeout, for Stop.
type puller struct {
	net.Conn
	stream *stream
	room   []byte // what is being read into
	n      int

	over bool // nothing more is read
	end  end
	err  error
}

var errNoMore = errors.New("stopped or idle")

// Read returns io.EOF at the end of the stream, and another error whenever
// nothing more is to be read.
func (p *puller) Read(b []byte) (int, error) {
	if p.over || len(b) == 0 {
		return 0, p.why()
	}
	p.room, p.n = b, 0
	end, err := p.stream.wait()
	if end != endSaid {
		p.over, p.end, p.err = true, end, err
	}
	p.room = nil
	if p.n > 0 {
		return p.n, nil
	}
	return 0, p.why()
}

func (p *puller) why() error {
	switch {
	case !p.over:
		return nil
	case p.end == endSaid:
		return io.EOF
	case p.err != nil:
		return p.err
	default:
		return errNoMore
	}
}

// step reads once.
func (p *puller) step(fd uintptr) bool {
	n, err := readNow(fd, p.room)
	switch {
	case err == syscall.EAGAIN:
		return false
	case err == io.EOF:
		p.over, p.end = true, endSaid
	case err != nil:
		p.over, p.end, p.err = true, endFailed, err
	default:
		p.n = n
		p.stream.listener.counts.bytes.Add(uint64(n))
		if !p.stream.got(n) {
			p.over, p.end = true, endStopped
		}
	}
	return true
}

// Write bounds how long a client may refuse to take what TLS has to say.
func (p *puller) Write(b []byte) (int, error) {
	s := p.stream
	p.Conn.SetWriteDeadline(time.Now().Add(s.listener.handshake))
	if s.in.stopping() {
		p.Conn.SetWriteDeadline(time.Now().Add(drainQuiet))
	}
	return p.Conn.Write(b)
}
