package ingest

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// A source is a connection or UDP socket that is being read.
type source struct {
	in   *Ingest
	conn interface {
		syscall.Conn
		SetDeadline(time.Time) error
		SetReadDeadline(time.Time) error
	}
	idle time.Duration // 0 means never idle
	// step reads and decodes until nothing is there (false) or nothing more
	// will come or be wanted (true). It never waits for bytes.
	step func(fd uintptr) bool

	raw     syscall.RawConn // from open on
	last    time.Time       // of the last bytes, where idle is set
	drained int             // bytes since Stop
}

// drainLimit is how many bytes Stop reads from one source: more than the socket
// buffers of both ends hold at the largest usual settings. A client that still
// sends then is sending anew.
const drainLimit = 64 << 20

// got notes n received bytes and reports whether to read on.
func (s *source) got(n int) bool {
	if s.idle > 0 {
		s.last = time.Now()
	}
	if s.in.aborted.Load() {
		return false
	}
	if s.in.stopping() {
		s.drained += n
	}
	return s.drained < drainLimit
}

// end is why a source is read no more.
type end int

const (
	endSaid    end = iota // step said so
	endStopped            // by Stop
	endIdle               // nothing came for too long
	endFailed             // waiting for bytes failed
)

// open makes s known to Stop.
func (s *source) open() (err error) {
	if s.raw, err = s.conn.SyscallConn(); err != nil {
		return err
	}
	s.in.addSource(s)
	s.last = time.Now()
	return nil
}

func (s *source) close() { s.in.removeSource(s) }

// pump waits for bytes and steps until an end.
func (s *source) pump() (end, error) {
	if err := s.open(); err != nil {
		return endFailed, err
	}
	defer s.close()
	return s.wait()
}

// wait is pump for a source that is open.
func (s *source) wait() (end, error) {
	for {
		// The deadline of Stop wins: either it is seen here, or Stop finds the
		// source and sets it later.
		if s.idle > 0 {
			s.conn.SetReadDeadline(s.last.Add(s.idle))
		}
		if s.in.stopping() {
			s.conn.SetReadDeadline(s.in.stopAt)
		}
		err := s.raw.Read(s.step)
		if err == nil {
			return endSaid, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return endFailed, err
		}
		// Bytes that came together with the deadline must not be lost.
		over := false
		if err := s.raw.Control(func(fd uintptr) { over = s.step(fd) }); err != nil {
			return endFailed, err
		}
		switch {
		case over:
			return endSaid, nil
		case s.in.aborted.Load(), s.in.stopping() && !time.Now().Before(s.in.stopAt):
			return endStopped, nil
		case s.idle > 0 && time.Since(s.last) >= s.idle:
			return endIdle, nil
		}
	}
}
