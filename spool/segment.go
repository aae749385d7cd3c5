package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// formatVersion is that of segments; it ends their names.
const formatVersion = "1"

// segment is a file of records. The fields of the first group never change; the
// others are guarded by Spool.mu.
type segment struct {
	seq  uint64
	salt uint32
	path string

	end    int64 // of the records
	disk   int64 // bytes of the file
	lines  int64 // in all
	left   int64 // neither acknowledged nor dropped
	oldest float64
	newest float64
}

var segmentName = regexp.MustCompile(`^([0-9a-f]{16})-([0-9a-f]{8})\.spool([0-9]+)$`)

func newSegment(dir string, seq uint64, salt uint32) *segment {
	name := fmt.Sprintf("%016x-%08x.spool%s", seq, salt, formatVersion)
	return &segment{seq: seq, salt: salt, path: filepath.Join(dir, name)}
}

// parseName returns the segment that name is the name of; nil if it is no segment's.
func parseName(dir, name string) (*segment, error) {
	m := segmentName.FindStringSubmatch(name)
	if m == nil {
		return nil, nil
	}
	if m[3] != formatVersion {
		return nil, fmt.Errorf("spool %s holds segments of format %s (%s), this version of coalesce reads format %s: have the version that wrote them send them, or move the directory away",
			dir, m[3], name, formatVersion)
	}
	seq, _ := strconv.ParseUint(m[1], 16, 64)
	salt, _ := strconv.ParseUint(m[2], 16, 32)
	return &segment{seq: seq, salt: uint32(salt), path: filepath.Join(dir, name)}, nil
}

func (s *Spool) last() *segment { return s.segs[len(s.segs)-1] }

// create begins a segment; mu is held.
func (s *Spool) create() error {
	seg := newSegment(s.dir, s.next, rand.Uint32())
	f, err := s.opt.files.open(seg.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND)
	if err != nil {
		return err
	}
	s.next++
	s.active = f
	s.segs = append(s.segs, seg)
	return nil
}

// seal ends the segment being written; mu is held. Without room for the seal the
// segment stays without, and is read through if it is there at the next Open.
func (s *Spool) seal() {
	s.writeSeal(s.active, s.last())
	s.unsynced = append(s.unsynced, s.active)
	s.active = nil
}

// writeSeal appends the seal of seg to f; mu is held.
func (s *Spool) writeSeal(f file, seg *segment) {
	s.scratch = appendSeal(s.scratch[:0], seal{seg.lines, seg.oldest, seg.newest}, seg.salt, seg.end)
	n, err := f.Write(s.scratch)
	if err == nil {
		s.grow(seg, sealSize)
		return
	}
	if f.Truncate(seg.end) != nil {
		s.grow(seg, int64(n))
	}
	s.failed("segment not sealed", err)
}

// grow notes that the file of seg has n more bytes; mu is held.
func (s *Spool) grow(seg *segment, n int64) {
	seg.disk += n
	s.stats.Bytes += n
}

// drop removes the oldest segment for the given reason; mu is held. Lines of it that
// are in flight become dropped when they are not acknowledged.
func (s *Spool) drop(why Reason) {
	seg := s.segs[0]
	if s.out.seg == seg {
		s.out.gone, s.out.why = true, why
		seg.left -= s.out.lines
	}
	s.lose(seg, seg.left, why)
	s.remove(0)
}

// remove takes segment i out of the list and off the disk; mu is held.
func (s *Spool) remove(i int) {
	seg := s.segs[i]
	if s.active != nil && seg == s.last() {
		s.active.Close() // nothing in it is wanted
		s.active = nil
	}
	copy(s.segs[i:], s.segs[i+1:])
	s.segs[len(s.segs)-1] = nil
	s.segs = s.segs[:len(s.segs)-1]
	if i == 0 {
		s.pos = cursor{}
	}
	s.stats.Bytes -= seg.disk
	s.unlink(seg)
}

func (s *Spool) unlink(seg *segment) {
	if err := s.opt.files.remove(seg.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.failed("segment not removed", err)
	}
}

// expire drops the segments that are too old as a whole; mu is held.
func (s *Spool) expire(now float64) {
	limit := s.oldestAllowed(now)
	for len(s.segs) > 0 && s.segs[0].newest < limit {
		s.drop(Age)
	}
}
