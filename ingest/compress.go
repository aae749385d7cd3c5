package ingest

import (
	"bufio"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// zstdWindow is how far back a zstd stream may refer: what its format asks every
// decoder to bear.
const zstdWindow = 8 << 20

// snappyBlock is how large the blocks of the framing format may be. Those of S2,
// which extends it, are larger.
const snappyBlock = 64 << 10

// decompressor returns a reader of what r's bytes stand for. It hands out what
// it has before it waits for more, returns io.EOF only where the stream may end,
// and takes its memory when the first bytes come.
func decompressor(compression string, r io.Reader) io.Reader {
	switch compression {
	case Gzip:
		return &gunzip{in: bufio.NewReader(r)}
	case Zstd:
		return &lazy{in: bufio.NewReader(r), open: openZstd}
	case Snappy:
		return &lazy{in: bufio.NewReader(r), open: openSnappy}
	}
	return r
}

// lazy opens a decompressor once there is something to read.
type lazy struct {
	in   *bufio.Reader
	open func(in io.Reader) (io.Reader, error)
	out  io.Reader
}

func (l *lazy) Read(b []byte) (int, error) {
	if l.out == nil {
		if _, err := l.in.Peek(1); err != nil {
			return 0, err
		}
		var err error
		if l.out, err = l.open(l.in); err != nil {
			return 0, err
		}
	}
	return l.out.Read(b)
}

func openZstd(in io.Reader) (io.Reader, error) {
	return zstd.NewReader(in,
		zstd.WithDecoderConcurrency(1), // in the caller's goroutine, nothing to be closed
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(zstdWindow))
}

func openSnappy(in io.Reader) (io.Reader, error) {
	return s2.NewReader(in, s2.ReaderMaxBlockSize(snappyBlock)), nil
}

// gunzip reads gzip members one by one. Left to itself, gzip.Reader keeps a
// member's last bytes until the next member begins.
type gunzip struct {
	in     *bufio.Reader
	out    *gzip.Reader
	inside bool // a member
}

func (g *gunzip) Read(b []byte) (int, error) {
	for {
		if !g.inside {
			if err := g.next(); err != nil {
				return 0, err
			}
		}
		n, err := g.out.Read(b)
		if err == io.EOF {
			g.inside, err = false, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next begins the next member.
func (g *gunzip) next() (err error) {
	if _, err = g.in.Peek(1); err != nil {
		return err
	}
	if g.out == nil {
		g.out, err = gzip.NewReader(g.in)
	} else {
		err = g.out.Reset(g.in)
	}
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	g.out.Multistream(false)
	g.inside = true
	return nil
}
