package pyre

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// ErrTooLong is that a text grew beyond the limit while its matches were replaced.
var ErrTooLong = errors.New("the text grows beyond its limit")

// Replacement is what the matches of a pattern turn into, as in Python's re.sub. It is immutable.
type Replacement struct {
	pattern *Pattern
	parts   []part
}

// part is a group, or, where group is negative, text.
type part struct {
	text  string
	group int
}

// Replacement reads the replacement text of Python's re.sub: \1, \g<1>, \g<name> and \g<0> insert groups, \n and its
// kin and octal escapes are characters, and everything else stands for itself. An escape or group that is not known
// is an error here; Python throws when the pattern is used.
func (p *Pattern) Replacement(in Source) (*Replacement, *Error) {
	t := &templateReader{cursor{in: in}, &Replacement{pattern: p}}
	for t.pos < len(in.Runes) {
		at := t.pos
		t.pos++
		if in.Runes[at] != '\\' {
			t.text(string(in.Runes[at]))
			continue
		}
		if err := t.escape(at); err != nil {
			return nil, err
		}
	}
	return t.to, nil
}

// templateReader reads a replacement.
type templateReader struct {
	cursor
	to *Replacement
}

func (t *templateReader) text(s string) {
	parts := t.to.parts
	if n := len(parts); n > 0 && parts[n-1].group < 0 {
		parts[n-1].text += s
		return
	}
	t.to.parts = append(parts, part{s, -1})
}

func (t *templateReader) group(at, n int) *Error {
	if n > t.to.pattern.groups {
		return t.fail(at, "no group %d: the pattern has %d", n, t.to.pattern.groups)
	}
	t.to.parts = append(t.to.parts, part{group: n})
	return nil
}

// escape reads what follows the backslash at at.
func (t *templateReader) escape(at int) *Error {
	r := t.peek()
	if r == -1 {
		return t.fail(at, `backslash at the end of the replacement; \\ is a backslash`)
	}
	t.pos++
	switch {
	case r == 'g':
		return t.reference(at)
	case r >= '0' && r <= '9':
		return t.digits(at, r)
	case strings.ContainsRune(`abfnrtv\`, r):
		i := strings.IndexRune(`abfnrtv\`, r)
		t.text("\a\b\f\n\r\t\v\\"[i : i+1])
	case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
		return t.fail(at, `unknown escape \%c in the replacement; \\ is a backslash`, r)
	default: // the backslash stays
		t.text(`\` + string(r))
	}
	return nil
}

// digits reads a group of one or two digits, or an octal escape: \0 and up to two octal digits, or three of them.
func (t *templateReader) digits(at int, r rune) *Error {
	isOctal := func(r rune) bool { return r >= '0' && r <= '7' }
	isDigit := func(r rune) bool { return r >= '0' && r <= '9' }
	start := t.pos - 1
	if r == '0' {
		for t.pos < start+3 && isOctal(t.peek()) {
			t.pos++
		}
		return t.octal(at, start)
	}
	if isDigit(t.peek()) {
		t.pos++
		if isOctal(r) && isOctal(t.in.Runes[start+1]) && isOctal(t.peek()) {
			t.pos++
			return t.octal(at, start)
		}
	}
	n, _ := strconv.Atoi(string(t.in.Runes[start:t.pos]))
	return t.group(at, n)
}

func (t *templateReader) octal(at, start int) *Error {
	text := string(t.in.Runes[start:t.pos])
	n, err := strconv.ParseUint(text, 8, 8)
	if err != nil {
		return t.fail(at, `octal escape \%s is above \377`, text)
	}
	t.text(string(rune(n)))
	return nil
}

// reference reads <name> or <number> of \g<name>.
func (t *templateReader) reference(at int) *Error {
	if !t.accept('<') {
		return t.fail(at, `\g needs a group: expected \g<1> or \g<name>`)
	}
	start := t.pos
	for t.peek() != -1 && t.peek() != '>' {
		t.pos++
	}
	name := string(t.in.Runes[start:t.pos])
	if !t.accept('>') {
		return t.fail(at, `\g<%s is never closed`, name)
	}
	if isIdentifier(name) {
		n, ok := t.to.pattern.names[name]
		if !ok {
			return t.fail(at, "no group named %q in the pattern", name)
		}
		return t.group(at, n)
	}
	n, err := strconv.ParseUint(name, 10, 31)
	if err != nil {
		return t.fail(at, `group %q: expected a number or a name, as in \g<1> or \g<name>`, name)
	}
	return t.group(at, int(n))
}

// Append appends text with every match replaced to dst and reports whether there was one; without a match it appends
// nothing. More than limit bytes are ErrTooLong, and dst then comes back as it was. Matches are found as by Python's
// re.sub: from left to right, and an empty one also where a match that was not empty ended.
func (r *Replacement) Append(dst []byte, m *Machine, text []byte, limit int) (out []byte, found bool, err error) {
	p := r.pattern
	if !bytes.Contains(text, p.need) {
		return dst, false, nil
	}
	s := span{hi: len(text)}
	if !p.plain {
		p.begin(m, s)
	}
	out = dst
	done, from := 0, 0
	for p.next(m, text, from, s) {
		lo, hi := m.caps[0], m.caps[1]
		if out = r.expand(append(out, text[done:lo]...), m, text, len(dst)+limit); len(out)-len(dst) > limit {
			return dst, true, ErrTooLong
		}
		done, from, found = hi, hi, true
		s.least = hi
		if lo == hi { // not the same again
			s.least++
		}
		if !p.plain {
			m.again(hi, p, s)
		}
	}
	if !found {
		return dst, false, nil
	}
	if out = append(out, text[done:]...); len(out)-len(dst) > limit {
		return dst, true, ErrTooLong
	}
	return out, true, nil
}

func (p *Pattern) next(m *Machine, text []byte, from int, s span) bool {
	if p.plain {
		return p.searchPlain(m, text, from)
	}
	return p.search(m, text, from, s)
}

// again makes m ready for the next search, which begins at pos, where the last match ended. States behind pos that were
// tried have failed for good. Those at pos may be part of that match, so they are tried again.
func (m *Machine) again(pos int, p *Pattern, s span) {
	width := s.hi - s.lo + 1
	for pc := range p.prog.prog.Inst {
		bit := uint(pc*width + pos - s.lo)
		m.visited[bit/64] &^= 1 << (bit % 64)
	}
	m.forget(2 * (p.groups + 1))
}

// expand appends the replacement of the last match, and stops early beyond end bytes.
func (r *Replacement) expand(dst []byte, m *Machine, text []byte, end int) []byte {
	for _, part := range r.parts {
		if len(dst) > end {
			break
		}
		if part.group < 0 {
			dst = append(dst, part.text...)
		} else if lo, hi := m.Group(part.group); lo >= 0 {
			dst = append(dst, text[lo:hi]...)
		}
	}
	return dst
}
