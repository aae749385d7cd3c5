package upstream

import "bytes"

// dropShare is the part of a queue's bounds, 1/dropShare, up to which a whole span
// is dropped where less would do: cutting a span means looking for its newlines.
const dropShare = 64

// keepSpans is the capacity that an emptied ring keeps.
const keepSpans = 4096

// span is a run of whole lines of one kind within a block.
type span struct {
	block    *block
	off, end int
	lines    int
	at       int64 // when it was written, in a history; else zero
	kind     Kind
	stays    bool // it was on the disk, and goes to no other destination
}

func (s *span) size() int     { return s.end - s.off }
func (s *span) bytes() []byte { return s.block.buf[s.off:s.end] }

// skip moves the start of s behind its first size bytes, which hold n lines.
func (s *span) skip(size, n int) {
	s.off += size
	s.lines -= n
}

// part returns the lines from byte from to byte to as a span with a reference of its
// own.
func (s *span) part(from, to int) span {
	p := *s
	p.off, p.end = s.off+from, s.off+to
	p.lines = bytes.Count(p.bytes(), newline)
	p.block.retain()
	return p
}

// taken returns how many whole lines, and bytes of them, the first size bytes hold.
func (s *span) taken(size int) (whole, n int) {
	head := s.bytes()[:size]
	whole = bytes.LastIndexByte(head, '\n') + 1
	return whole, bytes.Count(head[:whole], newline)
}

// atLeast returns the shortest run of first lines with at least n lines and size
// bytes.
func (s *span) atLeast(n, size int) (whole, lines int) {
	b := s.bytes()
	for whole < len(b) && (lines < n || whole < size) {
		whole += lineLen(b[whole:])
		lines++
	}
	return whole, lines
}

var newline = []byte{'\n'}

// queue is a FIFO of spans. Every span in it holds one reference to its block. It
// is not safe for concurrent use.
type queue struct {
	ring  []span // its length is zero or a power of two
	head  int
	spans int
	lines int
	bytes int
}

func (q *queue) at(i int) *span { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// push appends s and takes a reference of its own. A span that continues the last
// one joins it.
func (q *queue) push(s span) {
	q.lines += s.lines
	q.bytes += s.size()
	if q.spans > 0 {
		if t := q.at(q.spans - 1); t.block == s.block && t.end == s.off && t.kind == s.kind && t.at == s.at && t.stays == s.stays {
			t.end, t.lines = s.end, t.lines+s.lines
			return
		}
	}
	s.block.retain()
	q.grow()
	q.spans++
	*q.at(q.spans - 1) = s
}

// unpop puts s before the oldest span and takes over the caller's reference.
func (q *queue) unpop(s span) {
	q.lines += s.lines
	q.bytes += s.size()
	q.grow()
	q.head = (q.head - 1) & (len(q.ring) - 1)
	q.spans++
	*q.at(0) = s
}

// pop removes the oldest span; its reference goes to the caller.
func (q *queue) pop() span {
	s := *q.at(0)
	*q.at(0) = span{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.spans--
	q.lines -= s.lines
	q.bytes -= s.size()
	if q.spans == 0 && len(q.ring) > keepSpans {
		q.ring, q.head = nil, 0
	}
	return s
}

// cut removes the oldest lines, as many as have at most size bytes, but at least one,
// and are of one span. Their reference goes to the caller.
func (q *queue) cut(size int) span {
	s := q.at(0)
	if s.size() <= size {
		return q.pop()
	}
	whole := fit(s.bytes(), size)
	if whole == 0 {
		whole = lineLen(s.bytes())
	}
	if whole == s.size() {
		return q.pop()
	}
	head := s.part(0, whole)
	s.skip(whole, head.lines)
	q.lines -= head.lines
	q.bytes -= whole
	return head
}

// append moves all of other behind q.
func (q *queue) append(other *queue) {
	for other.spans > 0 {
		s := other.pop()
		q.push(s)
		s.block.release()
	}
}

// grow makes room for one more span.
func (q *queue) grow() {
	if q.spans < len(q.ring) {
		return
	}
	ring := make([]span, max(16, 2*len(q.ring)))
	n := copy(ring, q.ring[q.head:])
	copy(ring[n:], q.ring[:q.head])
	q.ring, q.head = ring, 0
}

// trim drops the oldest lines until the bounds hold, and returns how many.
func (q *queue) trim(maxLines, maxBytes int) (dropped int) {
	for q.lines > maxLines || q.bytes > maxBytes {
		n, size := max(q.lines-maxLines, 0), max(q.bytes-maxBytes, 0)
		s := q.at(0)
		small := s.lines <= maxLines/dropShare && s.size() <= maxBytes/dropShare
		if !small && n < s.lines && size < s.size() {
			if whole, lines := s.atLeast(n, size); whole < s.size() {
				s.skip(whole, lines)
				q.lines -= lines
				q.bytes -= whole
				dropped += lines
				continue
			}
		}
		gone := q.pop()
		gone.block.release()
		dropped += gone.lines
	}
	return dropped
}

// clear drops everything, and returns how many lines that were.
func (q *queue) clear() (dropped int) {
	for q.spans > 0 {
		s := q.pop()
		s.block.release()
		dropped += s.lines
	}
	return dropped
}
