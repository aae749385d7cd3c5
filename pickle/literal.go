package pickle

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// sized reads a text or bytes behind a length.
func (d *Decoder) sized(op byte, i int) int {
	f, k, width, n := d.frame, text, 0, uint64(0)
	switch op {
	case opShortBinString, opShortBinUnicode, opShortBinBytes:
		width = 1
	case opBinString, opBinUnicode, opBinBytes:
		width = 4
	default:
		width = 8
	}
	if len(f)-i < width {
		return d.short(i)
	}
	switch width {
	case 1:
		n = uint64(f[i])
	case 4:
		n = uint64(binary.LittleEndian.Uint32(f[i:]))
	default:
		n = binary.LittleEndian.Uint64(f[i:])
	}
	at := i + width
	if n > uint64(len(f)-at) {
		return d.short(i)
	}
	switch op {
	case opShortBinBytes, opBinBytes, opBinBytes8, opByteArray8:
		k = blob
	}
	return d.push(at+int(n), make1(k, at, int(n)))
}

// scalar reads a number of fixed size, a bool or None.
func (d *Decoder) scalar(op byte, i int) int {
	f := d.frame
	switch op {
	case opBinFloat:
		if len(f)-i >= 8 {
			return d.push(i+8, makeNumber(beFloat(f[i:])))
		}
	case opBinInt:
		if len(f)-i >= 4 {
			return d.push(i+4, makeNumber(float64(int32(le32(f[i:])))))
		}
	case opBinInt1:
		if i < len(f) {
			return d.push(i+1, makeNumber(float64(f[i])))
		}
	case opBinInt2:
		if len(f)-i >= 2 {
			return d.push(i+2, makeNumber(float64(binary.LittleEndian.Uint16(f[i:]))))
		}
	case opNewTrue:
		return d.push(i, makeNumber(1))
	case opNewFalse:
		return d.push(i, makeNumber(0))
	case opNone:
		return d.push(i, make1(none, 0, 0))
	}
	return d.short(i)
}

// long reads an integer in two's complement of any length, least significant
// byte first.
func (d *Decoder) long(op byte, i int) int {
	f, n, at := d.frame, 0, i
	switch {
	case op == opLong1 && i < len(f):
		n, at = int(f[i]), i+1
	case op == opLong4 && len(f)-i >= 4:
		n, at = int(int32(le32(f[i:]))), i+4
	default:
		return d.short(i)
	}
	if n < 0 || n > len(f)-at {
		return d.short(i)
	}
	return d.push(at+n, integer(f[at:at+n]))
}

func integer(b []byte) value {
	if len(b) == 0 {
		return makeNumber(0)
	}
	sign := byte(int8(b[len(b)-1]) >> 7) // 0 or 0xff
	for len(b) > 1 && b[len(b)-1] == sign {
		b = b[:len(b)-1]
	}
	if len(b) <= 7 { // with the sign, eight bytes hold it
		var w [8]byte
		for k := range w {
			w[k] = sign
		}
		copy(w[:], b)
		return makeNumber(float64(int64(binary.LittleEndian.Uint64(w[:]))))
	}
	if len(b) > 129 { // beyond the largest float64 by far
		return make1(broken, 0, 0)
	}
	be := make([]byte, len(b))
	for k, c := range b {
		be[len(b)-1-k] = c ^ sign
	}
	x := new(big.Int).SetBytes(be)
	if sign != 0 {
		x.Not(x)
	}
	v, _ := x.Float64()
	if math.IsInf(v, 0) {
		return make1(broken, 0, 0) // to Python an error
	}
	return makeNumber(v)
}

// readLine returns the text up to the next newline.
func (d *Decoder) readLine(i int) (line []byte, next int) {
	n := bytes.IndexByte(d.frame[i:], '\n')
	if n < 0 {
		return nil, d.short(i)
	}
	return d.frame[i : i+n], i + n + 1
}

