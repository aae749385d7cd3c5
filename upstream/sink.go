package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// sink is an open way to a destination, used by its writer alone.
type sink interface {
	// write hands over bufs, which hold whole lines, and returns how many of their
	// bytes were taken; after an error no other write follows.
	write(bufs net.Buffers) (int64, error)
	// gone is closed once the other side has closed, of which a write would not
	// tell in time; nil where that cannot be.
	gone() <-chan struct{}
	// close releases the sink.
	close()
}

// stream is a connection.
type stream struct {
	conn    net.Conn
	timeout time.Duration
	bufs    net.Buffers // here because its address escapes
	eof     chan struct{}
	reader  sync.WaitGroup
	forget  func() bool // life's end closes conn until this is called
}

// dialStream connects within ctx. The end of life closes the connection.
func dialStream(ctx, life context.Context, cfg *Config, to Destination) (sink, error) {
	conn, err := cfg.Dial(ctx, to.network(), to.address())
	if err != nil {
		return nil, err
	}
	s := &stream{conn: conn, timeout: cfg.WriteTimeout, eof: make(chan struct{})}
	s.forget = context.AfterFunc(life, func() { conn.Close() })
	s.reader.Go(s.watch)
	return s, nil
}

// watch discards what the other side sends and notices when it closes. Closing here
// too ends a write under way, whose bytes nobody would read.
func (s *stream) watch() {
	buf := make([]byte, 512)
	for {
		if _, err := s.conn.Read(buf); err != nil {
			close(s.eof)
			s.conn.Close()
			return
		}
	}
}

func (s *stream) gone() <-chan struct{} { return s.eof }

func (s *stream) close() {
	s.forget()
	s.conn.Close()
	s.reader.Wait()
}

// write goes on after a timeout as long as some bytes were taken: the peer is slow,
// not dead, and a new connection would lose what its buffers hold.
func (s *stream) write(bufs net.Buffers) (int64, error) {
	select {
	case <-s.eof:
		return 0, errPeerClosed
	default:
	}
	s.bufs = bufs
	var taken int64
	for {
		if err := s.conn.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
			return taken, err
		}
		n, err := s.bufs.WriteTo(s.conn)
		taken += n
		if err == nil || n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return taken, err
		}
	}
}

// writerSink is a plain writer, opened again and again. Unlike a connection it has
// one stream for all its life, so a line that was cut must be completed in it.
type writerSink struct {
	w    io.Writer
	rest []byte // of the line that was cut
}

func (s *writerSink) open(context.Context) (sink, error) {
	if len(s.rest) > 0 {
		n, err := s.w.Write(s.rest)
		s.rest = s.rest[n:]
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// write counts a line that was cut as taken: open completes it.
func (s *writerSink) write(bufs net.Buffers) (int64, error) {
	var taken int64
	for _, b := range bufs {
		n, err := s.w.Write(b)
		taken += int64(n)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			if n > 0 && n < len(b) && b[n-1] != '\n' {
				s.rest = bytes.Clone(b[n:][:lineLen(b[n:])])
				taken += int64(len(s.rest))
			}
			return taken, err
		}
	}
	return taken, nil
}

func (s *writerSink) gone() <-chan struct{} { return nil }

func (s *writerSink) close() {}
