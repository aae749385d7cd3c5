package plaintext

import (
	"bytes"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// slow reads any line, buf[start:nl], by carbon's rules.
func (s *Scanner) slow(buf []byte, start, nl int, p *Point) bool {
	line := buf[start:nl]
	reason := s.parse(line, p)
	if reason == NumReasons {
		p.Start += uint32(start)
		p.NameEnd += uint32(start)
		p.End = uint32(nl + 1)
		return true
	}
	s.refuse(reason, line)
	return false
}

func (s *Scanner) refuse(r Reason, line []byte) {
	s.Refused[r]++
	if s.OnRefuse != nil {
		s.OnRefuse(r, line)
	}
}

// RefuseLong counts a line that was skipped because its newline did not come
// within MaxLine bytes; start is what is left of it.
func (s *Scanner) RefuseLong(start []byte) { s.refuse(LineTooLong, start) }

// parse fills p with offsets relative to line, or says why it cannot.
// NumReasons means accepted.
func (s *Scanner) parse(line []byte, p *Point) Reason {
	if len(line) > s.MaxLine {
		return LineTooLong
	}
	if !utf8.Valid(line) {
		return BadUTF8
	}
	var at [3][2]int
	n, i := 0, 0
	for {
		for i < len(line) {
			size, ok := space(line[i:])
			if !ok {
				break
			}
			i += size
		}
		if i == len(line) {
			break
		}
		from := i
		for i < len(line) {
			size, ok := space(line[i:])
			if ok {
				break
			}
			i += size
		}
		if n == 3 {
			return BadFields
		}
		at[n] = [2]int{from, i}
		n++
	}
	if n == 0 {
		return Blank
	}
	if n != 3 {
		return BadFields
	}
	valueText, timeText := line[at[1][0]:at[1][1]], line[at[2][0]:at[2][1]]
	v, ok := ParseFloat(valueText)
	if !ok {
		return BadValue
	}
	if math.IsNaN(v) {
		return NaNValue
	}
	t, ok := ParseFloat(timeText)
	if !ok {
		return BadTimestamp
	}
	stamp, ok := Stamp(t, s.Now, s.Resolution)
	if !ok {
		return BadTimestamp
	}
	p.Value, p.Time = v, stamp
	p.Start, p.NameEnd = uint32(at[0][0]), uint32(at[0][1])
	p.Verbatim = stamp == t && s.Resolution == 0 && at[0][0] == 0 && at[2][1] == len(line) &&
		single(line[at[0][1]:at[1][0]]) && single(line[at[1][1]:at[2][0]]) &&
		plain(valueText) && plain(timeText)
	return NumReasons
}

func single(sep []byte) bool { return len(sep) == 1 && sep[0] == ' ' }

// plain says that every reader of Graphite lines understands the number as
// written: no underscores, no digits of other scripts.
func plain(number []byte) bool {
	for _, c := range number {
		if c == '_' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// space reports whether line begins with white space as Python's str.split sees
// it, and the length of its first character.
func space(line []byte) (int, bool) {
	c := line[0]
	if c < utf8.RuneSelf {
		return 1, c == ' ' || c >= '\t' && c <= '\r' || c >= 0x1c && c <= 0x1f
	}
	r, size := utf8.DecodeRune(line)
	return size, unicode.IsSpace(r)
}

// ParseFloat reads a number as Python's float() does: decimal with optional
// sign, exponent and single underscores between digits, any script's digits,
// "inf", "infinity" and "nan" in any case. Overflow gives an infinity. ok is
// false for everything else; hexadecimal is refused.
func ParseFloat(text []byte) (f float64, ok bool) {
	var scratch [64]byte
	ascii, ok := appendASCII(scratch[:0], text)
	if !ok || bytes.ContainsAny(ascii, "xXpP") {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(ascii), 64)
	if err != nil {
		// Out of range is no error to Python: the nearest is an infinity or zero.
		if e, is := err.(*strconv.NumError); !is || e.Err != strconv.ErrRange {
			return 0, false
		}
	}
	return f, true
}

// appendASCII appends text with its digits in ASCII and without the underscores
// that Python allows: one at a time, between two digits.
func appendASCII(dst, text []byte) ([]byte, bool) {
	prev := byte(0)
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(text[i:])
			d, ok := digitValue(r)
			if !ok {
				return nil, false
			}
			c = '0' + d
			i += size
		} else {
			i++
		}
		if prev == '_' && !isDigit(c) || c == '_' && !isDigit(prev) {
			return nil, false
		}
		if c != '_' {
			dst = append(dst, c)
		}
		prev = c
	}
	return dst, len(dst) > 0 && prev != '_'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// digitValue is the value of a decimal digit of any script. Unicode gives each
// script's ten digits ten consecutive code points beginning at a zero.
func digitValue(r rune) (byte, bool) {
	if !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	for _, rt := range unicode.Nd.R16 {
		if rune(rt.Lo) <= r && r <= rune(rt.Hi) {
			return byte((r - rune(rt.Lo)) % 10), true
		}
	}
	for _, rt := range unicode.Nd.R32 {
		if rune(rt.Lo) <= r && r <= rune(rt.Hi) {
			return byte((r - rune(rt.Lo)) % 10), true
		}
	}
	return 0, false
}
