package upstream

import (
	"bytes"
	"sync"
	"sync/atomic"
)

// blockSize is the memory that lines are gathered in. It is also about what one
// system call writes, so that a block leaves in one go while it is still cached.
const blockSize = 256 << 10

// smallBatch is the length up to which a batch moves to a fresh block whole
// instead of being cut to fill the old one: counting its lines would cost more
// than the memory left over.
const smallBatch = blockSize / 16

// block is memory that lines are copied into once for all destinations. A range of
// it is written before the range is queued and never again until refs is zero.
type block struct {
	refs atomic.Int32
	buf  []byte
	home *sync.Pool // nil for a block of unusual size
}

func (b *block) retain() { b.refs.Add(1) }

func (b *block) release() {
	switch refs := b.refs.Add(-1); {
	case refs < 0:
		panic("upstream: BUG: block released too often")
	case refs == 0 && b.home != nil:
		b.home.Put(b)
	}
}

// arena hands out ranges of blocks, one behind the other.
type arena struct {
	shared *sync.Pool // of blocks; nil means own
	own    sync.Pool

	mu   sync.Mutex // guards the fields below
	cur  *block
	used int
}

// reserve returns a range for the first size bytes of lines: all of them, or as
// many whole lines as fit. The caller copies them, then releases the block once.
func (a *arena) reserve(lines []byte) (b *block, off, size int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cur != nil {
		size = fit(lines, blockSize-a.used)
		if size < len(lines) && len(lines) <= smallBatch {
			size = 0
		}
	}
	if size == 0 {
		if size = fit(lines, blockSize); size == 0 {
			size = lineLen(lines)
			b = &block{buf: make([]byte, size)}
			b.retain()
			return b, 0, size
		}
		a.next()
	}
	off = a.used
	a.used += size
	a.cur.retain()
	return a.cur, off, size
}

// next begins a fresh block; mu is held.
func (a *arena) next() {
	if a.cur != nil {
		a.cur.release()
	}
	pool := a.shared
	if pool == nil {
		pool = &a.own
	}
	b, ok := pool.Get().(*block)
	if !ok {
		b = &block{buf: make([]byte, blockSize), home: pool}
	}
	b.retain()
	a.cur, a.used = b, 0
}

// fit returns how many bytes of lines, in whole lines, fit into room bytes.
func fit(lines []byte, room int) int {
	if len(lines) <= room {
		return len(lines)
	}
	return bytes.LastIndexByte(lines[:room], '\n') + 1
}

// lineLen returns the length of the first line with its newline.
func lineLen(lines []byte) int {
	if i := bytes.IndexByte(lines, '\n'); i >= 0 {
		return i + 1
	}
	return len(lines)
}

// store copies lines, n in all, into ranges of a and calls each with them. The span
// is valid during the call unless its block is retained.
func (a *arena) store(lines []byte, n int, kind Kind, each func(span)) {
	for len(lines) > 0 {
		b, off, size := a.reserve(lines)
		s := span{block: b, off: off, end: off + size, lines: n, kind: kind}
		if size < len(lines) {
			s.lines = bytes.Count(lines[:size], newline)
		}
		// Nobody else sees the range before each does, so no lock is held for the
		// copy.
		copy(s.bytes(), lines)
		each(s)
		b.release()
		lines, n = lines[size:], n-s.lines
	}
}