// line reads a literal of protocol 0. One that cannot be read costs no more
// than the datapoint it belongs to, because the line's end is certain.
func (d *Decoder) line(op byte, i int) int {
	s, next := d.readLine(i)
	if next < 0 {
		return next
	}
	v := make1(broken, 0, 0)
	switch op {
	case opString:
		v = d.quoted(s, i)
	case opUnicode:
		v = d.rawUnicode(s, i)
	case opFloat:
		if x, ok := plaintext.ParseFloat(bytes.TrimSpace(s)); ok {
			v = makeNumber(x)
		}
	default:
		if op == opLong {
			s = bytes.TrimSuffix(s, []byte("L"))
		}
		v = decimal(s)
	}
	return d.push(next, v)
}

// decimal reads an integer in digits. I00 and I01 are bools, which count as such.
func decimal(s []byte) value {
	s = bytes.TrimSpace(s)
	digits := bytes.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || len(digits) == 0 || len(bytes.Trim(digits, "0123456789")) > 0 {
		return make1(broken, 0, 0)
	}
	v, err := strconv.ParseFloat(string(s), 64)
	if err != nil {
		return make1(broken, 0, 0)
	}
	return makeNumber(v + 0) // an integer has no negative zero
}

// quoted reads a str of Python 2 as its repr wrote it, line, which is at i.
func (d *Decoder) quoted(line []byte, i int) value {
	n := len(line)
	if n < 2 || line[0] != '\'' && line[0] != '"' || line[n-1] != line[0] {
		return make1(broken, 0, 0)
	}
	s := line[1 : n-1]
	if bytes.IndexByte(s, '\\') < 0 {
		return make1(text, i+1, len(s))
	}
	start := len(d.scratch)
	for k := 0; k < len(s); {
		c := s[k]
		k++
		if c != '\\' {
			d.scratch = append(d.scratch, c)
			continue
		}
		if k == len(s) {
			return make1(broken, 0, 0)
		}
		c = s[k]
		k++
		switch at := bytes.IndexByte([]byte(`\'"abfnrtv`), c); {
		case at >= 0:
			d.scratch = append(d.scratch, "\\'\"\a\b\f\n\r\t\v"[at])
		case c == 'x':
			x, ok := hex(s[k:], 2)
			if !ok {
				return make1(broken, 0, 0)
			}
			k += 2
			d.scratch = append(d.scratch, byte(x))
		case c >= '0' && c <= '7':
			x := c - '0'
			for end := k + 2; k < end && k < len(s) && s[k] >= '0' && s[k] <= '7'; k++ {
				x = x<<3 | (s[k] - '0')
			}
			d.scratch = append(d.scratch, x)
		default:
			d.scratch = append(d.scratch, '\\', c)
		}
	}
	return make1(text, len(d.frame)+start, len(d.scratch)-start)
}

// rawUnicode reads Latin-1 with escapes for all other characters, line, which
// is at i.
func (d *Decoder) rawUnicode(line []byte, i int) value {
	if bytes.IndexFunc(line, func(r rune) bool { return r == '\\' || r >= utf8.RuneSelf }) < 0 {
		return make1(text, i, len(line))
	}
	start := len(d.scratch)
	for k := 0; k < len(line); {
		c := line[k]
		k++
		if c != '\\' || k == len(line) {
			d.scratch = utf8.AppendRune(d.scratch, rune(c))
			continue
		}
		c = line[k]
		k++
		digits := 0
		switch c {
		case 'u':
			digits = 4
		case 'U':
			digits = 8
		default: // an escaped backslash, for one, escapes nothing
			d.scratch = utf8.AppendRune(append(d.scratch, '\\'), rune(c))
			continue
		}
		x, ok := hex(line[k:], digits)
		if !ok || x > utf8.MaxRune || !utf8.ValidRune(rune(x)) {
			return make1(broken, 0, 0)
		}
		k += digits
		d.scratch = utf8.AppendRune(d.scratch, rune(x))
	}
	return make1(text, len(d.frame)+start, len(d.scratch)-start)
}

// hex reads the number that s begins with.
func hex(s []byte, digits int) (uint64, bool) {
	if len(s) < digits {
		return 0, false
	}
	x, err := strconv.ParseUint(string(s[:digits]), 16, 64)
	return x, err == nil
}
