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
	eof      bool
	err      error // of reading
}

// serve reads conn to its end and closes it.
func (l *listener) serve(conn net.Conn) {
	l.counts.opened.Add(1)
	defer l.counts.closed.Add(1)
	defer conn.Close()

	s := &stream{listener: l, remote: conn.RemoteAddr()}
	s.decoder = &lines{listener: l, from: s}
	s.source = source{in: l.in, conn: conn.(streamConn), idle: l.IdleTimeout, step: s.read}
	why, err := s.pump()
	if s.eof {
		w := l.in.workers.get()
		s.decoder.end(w)
		l.in.workers.put(w)
		return
	}
	l.counts.unfinished.Add(uint64(s.decoder.cut()))
	if why == endIdle {
		l.counts.idleCloses.Add(1)
		l.in.log.Debug("closed an idle connection", "listener", l.Name, "sender", s.sender(0), "idle", l.IdleTimeout)
	}
	if s.err != nil {
		err = s.err
	}
	if err != nil {
		l.counts.readErrors.Add(1)
		l.in.log.Debug("connection broke", "listener", l.Name, "sender", s.sender(0), "error", err)
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
			s.decoder.feed(w, n)
		}
		s.in.workers.put(w)
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

// sender returns the client's address.
func (s *stream) sender(int) string {
	if s.remote == nil {
		return "unknown" // gone before it was accepted
	}
	if a := s.remote.String(); a != "" && a != "@" {
		return a
	}
	return s.remote.Network() // clients of unix sockets have no name
}
