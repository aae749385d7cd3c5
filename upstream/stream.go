package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// tlsPiece is the most that is written to TLS at once, one record: a write that ran
// into its deadline cannot be continued there, so that each piece has its own.
const tlsPiece = 16 << 10

// stream is a connection.
type stream struct {
	conn    net.Conn // over raw with TLS, else raw
	raw     net.Conn
	timeout time.Duration
	bufs    net.Buffers // here because its address escapes
	eof     chan struct{}
	reader  sync.WaitGroup
	forget  func() bool // life's end closes conn until this is called
}

// dialStream connects within ctx. The end of life closes the connection.
func dialStream(ctx, life context.Context, cfg *Config, to Destination) (*stream, error) {
	raw, err := cfg.Dial(ctx, to.network(), to.dialled())
	if err != nil {
		return nil, err
	}
	s := &stream{conn: raw, raw: raw, timeout: cfg.WriteTimeout, eof: make(chan struct{})}
	if to.usesTLS() {
		c, err := handshake(ctx, raw, to)
		if err != nil {
			raw.Close()
			return nil, err
		}
		s.conn = c
	}
	s.forget = context.AfterFunc(life, func() { raw.Close() })
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
			s.raw.Close()
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

func (s *stream) write(bufs net.Buffers) (progress, error) {
	n, err := s.send(bufs)
	return progress{taken: n, wire: n}, err
}

// send goes on after a timeout as long as some bytes were taken: the peer is slow,
// not dead, and a new connection would lose what its buffers hold.
func (s *stream) send(bufs net.Buffers) (int64, error) {
	select {
	case <-s.eof:
		return 0, errPeerClosed
	default:
	}
	if _, ok := s.conn.(*tls.Conn); ok {
		return s.sendPieces(bufs)
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

// sendPieces is send for TLS.
func (s *stream) sendPieces(bufs net.Buffers) (taken int64, err error) {
	for _, b := range bufs {
		for len(b) > 0 {
			if err := s.conn.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
				return taken, err
			}
			n, err := s.conn.Write(b[:min(len(b), tlsPiece)])
			taken += int64(n)
			if err != nil {
				return taken, err
			}
			b = b[n:]
		}
	}
	return taken, nil
}
