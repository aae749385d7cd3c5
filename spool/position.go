package spool

import (
	"bytes"
	"hash/crc32"
	"os"
	"path/filepath"
)

const (
	positionName = "position"
	positionSize = 44
)

var positionMagic = []byte("CSQ1")

// position is a cursor as it is kept on the disk.
type position struct {
	seq  uint64
	salt uint32
	cursor
	passed int64 // lines of the segment that are done with
}

func appendPosition(dst []byte, p position) []byte {
	start := len(dst)
	dst = append(dst, positionMagic...)
	dst = le.AppendUint32(dst, p.salt)
	dst = le.AppendUint64(dst, p.seq)
	dst = le.AppendUint64(dst, uint64(p.off))
	dst = le.AppendUint32(dst, uint32(p.skip))
	dst = le.AppendUint32(dst, uint32(p.lines))
	dst = le.AppendUint64(dst, uint64(p.passed))
	return le.AppendUint32(dst, crc32.Checksum(dst[start:], crc))
}

func parsePosition(b []byte) (p position, ok bool) {
	if len(b) != positionSize || !bytes.HasPrefix(b, positionMagic) ||
		le.Uint32(b[positionSize-4:]) != crc32.Checksum(b[:positionSize-4], crc) {
		return p, false
	}
	p = position{
		salt:   le.Uint32(b[4:]),
		seq:    le.Uint64(b[8:]),
		cursor: cursor{int64(le.Uint64(b[16:])), int(le.Uint32(b[24:])), int(le.Uint32(b[28:]))},
		passed: int64(le.Uint64(b[32:])),
	}
	return p, p.off >= 0 && p.passed >= 0
}

// loadPosition opens the position file. It returns the zero position when there is
// none that can be used.
func (s *Spool) loadPosition() (p position, err error) {
	if s.position, err = s.opt.files.open(filepath.Join(s.dir, positionName), os.O_RDWR|os.O_CREATE); err != nil {
		return p, err
	}
	var b [positionSize]byte
	n, _ := s.position.ReadAt(b[:], 0)
	p, ok := parsePosition(b[:n])
	if !ok {
		return position{}, nil
	}
	return p, nil
}

// savePosition writes where the first segment has been read to; mu is held. Without
// a segment the old position does: its segment is gone.
func (s *Spool) savePosition() {
	if len(s.segs) == 0 {
		return
	}
	seg := s.segs[0]
	var b [positionSize]byte
	appendPosition(b[:0], position{seg.seq, seg.salt, s.pos, seg.lines - seg.left})
	if _, err := s.position.WriteAt(b[:], 0); err != nil {
		s.failed("position not saved", err)
	}
}
