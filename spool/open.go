package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Open opens the spool in dir, which it makes if need be (mode 0750), with the lines
// that an earlier run has left. Nobody else may have it open. A directory of another
// version of the format is refused.
func Open(dir string, opt Options) (*Spool, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Spool{dir: dir, opt: opt, next: 1, win: window{files: opt.files}}
	s.maxLine = int(min(maxPayload, opt.SegmentBytes-headerSize-sealSize))
	s.maxBatch = min(recordBytes, s.maxLine)
	if err := s.load(); err != nil {
		if s.position != nil {
			s.position.Close()
		}
		return nil, fmt.Errorf("opening spool: %w", err)
	}
	s.lock()
	defer s.unlock()
	s.win = window{files: opt.files}
	s.expire(opt.Now())
	s.trim(0)
	s.savePosition()
	return s, nil
}

// load reads the directory. Nobody else has s yet.
func (s *Spool) load() error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(s.dir, 0o750); err == nil {
			err = s.opt.files.syncDir(filepath.Dir(s.dir))
		}
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		seg, err := parseName(s.dir, e.Name())
		if err != nil {
			return err
		}
		if seg == nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		seg.disk = info.Size()
		s.segs = append(s.segs, seg)
	}
	slices.SortFunc(s.segs, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.salt, b.salt))
	})
	pos, err := s.loadPosition()
	if err != nil {
		return err
	}
	s.next = pos.seq + 1
	all := s.segs
	s.segs = nil
	for _, seg := range all {
		s.next = max(s.next, seg.seq+1)
		if seg.disk == 0 || seg.seq < pos.seq {
			s.unlink(seg)
			continue
		}
		at := position{}
		if seg.seq == pos.seq && seg.salt == pos.salt {
			at = pos
		}
		if err := s.loadSegment(seg, at); err != nil {
			return err
		}
	}
	return nil
}

// loadSegment adds seg, which was read up to at, or removes it if that is all.
func (s *Spool) loadSegment(seg *segment, at position) error {
	end := seg.disk - sealSize
	ok := end >= 0
	var sum seal
	if ok {
		var b []byte
		err := s.retry(func() (err error) {
			b, err = s.win.bytes(seg, end, sealSize, seg.disk)
			return err
		})
		if err != nil {
			return err
		}
		sum, ok = parseSeal(b, seg.salt, end)
	}
	if ok {
		seg.end = end
		seg.lines, seg.oldest, seg.newest = sum.lines, sum.oldest, sum.newest
		seg.left = max(seg.lines-at.passed, 0)
	} else if err := s.scan(seg, at); err != nil {
		return err
	}
	if at.off >= seg.end {
		s.unlink(seg)
		return nil
	}
	if len(s.segs) == 0 {
		s.pos = at.cursor
	}
	s.segs = append(s.segs, seg)
	s.stats.Bytes += seg.disk
	s.stats.Found += seg.left
	s.stats.Held += seg.left
	if ok {
		return nil
	}
	s.opt.Logger.Warn("spool was not closed in order", "segment", seg.path, "datapoints", seg.left)
	return s.reseal(seg)
}

// scan reads through a segment without seal. What is damaged is counted when it is
// read again.
func (s *Spool) scan(seg *segment, at position) error {
	seg.end = seg.disk
	for off := int64(0); off < seg.end; {
		var it item
		err := s.retry(func() (err error) {
			it, err = s.win.next(seg, off, seg.end)
			return err
		})
		if err != nil {
			return err
		}
		if it.state == intact || it.state == broken {
			if seg.lines == 0 {
				seg.oldest, seg.newest = it.time, it.time
			}
			seg.oldest, seg.newest = min(seg.oldest, it.time), max(seg.newest, it.time)
			seg.lines += int64(it.lines)
			switch {
			case off == at.off:
				seg.left += int64(it.lines - min(at.lines, it.lines))
			case off > at.off:
				seg.left += int64(it.lines)
			}
		}
		off = it.end
	}
	return nil
}

// reseal gives a scanned segment its seal, so that it need not be scanned again.
func (s *Spool) reseal(seg *segment) error {
	f, err := s.opt.files.open(seg.path, os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return err
	}
	s.lock()
	s.writeSeal(f, seg)
	s.unlock()
	return f.Close()
}

// retry calls f until it succeeds, as often as a window needs to give up a page.
func (s *Spool) retry(f func() error) (err error) {
	for range readTries {
		if err = f(); err == nil {
			return nil
		}
	}
	return err
}
