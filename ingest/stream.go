package ingest

import (
	"io"
	"net"
	"syscall"
)

// A stream is one client's connection.
type stream struct {
	source
	listener *listener
	remote   net.Addr
	decoder  decoder
	eof      bool  // the client has ended the stream in an orderly way
	lost     bool  // nothing can be found in the stream any more
	err      error // of reading
}

// serve reads conn to its end and closes it.
func (l *listener) serve(conn net.Conn) {
	l.counts.opened.Add(1)
	defer l.counts.closed.Add(1)
	defer conn.Close()
	if tcp, ok := conn.(*net.TCPConn); ok && l.Socket != nil {
		tcp.SetKeepAliveConfig(keepAlive)
	}

	s := &stream{listener: l, remote: conn.RemoteAddr()}
	s.decoder = l.newDecoder(s)
	s.source = source{in: l.in, conn: conn.(streamConn), idle: l.IdleTimeout, step: s.read}
	if l.tls == nil && l.Compression == Uncompressed {
		s.over(s.pump())
	} else {
		s.over(s.pull(conn))
	}
}

// over counts how the stream ended.
func (s *stream) over(why end, err error) {
	c, log := &s.listener.counts, s.in.log
	switch {
	case s.lost:
		return
	case s.eof:
		w := s.in.workers.get()
		c.unfinished.Add(uint64(s.decoder.end(w)))
		s.in.workers.put(w)
		return
	}
	c.unfinished.Add(uint64(s.decoder.cut()))
	if why == endIdle {
		c.idleCloses.Add(1)
		log.Debug("closed an idle connection", "listener", s.listener.Name, "sender", s.sender(0), "idle", s.idle)
	}
	if s.err != nil {
		err = s.err
	}
	if err != nil {
		c.readErrors.Add(1)
		log.Debug("connection broke", "listener", s.listener.Name, "sender", s.sender(0), "err", err)
	}
}

// streamConn is what the stream connections of package net have in common.
type streamConn interface {
	net.Conn
	syscall.Conn
}

// read is the step of a stream. It takes a worker for each buffer anew, so that
// a client that never pauses leaves some to the others.
func (s *stream) read(fd uintptr) bool {
	for {
		w := s.in.workers.get()
		n, err := readNow(fd, w.room())
		if n > 0 {
			s.listener.counts.bytes.Add(uint64(n))
			s.lost = !s.decoder.feed(w, n)
		}
		s.in.workers.put(w)
		if s.lost {
			return true
		}
		switch err {
		case nil:
			if !s.got(n) {
				return true
			}
		case syscall.EAGAIN:
			return false
		case io.EOF:
			s.eof = true
			return true
		default:
			s.err = err
			return true
		}
	}
}

// readNow reads what a non-blocking descriptor has.
func readNow(fd uintptr, buf []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), buf)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

const unknownSender = "unknown" // gone before it was accepted

// sender returns the client's address.
func (s *stream) sender(int) string {
	if s.remote == nil {
		return unknownSender
	}
	if a := s.remote.String(); a != "" && a != "@" {
		return a
	}
	return s.remote.Network() // clients of unix sockets have no name
}
