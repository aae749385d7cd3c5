package spool

// Scan calls each with all lines held, oldest first, some at a time, and leaves them
// where they are. The slice is valid during the call, and not to be modified. Damaged
// lines are left out, and not counted: Peek does that. Lines that are appended or
// dropped meanwhile may be left out as well. Like Peek, it ends the flight of a batch.
func (s *Spool) Scan(each func(lines []byte)) error {
	s.read.Lock()
	defer s.read.Unlock()
	s.lock()
	if s.closed {
		s.unlock()
		return ErrClosed
	}
	s.settle(0)
	at := s.pos
	segs := append([]*segment(nil), s.segs...)
	ends := make([]int64, len(segs))
	for i, seg := range segs {
		ends[i] = seg.end
	}
	s.unlock()
	defer func() { s.win, s.buf = window{files: s.opt.files}, nil }()
	for i, seg := range segs {
		if err := s.scanSegment(seg, at, ends[i], each); err != nil {
			return err
		}
		at = cursor{}
	}
	return nil
}

// scanSegment is Scan for the records of seg from at to limit.
func (s *Spool) scanSegment(seg *segment, at cursor, limit int64, each func([]byte)) error {
	for at.off < limit {
		var it item
		err := s.retry(func() (err error) {
			it, err = s.win.next(seg, at.off, limit)
			return err
		})
		if err != nil {
			return err
		}
		if it.state == intact && at.skip < len(it.payload) {
			each(it.payload[at.skip:])
		}
		at = cursor{off: it.end}
	}
	return nil
}
