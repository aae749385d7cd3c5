package upstream

import (
	"bytes"
	"context"
	"io"
	"net"
)

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

func (s *writerSink) write(bufs net.Buffers) (progress, error) {
	n, err := s.send(bufs)
	return progress{taken: n, wire: n}, err
}

// send counts a line that was cut as taken: open completes it.
func (s *writerSink) send(bufs net.Buffers) (int64, error) {
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
