package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
)

// Batch is a run of whole lines of one kind.
type Batch struct {
	// Lines is valid, and not to be modified, until the next call of Peek, Ack or
	// Close.
	Lines []byte
	// N is the number of lines.
	N int
	// Kind is what Append was given.
	Kind uint8
	// Time is when the first of the lines was appended, in Unix seconds.
	Time float64
}

// cursor is a place in a segment: a record, of whose payload the first skip bytes,
// with lines lines, are done with.
type cursor struct {
	off         int64
	skip, lines int
}

// part is what a batch holds of one record.
type part struct {
	at    cursor
	size  int // bytes
	lines int
	next  cursor // behind the part
}

// flight is a batch returned by Peek that is not acknowledged.
type flight struct {
	seg   *segment // nil when there is none
	parts []part
	lines int64
	gone  bool   // seg has been dropped meanwhile
	why   Reason // then
}

// haul is what was read at the front.
type haul struct {
	start   cursor // behind what is lost
	aged    int64  // lines
	damaged int64  // lines, where known
	spots   int64  // damaged stretches
	bytes   int64  // of them
	first   header
	parts   []part
}

// Peek returns the oldest lines: as many as have at most max bytes, are of one kind
// and one segment, and follow one another undamaged, but at least one. It returns
// false when there are none. They stay in the spool until Ack. Peek without Ack
// returns them again.
//
// Lines that are too old or damaged are dropped and counted. An error is one of
// reading; the next call tries again, and a stretch that the disk refuses three
// times in a row counts as damaged.
func (s *Spool) Peek(max int) (b Batch, ok bool, err error) {
	s.read.Lock()
	defer s.read.Unlock()
	for {
		seg, at, limit, oldest, err := s.front()
		if err != nil || seg == nil {
			return b, false, err
		}
		h, err := s.gather(seg, at, limit, oldest, max)
		if err != nil {
			if s.lost(seg, err) {
				continue
			}
			return b, false, fmt.Errorf("reading spool %s: %w", s.dir, err)
		}
		if n, ok := s.adopt(seg, h); ok {
			return Batch{Lines: s.buf, N: n, Kind: h.first.kind, Time: h.first.time}, true, nil
		}
	}
}

// front ends the flight of the last batch, and returns what there is to read: the
// records from at to limit. It returns no segment when there is nothing.
func (s *Spool) front() (seg *segment, at cursor, limit int64, oldest float64, err error) {
	s.lock()
	defer s.unlock()
	if s.closed {
		return nil, at, 0, 0, ErrClosed
	}
	s.settle(0)
	now := s.opt.Now()
	s.expire(now)
	for len(s.segs) > 0 && s.finish() {
	}
	if len(s.segs) == 0 || s.pos.off >= s.segs[0].end {
		s.win, s.buf, s.parts = window{files: s.opt.files}, nil, nil
		return nil, at, 0, 0, nil
	}
	return s.segs[0], s.pos, s.segs[0].end, s.oldestAllowed(now), nil
}

// gather reads the lines of a batch into buf. It does so without mu: the records
// before limit do not change, and adopt looks whether seg is still the first.
func (s *Spool) gather(seg *segment, at cursor, limit int64, oldest float64, max int) (h haul, err error) {
	s.buf = s.buf[:0]
	h.parts = s.parts[:0]
	defer func() { s.parts = h.parts }()
	for at.off < limit {
		it, err := s.win.next(seg, at.off, limit)
		if err != nil && len(h.parts) == 0 {
			return h, err
		}
		bad := it.state == gap || it.state == broken || at.skip > len(it.payload) || at.lines > it.lines
		useless := it.state != skipped && (bad || it.time < oldest)
		switch {
		case err != nil || useless && len(h.parts) > 0:
			return h, nil // they are for the next batch
		case it.state == skipped:
		case bad:
			h.spots++
			h.bytes += it.end - at.off
			h.damaged += int64(it.lines - min(at.lines, it.lines))
		case useless:
			h.aged += int64(it.lines - at.lines)
		default:
			if !s.take(&h, at, it, max) {
				return h, nil
			}
		}
		at = cursor{off: it.end}
		if len(h.parts) == 0 {
			h.start = at
		}
	}
	return h, nil
}

