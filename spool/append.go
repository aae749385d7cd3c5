package spool

import (
	"bytes"
	"fmt"
	"math"
)

// Append puts lines, each with its newline, behind all others. The slice is the
// caller's again when Append returns. Kind, at most MaxKind, comes back with them.
//
// It returns how many lines were stored: with an error, those before it, and the
// rest of the lines is the caller's to count. A full disk or a failing one is such
// an error; the spool stays in order, and goes on when the disk does.
//
// The oldest segments are dropped where MaxBytes asks for it. About once every
// SegmentBytes it waits until the disk has taken them.
func (s *Spool) Append(lines []byte, kind uint8) (stored int, err error) {
	if kind > MaxKind {
		return 0, fmt.Errorf("spool: kind %d, expected at most %d", kind, MaxKind)
	}
	if n := len(lines); n > 0 && lines[n-1] != '\n' {
		return 0, fmt.Errorf("spool: lines end in %q, expected a newline", lines[max(n-40, 0):])
	}
	for len(lines) > 0 {
		n := fit(lines, s.maxBatch)
		if n > s.maxLine {
			return stored, fmt.Errorf("spool: line of %d bytes (%.40q…), expected at most %d", n, lines, s.maxLine)
		}
		count := bytes.Count(lines[:n], newline)
		if err := s.appendRecord(lines[:n], count, kind); err != nil {
			return stored, err
		}
		stored += count
		lines = lines[n:]
	}
	return stored, nil
}

// appendRecord appends one record.
func (s *Spool) appendRecord(payload []byte, lines int, kind uint8) error {
	s.lock()
	defer s.unlock()
	if s.closed {
		return ErrClosed
	}
	now := s.opt.Now()
	s.expire(now)
	if err := s.room(headerSize+int64(len(payload)), now); err != nil {
		s.stats.AppendErrors++
		return fmt.Errorf("spool %s: %w", s.dir, err)
	}
	seg := s.last()
	s.scratch = appendRecord(s.scratch[:0], payload, lines, kind, now, seg.salt, seg.end)
	if n, err := s.active.Write(s.scratch); err != nil {
		s.stats.AppendErrors++
		s.undo(seg, n)
		return fmt.Errorf("spool %s: %w", s.dir, err)
	}
	if seg.end == 0 {
		seg.oldest, seg.newest = now, now
	}
	seg.oldest, seg.newest = min(seg.oldest, now), max(seg.newest, now)
	seg.end += int64(len(s.scratch))
	s.grow(seg, int64(len(s.scratch)))
	seg.lines += int64(lines)
	seg.left += int64(lines)
	s.stats.Appended += int64(lines)
	s.stats.Held += int64(lines)
	return nil
}

// room has the segment being written take n more bytes, and a seal; mu is held.
func (s *Spool) room(n int64, now float64) error {
	if s.active != nil {
		seg := s.last()
		full := seg.end+n+sealSize > s.opt.SegmentBytes
		old := s.opt.MaxAge > 0 && now-seg.oldest > s.opt.MaxAge.Seconds()/minSegments
		if seg.end > 0 && (full || old) {
			s.seal()
		}
	}
	s.trim(n + sealSize)
	if s.active != nil {
		return nil
	}
	return s.create()
}

// trim drops the oldest segments until n more bytes are within the bound; mu is held.
func (s *Spool) trim(n int64) {
	for len(s.segs) > 0 && s.stats.Bytes+n > s.opt.MaxBytes {
		s.drop(Full)
	}
}

// undo removes the n bytes of a record that was not written whole; mu is held. When
// that fails too, the segment is not written any more, and what follows its end is
// not read.
func (s *Spool) undo(seg *segment, n int) {
	if err := s.active.Truncate(seg.end); err != nil {
		s.grow(seg, int64(n))
		s.active.Close()
		s.active = nil
		s.failed("partial record not removed", err)
	}
}

// oldestAllowed returns the earliest time that MaxAge allows at now.
func (s *Spool) oldestAllowed(now float64) float64 {
	if s.opt.MaxAge == 0 {
		return math.Inf(-1)
	}
	return now - s.opt.MaxAge.Seconds()
}

// Expire drops the segments that MaxAge is over for. Append and Peek do so too;
// Expire is for a spool that sees neither for long.
func (s *Spool) Expire() {
	s.lock()
	defer s.unlock()
	if !s.closed {
		s.expire(s.opt.Now())
	}
}
