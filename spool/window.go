package spool

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"syscall"
)

const (
	windowBytes = 512 << 10 // read at once
	pageBytes   = 4 << 10   // given up at once where the disk cannot be read
	readTries   = 3         // before that
)

// state is what was found at a place of a segment.
type state uint8

const (
	intact  state = iota // a record
	broken               // a header whose payload is damaged
	gap                  // anything else, up to the next header
	skipped              // a seal that other bytes follow
)

// item is a stretch of a segment. Only one that is intact has a payload, which is
// valid until the next call of the window.
type item struct {
	state
	header        // zero for a gap
	end     int64 // offset of the next item
	payload []byte
}

// window reads one segment at a time through a buffer. It keeps no file open, which
// would keep the space of a segment that is dropped.
type window struct {
	files *layer
	seg   *segment
	base  int64 // offset of buf in seg
	buf   []byte
	fails int // to read, in a row
}

// next returns the item at off of seg, which is read as ending at limit.
func (w *window) next(seg *segment, off, limit int64) (it item, err error) {
	b, err := w.bytes(seg, off, headerSize, limit)
	if err != nil {
		return it, err
	}
	h, ok := parseHeader(b, seg.salt, off)
	if !ok {
		it.state = gap
		it.end, err = w.resync(seg, off+1, limit)
		return it, err
	}
	it.header = h
	it.end = off + headerSize + int64(h.length)
	if it.end > limit {
		it.state, it.end = broken, limit
		return it, nil
	}
	if it.payload, err = w.bytes(seg, off+headerSize, h.length, limit); err != nil {
		return it, err
	}
	switch {
	case crc32.Checksum(it.payload, crc) != h.sum:
		it.state, it.payload = broken, nil
	case h.kind == kindSeal:
		it.state, it.payload = skipped, nil
	}
	return it, nil
}

// resync returns the offset of the first header at off or behind it, or limit.
func (w *window) resync(seg *segment, off, limit int64) (int64, error) {
	for limit-off >= headerSize {
		if _, err := w.bytes(seg, off, headerSize, limit); err != nil {
			return 0, err
		}
		b := w.buf[off-w.base:] // what there is
		b = b[:min(int64(len(b)), limit-off)]
		i := bytes.Index(b, magic)
		switch {
		case i < 0:
			off += int64(max(len(b)-len(magic)+1, 1))
		case len(b)-i < headerSize && i > 0:
			off += int64(i) // and read on
		default:
			if _, ok := parseHeader(b[i:], seg.salt, off+int64(i)); ok {
				return off + int64(i), nil
			}
			off += int64(i) + 1
		}
	}
	return limit, nil
}

// bytes returns n bytes at off of seg, or as many as there are before limit.
func (w *window) bytes(seg *segment, off int64, n int, limit int64) ([]byte, error) {
	n = int(max(min(int64(n), limit-off), 0))
	if w.seg != seg {
		w.seg, w.base, w.buf, w.fails = seg, off, w.buf[:0], 0
	}
	if off < w.base || off+int64(n) > w.base+int64(len(w.buf)) {
		if err := w.fill(off, int(min(limit-off, int64(max(n, windowBytes))))); err != nil {
			return nil, err
		}
	}
	at := off - w.base
	return w.buf[at : at+int64(n)], nil
}

// fill moves the window to off and reads until it holds n bytes.
func (w *window) fill(off int64, n int) error {
	have := 0
	if end := w.base + int64(len(w.buf)); off >= w.base && off < end {
		have = copy(w.buf, w.buf[off-w.base:])
	}
	w.base, w.buf = off, w.buf[:have]
	if cap(w.buf) < n {
		w.buf = append(make([]byte, 0, n), w.buf...)
	}
	f, err := w.files.open(w.seg.path, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	rest := w.buf[have:n]
	got, err := f.ReadAt(rest, off+int64(have))
	switch {
	case errors.Is(err, io.EOF):
		clear(rest[got:]) // somebody has cut the file; zeros are no record
	case errors.Is(err, syscall.EIO) && w.fails+1 >= readTries:
		readPages(f, rest, off+int64(have))
	case err != nil:
		w.fails++
		return err
	}
	w.fails = 0
	w.buf = w.buf[:n]
	return nil
}

// readPages reads what can be read; the rest of dst is zeros.
func readPages(f file, dst []byte, off int64) {
	for len(dst) > 0 {
		n := min(len(dst), int(pageBytes-off%pageBytes))
		if _, err := f.ReadAt(dst[:n], off); err != nil {
			clear(dst[:n])
		}
		dst, off = dst[n:], off+int64(n)
	}
}
