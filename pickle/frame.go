package pickle

import (
	"encoding/binary"
	"fmt"
)

// HeaderSize is the length of a frame's header in bytes.
const HeaderSize = 4

// ParseHeader returns the length of the payload that follows a frame's header,
// of which there must be HeaderSize bytes. It refuses a length above maxFrame
// and tells by the bytes when a client speaks something else. The error is an
// *Error with FrameTooLong or NotAFrame.
func ParseHeader(header []byte, maxFrame int) (length int, err error) {
	h := header[:HeaderSize]
	n := binary.BigEndian.Uint32(h)
	switch {
	case printable(h): // 512 MiB at least if it were a length
		return 0, &Error{Reason: NotAFrame, text: fmt.Sprintf(
			"%q is the beginning of plain text, not of a frame; accepted are a length of 4 bytes and so many bytes", h)}
	case h[0] == 0x16 && h[1] == 3: // 353 MiB
		return 0, &Error{Reason: NotAFrame, text: fmt.Sprintf(
			"%q is the beginning of TLS, which this listener does not speak", h)}
	case uint64(n) > uint64(maxFrame):
		return 0, &Error{Reason: FrameTooLong, text: fmt.Sprintf(
			"a frame of %d bytes (header %q) is too long, accepted are %d", n, h, maxFrame)}
	}
	return int(n), nil
}

func printable(b []byte) bool {
	for _, c := range b {
		if (c < ' ' || c > '~') && (c < '\t' || c > '\r') {
			return false
		}
	}
	// Four such bytes might be a length only if they began with white space.
	return b[0] >= ' '
}

// A Splitter finds the frames of a stream. carbon's pickle and protobuf share
// this framing. It copies only what lies in several reads, at most twice as
// much memory as has come, whatever a header claims.
type Splitter struct {
	// MaxFrame is the longest payload accepted, in bytes.
	MaxFrame int

	tail  []byte // the frame that has begun, its header included
	given bool   // tail has been handed out
}

// Next returns the payload of the next frame in data, the bytes just read, and
// the bytes behind it, to be passed to the next call. ok is false when no frame
// is complete: the rest is kept then. The payload is valid until the next call
// and while data is. After an error, an *Error, nothing can be found in the
// stream any more and the connection is to be closed: frames before it have
// been returned.
func (s *Splitter) Next(data []byte) (payload, rest []byte, ok bool, err error) {
	if s.given {
		s.Reset()
	}
	for len(s.tail) > 0 { // at most twice: header, payload
		want := HeaderSize
		if len(s.tail) >= HeaderSize {
			n, err := ParseHeader(s.tail, s.MaxFrame)
			if err != nil {
				return nil, nil, false, err
			}
			want += n
		}
		n := min(want-len(s.tail), len(data))
		s.tail, data = append(s.tail, data[:n]...), data[n:]
		if len(s.tail) < want {
			return nil, nil, false, nil
		}
		if want > HeaderSize || binary.BigEndian.Uint32(s.tail) == 0 {
			s.given = true
			return s.tail[HeaderSize:], data, true, nil
		}
	}
	if len(data) >= HeaderSize {
		n, err := ParseHeader(data, s.MaxFrame)
		if err != nil {
			return nil, nil, false, err
		}
		if end := HeaderSize + n; end <= len(data) {
			return data[HeaderSize:end:end], data[end:], true, nil
		}
	}
	s.tail = append(s.tail, data...)
	return nil, nil, false, nil
}

// Pending returns how many bytes of an unfinished frame are kept.
func (s *Splitter) Pending() int {
	if s.given {
		return 0
	}
	return len(s.tail)
}

// spareTail is how much memory is kept between frames.
const spareTail = 1 << 10

// Reset drops what is kept.
func (s *Splitter) Reset() {
	s.tail = shrink(s.tail, spareTail)
	s.given = false
}
