package plaintext

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unsafe"
)

// Scanner finds datapoints in a stream of lines. A Scanner belongs to one
// goroutine; its zero value is not ready, use NewScanner.
type Scanner struct {
	// Now replaces a timestamp of -1, in Unix seconds. NaN refuses such lines.
	Now float64
	// MaxLine is the longest line accepted, in bytes without its newline.
	MaxLine int
	// Resolution, where above 0, floors timestamps to its multiples (seconds).
	Resolution float64
	// OnRefuse, where set, is called for every refused line; line is only valid
	// during the call and has no newline.
	OnRefuse func(r Reason, line []byte)
	// Refused counts the refused lines by reason.
	Refused [NumReasons]uint64

	// The timestamp of the line before as two overlapping words ("1763811000\n"),
	// because neighbours mostly carry the same one.
	stampA, stampB uint64
	stamp          float64
}

// NewScanner returns a scanner for lines of up to maxLine bytes that refuses
// timestamp -1 until Now is set.
func NewScanner(maxLine int) *Scanner {
	// No text has all bits set, so that nothing equals the stamp before the first.
	return &Scanner{MaxLine: maxLine, Now: math.NaN(), stampA: math.MaxUint64, stampB: math.MaxUint64}
}

// Complete returns how many bytes at the start of buf are whole lines.
func Complete(buf []byte) int { return bytes.LastIndexByte(buf, '\n') + 1 }

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
	zeros = 0x3030303030303030 // "00000000"
	dots  = 0x2e2e2e2e2e2e2e2e
)

// stops marks in its high bits the first byte of w that cannot be part of a
// plain ASCII field: below 0x21 or above 0x7f. Marks behind the first may be wrong.
func stops(w uint64) uint64 { return ((w - 0x21*ones) | w) & highs }

var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// Scan fills b.Points from the whole lines in b.Buf[from:to] and returns where
// it stopped: to, or before it when the batch is full. b.Buf[to-1] must be a
// newline, and Pad bytes behind to must lie within b.Buf's capacity.
func (s *Scanner) Scan(b *Batch, from, to int) int {
	b.N = 0
	buf := b.Buf[:to+Pad] // panics here rather than reads astray
	i := from
	for i < to && b.N < BatchSize {
		p := &b.Points[b.N]
		next := s.fast(buf, i, p)
		if next == 0 || int(next)-i > s.MaxLine+1 {
			nl := i + bytes.IndexByte(buf[i:to], '\n')
			if nl < i {
				panic("BUG: Scan needs whole lines")
			}
			ok := s.slow(buf, i, nl, p)
			i = nl + 1
			if ok {
				b.N++
			}
			continue
		}
		b.N++
		i = next
	}
	return i
}

// fast reads the everyday line: printable ASCII name, one blank, a number in
// plain digits, one blank, ten digits of timestamp, newline. It returns the
// position behind the line, or 0 for every other line.
func (s *Scanner) fast(buf []byte, start int, p *Point) int {
	i := start
	var m uint64
	for {
		if m = stops(binary.LittleEndian.Uint64(buf[i:])); m != 0 {
			break
		}
		i += 8
	}
	i += bits.TrailingZeros64(m) >> 3
	if buf[i] != ' ' || i == start {
		return 0
	}
	nameEnd := i
	i++
	v, end := short(buf, i)
	if end == 0 {
		if v, end = long(buf, i); end == 0 {
			return 0
		}
	}
	i = end + 1
	a, z := binary.LittleEndian.Uint64(buf[i:]), binary.LittleEndian.Uint64(buf[i+3:])
	if (a != s.stampA || z != s.stampB) && !s.newStamp(a, z) {
		return 0
	}
	p.Value, p.Time = v, s.stamp
	p.Start, p.NameEnd, p.End = uint32(start), uint32(nameEnd), uint32(i+11)
	p.Verbatim = true
	return i + 11
}

// short reads a decimal of up to seven characters at buf[i:], ended by a blank,
// and returns where the blank is, or 0 where it is something else.
func short(buf []byte, i int) (v float64, end int) {
	neg := buf[i] == '-'
	if neg {
		i++
	}
	// Its length, the place of its dot, and its digits moved to the end of the
	// word so that the missing ones in front are zeros.
	w := binary.LittleEndian.Uint64(buf[i:])
	m := stops(w)
	if m == 0 {
		return 0, 0
	}
	length := bits.TrailingZeros64(m) >> 3
	x := w ^ dots
	dot := bits.TrailingZeros64((x-ones)&^x&highs) >> 3
	digits, frac := length, 0
	if dot < length {
		low := uint64(1)<<(8*dot) - 1
		w = w&low | w>>8&^low
		digits, frac = length-1, length-1-dot
	}
	d := (w ^ zeros) << (8 * (8 - digits))
	if buf[i+length] != ' ' || digits <= 0 || (d+0x76*ones|d)&highs != 0 {
		return 0, 0
	}
	v = float64(eight(d)) / pow10[frac]
	if neg {
		v = -v
	}
	return v, i + length
}

// long reads any other number in plain digits, with or without an exponent.
func long(buf []byte, i int) (v float64, end int) {
	for end = i; isDigit(buf[end]) || buf[end] == '.' || buf[end] == '-' || buf[end] == '+' || buf[end]|0x20 == 'e'; {
		end++
	}
	if buf[end] != ' ' || end == i {
		return 0, 0
	}
	v, err := strconv.ParseFloat(unsafe.String(&buf[i], end-i), 64)
	if err != nil {
		return 0, 0
	}
	return v, end
}

// newStamp takes in a timestamp of ten digits and a newline: a is its first
// eight bytes, z its last eight.
func (s *Scanner) newStamp(a, z uint64) bool {
	d, e := a^zeros, z^zeros
	tail := e >> 40 & 0xffff // digits nine and ten
	if (d+0x76*ones|d)&highs != 0 || (tail+0x7676|tail)&0x8080 != 0 || z>>56 != '\n' {
		return false
	}
	if s.Resolution > 0 {
		return false // floored timestamps are never passed on as received
	}
	s.stampA, s.stampB = a, z
	s.stamp = float64(eight(d)*100 + tail&0xff*10 + tail>>8)
	return true
}

// eight reads eight digits, the first in the lowest byte, each a number 0-9.
func eight(d uint64) uint64 {
	d = d * (10<<8 + 1) >> 8 & 0x00ff00ff00ff00ff
	d = d * (100<<16 + 1) >> 16 & 0x0000ffff0000ffff
	return d * (10000<<32 + 1) >> 32
}
