package node

import (
	"bytes"
	"encoding/json"
	"io"
)

// maxDepth is how deep a message may nest; the messages there are nest to 5.
const maxDepth = 1000

// piece is what a framer finds.
type piece int

const (
	object piece = iota
	junk         // text that is no object, up to the next newline
	long         // the beginning of an object that is too long
	deep         // the beginning of an object that nests too deep
)

// framer cuts a stream into JSON objects, wherever their lines end.
//
// It follows the structure byte by byte, so that an object is found as soon as
// its last byte has come, and a broken one as soon as it breaks. Reading then
// goes on with the next line; where a line begins with what cannot follow the
// line before, that line is the next, so that a message cut short does not take
// the one after it along. No byte is read twice.
type framer struct {
	r     io.Reader
	max   int // bytes in an object
	chunk []byte
	in    []byte // the unread part of chunk
	err   error  // of r, once it has one

	obj   []byte // the object so far
	over  bool   // obj is longer than max, its rest is discarded
	state state
	after state  // follows a string
	stack []byte // the brackets that are open
	fresh bool   // nothing but space since the last newline
}

type state uint8

const (
	sTop  state = iota // between objects
	sSkip              // up to a newline
	sKeyOrEnd
	sKey
	sColon
	sValue
	sValueOrEnd
	sComma // or the end of what is open
	sString
	sEscape
	sScalar // of any letters: json.Valid is asked when the object is whole
)

const chunkSize = 32 << 10

func newFramer(r io.Reader, limit int) *framer {
	return &framer{r: r, max: limit, chunk: make([]byte, chunkSize), fresh: true}
}

// next returns the next piece. text belongs to the framer until the next call;
// of junk and what is too long or too deep it is the beginning. Where the stream
// ends err is that of the reader.
func (f *framer) next() (p piece, text []byte, err error) {
	if f.state == sTop || f.state == sSkip {
		f.release()
	}
	for {
		if len(f.in) == 0 {
			if f.err != nil {
				return f.end()
			}
			var n int
			n, f.err = f.r.Read(f.chunk)
			f.in = f.chunk[:n]
			continue
		}
		if p, text, ok := f.advance(); ok {
			return p, text, nil
		}
	}
}

// end returns an object cut short by the end as junk, then the error.
func (f *framer) end() (piece, []byte, error) {
	cut := f.state != sTop && f.state != sSkip && !f.over
	f.state = sTop
	if cut {
		return junk, f.obj, nil
	}
	return 0, nil, f.err
}

// release forgets the last object, and its memory when it was large.
func (f *framer) release() {
	f.obj, f.over = f.obj[:0], false
	if cap(f.obj) > 1<<20 {
		f.obj = nil
	}
}

// advance reads on in f.in until a piece ends, or f.in does.
func (f *framer) advance() (piece, []byte, bool) {
	start := 0 // of the object's part in f.in
	for i := 0; i < len(f.in); i++ {
		b := f.in[i]
		switch f.state {
		case sTop:
			switch {
			case space(b):
				f.newline(b)
			case b == '{':
				f.release()
				start = i
				f.stack = append(f.stack[:0], b)
				f.state, f.fresh = sKeyOrEnd, false
			default:
				f.state = sSkip
				text, _, _ := bytes.Cut(f.in[i:], []byte("\n"))
				return f.cut(i, junk, text)
			}
			continue
		case sSkip:
			if b == '\n' {
				f.state, f.fresh = sTop, true
			}
			continue
		}
		if !f.step(b) {
			return f.broken(start, i)
		}
		if len(f.stack) > maxDepth {
			f.keep(f.in[start : i+1])
			f.state = sSkip
			return f.cut(i+1, deep, f.obj)
		}
		if len(f.stack) == 0 {
			return f.whole(start, i+1)
		}
	}
	return f.partial(start)
}

// cut consumes n bytes of f.in and returns a piece.
func (f *framer) cut(n int, p piece, text []byte) (piece, []byte, bool) {
	f.in = f.in[n:]
	return p, text, true
}

// broken ends an object that f.in[i] cannot go on with.
func (f *framer) broken(start, i int) (piece, []byte, bool) {
	told := f.over
	f.keep(f.in[start:i])
	f.state = sSkip
	if f.fresh || f.in[i] == '\n' {
		f.state = sTop
	}
	f.in = f.in[i:]
	return junk, f.obj, !told
}

// whole ends an object whose last part is f.in[start:end].
func (f *framer) whole(start, end int) (piece, []byte, bool) {
	f.state = sTop
	told := f.over
	f.keep(f.in[start:end])
	switch {
	case told:
		f.in = f.in[end:]
		return 0, nil, false
	case f.over:
		return f.cut(end, long, f.obj)
	case !json.Valid(f.obj):
		f.state = sSkip
		return f.cut(end, junk, f.obj)
	}
	return f.cut(end, object, f.obj)
}

// partial consumes f.in, which ends within an object or between two.
func (f *framer) partial(start int) (piece, []byte, bool) {
	told := f.over
	if f.state != sTop && f.state != sSkip {
		f.keep(f.in[start:])
	}
	f.in = nil
	if f.over && !told {
		return long, f.obj, true
	}
	return 0, nil, false
}

// keep adds part to the object, or no more than there is room for.
func (f *framer) keep(part []byte) {
	if f.over {
		return
	}
	room := f.max - len(f.obj)
	f.over = len(part) > room
	f.obj = append(f.obj, part[:min(len(part), room)]...)
}

func (f *framer) newline(b byte) {
	if b == '\n' {
		f.fresh = true
	}
}

func space(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// step takes one byte of an object, and tells whether it may stand there.
func (f *framer) step(b byte) bool {
	switch f.state {
	case sString:
		switch {
		case b == '"':
			f.state = f.after
		case b == '\\':
			f.state = sEscape
		}
		return b >= ' '
	case sEscape:
		f.state = sString
		return b >= ' '
	case sScalar:
		if scalar(b) {
			return true
		}
		f.state = sComma
	}
	if space(b) {
		f.newline(b)
		return true
	}
	if !f.token(b) {
		return false
	}
	f.fresh = false
	return true
}

func scalar(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z' || b == '-' || b == '+' || b == '.'
}

// token takes the first byte of a token.
func (f *framer) token(b byte) bool {
	switch f.state {
	case sKey, sKeyOrEnd:
		if b == '"' {
			f.state, f.after = sString, sColon
			return true
		}
		return b == '}' && f.state == sKeyOrEnd && f.close(b)
	case sColon:
		f.state = sValue
		return b == ':'
	case sComma:
		if b == ',' {
			f.state = sValue
			if f.stack[len(f.stack)-1] == '{' {
				f.state = sKey
			}
			return true
		}
		return f.close(b)
	}
	switch { // a value is due
	case b == '"':
		f.state, f.after = sString, sComma
	case b == '{':
		f.stack = append(f.stack, b)
		f.state = sKeyOrEnd
	case b == '[':
		f.stack = append(f.stack, b)
		f.state = sValueOrEnd
	case scalar(b):
		f.state = sScalar
	default:
		return f.state == sValueOrEnd && b == ']' && f.close(b)
	}
	return true
}

// close takes the end of what was opened last.
func (f *framer) close(b byte) bool {
	open := f.stack[len(f.stack)-1]
	if open == '{' && b != '}' || open == '[' && b != ']' {
		return false
	}
	f.stack = f.stack[:len(f.stack)-1]
	f.state = sComma
	return true
}
