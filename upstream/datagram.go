package upstream

import (
	"context"
	"net"
	"time"
)

const (
	// datagramBytes is the most that lines are gathered to for one datagram: what
	// passes an Ethernet undivided, with room for a tunnel.
	datagramBytes = 1400
	// maxDatagram is the longest line that can be sent, in a datagram of its own.
	maxDatagram = 65507
)

// datagrams sends lines over UDP.
type datagrams struct {
	conn    net.Conn
	timeout time.Duration
	forget  func() bool
}

func dialDatagrams(ctx, life context.Context, cfg *Config, to Destination) (sink, error) {
	conn, err := cfg.Dial(ctx, to.network(), to.dialled())
	if err != nil {
		return nil, err
	}
	s := &datagrams{conn: conn, timeout: cfg.WriteTimeout}
	s.forget = context.AfterFunc(life, func() { conn.Close() })
	return s, nil
}

// write sends each buffer in datagrams of whole lines. A datagram is taken whole or
// not at all.
func (s *datagrams) write(bufs net.Buffers) (p progress, err error) {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return p, err
	}
	for _, b := range bufs {
		for len(b) > 0 {
			n := fit(b, datagramBytes)
			if n == 0 {
				n = lineLen(b)
			}
			if n > maxDatagram {
				p.lost++
			} else if _, err := s.conn.Write(b[:n]); err != nil {
				return p, err
			} else {
				p.wire += int64(n)
			}
			p.taken += int64(n)
			b = b[n:]
		}
	}
	return p, nil
}

func (s *datagrams) gone() <-chan struct{} { return nil }

func (s *datagrams) close() {
	s.forget()
	s.conn.Close()
}