// take adds the record it to the batch, from at on. It returns false when the batch
// is complete.
func (s *Spool) take(h *haul, at cursor, it item, max int) (more bool) {
	p := it.payload[at.skip:]
	if len(h.parts) == 0 {
		h.start, h.first = at, it.header
		if n := fit(p, max); n < len(p) {
			lines := bytes.Count(p[:n], newline)
			next := cursor{at.off, at.skip + n, at.lines + lines}
			h.parts = append(h.parts, part{at, n, lines, next})
			s.buf = append(s.buf, p[:n]...)
			return false
		}
	} else if it.kind != h.first.kind || len(s.buf)+len(p) > max {
		return false
	}
	h.parts = append(h.parts, part{at, len(p), it.lines - at.lines, cursor{off: it.end}})
	s.buf = append(s.buf, p...)
	return true
}

// adopt enters into the books what gather has read. It returns the lines of the
// batch, and false when there is none.
func (s *Spool) adopt(seg *segment, h haul) (n int, ok bool) {
	s.lock()
	defer s.unlock()
	if len(s.segs) == 0 || s.segs[0] != seg {
		return 0, false // dropped meanwhile
	}
	s.stats.DamagedRecords += h.spots
	s.stats.DamagedBytes += h.bytes
	if h.spots > 0 {
		s.note(noteSpots, h.spots, "spool damaged", "segment", seg.path, "offset", s.pos.off, "bytes", h.bytes)
	}
	s.lose(seg, h.damaged, Damaged)
	s.lose(seg, h.aged, Age)
	if len(h.parts) == 0 {
		s.pos = h.start
		return 0, false
	}
	s.pos = h.start
	for _, p := range h.parts {
		n += p.lines
	}
	s.expect(seg, int64(n))
	s.out = flight{seg: seg, parts: h.parts, lines: int64(n)}
	s.stats.InFlight = int64(n)
	return n, true
}

// lost handles the failure to read seg. It returns true when there is something else
// to read: seg was dropped, or somebody has removed it.
func (s *Spool) lost(seg *segment, err error) bool {
	s.lock()
	defer s.unlock()
	if len(s.segs) == 0 || s.segs[0] != seg {
		return true
	}
	if !errors.Is(err, fs.ErrNotExist) {
		s.stats.ReadErrors++
		return false
	}
	s.stats.DamagedRecords++
	s.stats.DamagedBytes += seg.end - s.pos.off
	s.drop(Damaged)
	return true
}

// Ack ends the flight of the batch last returned by Peek, of which the destination
// took the first n bytes: the whole lines among them leave the spool, the others
// are returned by the next Peek. It returns how many left.
func (s *Spool) Ack(n int) (lines int) {
	s.read.Lock()
	defer s.read.Unlock()
	s.lock()
	defer s.unlock()
	if s.closed {
		return 0
	}
	return s.settle(n)
}

// settle is Ack; read and mu are held.
func (s *Spool) settle(n int) (lines int) {
	out := s.out
	if out.seg == nil {
		return 0
	}
	s.out = flight{}
	s.stats.InFlight = 0
	to, at := s.pos, 0
	for _, p := range out.parts {
		if n < p.size {
			whole := bytes.LastIndexByte(s.buf[at:at+max(n, 0)], '\n') + 1
			count := bytes.Count(s.buf[at:at+whole], newline)
			to = cursor{p.at.off, p.at.skip + whole, p.at.lines + count}
			lines += count
			break
		}
		lines += p.lines
		n -= p.size
		at += p.size
		to = p.next
	}
	s.stats.Acked += int64(lines)
	s.stats.Held -= int64(lines)
	if out.gone {
		out.seg.left = out.lines - int64(lines)
		s.lose(out.seg, out.seg.left, out.why)
		return lines
	}
	out.seg.left -= int64(lines)
	if to != s.pos {
		s.pos = to
		s.savePosition()
		s.finish()
	}
	return lines
}

// finish removes the first segment if it has been read to its end; mu is held.
func (s *Spool) finish() bool {
	seg := s.segs[0]
	if s.pos.off < seg.end {
		return false
	}
	s.lose(seg, seg.left, Damaged) // by damage that did not say how many lines it cost
	if s.active != nil && seg == s.last() && seg.end < drainedBytes {
		return false
	}
	s.remove(0)
	return true
}
