package pyre

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The Unicode-aware classes of Python in RE2 syntax, as they stand inside a set.
const (
	classDigit    = `\p{Nd}`
	classNotDigit = `\P{Nd}`
	classWord     = `\p{L}\p{N}_`
	classSpace    = `\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}`
)

var (
	classNotWord  = complement(classWord)
	classNotSpace = complement(classSpace)

	// sharedClasses are the large sets that many programs hold; see shareClasses.
	sharedClasses = [][]rune{mustClass(classWord), mustClass(classNotWord), mustClass(classDigit), mustClass(classNotDigit)}
)

func mustClass(body string) []rune {
	re, err := syntax.Parse("["+body+"]", syntax.Perl)
	if err != nil {
		panic("pyre: BUG: class " + body + ": " + err.Error())
	}
	return re.Rune
}

// complement returns the body of the set of all characters that are not in body.
func complement(body string) string {
	var b strings.Builder
	for pair := range slices.Chunk(mustClass("^"+body), 2) {
		fmt.Fprintf(&b, `\x{%x}-\x{%x}`, pair[0], pair[1])
	}
	return b.String()
}

// class returns the body for the letter of \d and its kin, or "".
func (t *translator) class(r rune) string {
	switch r {
	case 'd':
		return classDigit
	case 'D':
		return classNotDigit
	case 'w':
		return classWord
	case 'W':
		t.width += utf8.MaxRune
		return classNotWord
	case 's':
		return classSpace
	case 'S':
		t.width += utf8.MaxRune
		return classNotSpace
	}
	return ""
}

// escape reads what follows a backslash outside a set.
func (t *translator) escape(at int) (itemKind, *Error) {
	r := t.peek()
	if body := t.class(r); body != "" {
		t.pos++
		t.out.WriteString("[" + body + "]")
		return itemAtom, nil
	}
	position := ""
	switch r {
	case 'A':
		position = `\A`
	case 'Z':
		position = `\z`
	case 'b', 'B':
		position = `\` + string(r)
	}
	if position != "" {
		t.pos++
		t.out.WriteString(position)
		return itemAt, nil
	}
	lit, err := t.escaped(at, false)
	if err != nil {
		return 0, err
	}
	t.literal(lit)
	return itemAtom, nil
}

// escaped reads what follows a backslash and stands for one character.
func (t *translator) escaped(at int, inSet bool) (rune, *Error) {
	r := t.peek()
	if r == -1 {
		return 0, t.fail(at, `backslash at the end of the pattern`)
	}
	t.pos++
	switch r {
	case 'a':
		return '\a', nil
	case 'b':
		return '\b', nil // only reached inside a set
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'v':
		return '\v', nil
	case 'x':
		return t.hex(at, 2)
	case 'u':
		return t.hex(at, 4)
	case 'U':
		return t.hex(at, 8)
	case 'N':
		return 0, t.fail(at, `\N{...} is not accepted; write the character itself`)
	}
	if r >= '0' && r <= '9' {
		return t.octal(at, r, inSet)
	}
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return 0, t.fail(at, `unknown escape \%c`, r)
	}
	return r, nil
}

func (t *translator) hex(at, n int) (rune, *Error) {
	end := min(t.pos+n, len(t.in.Runes))
	text := string(t.in.Runes[t.pos:end])
	v, err := strconv.ParseUint(text, 16, 32)
	if err != nil || len(text) != n {
		return 0, t.fail(at, `escape \%c: expected %d hexadecimal digits`, t.in.Runes[t.pos-1], n)
	}
	if v > utf8.MaxRune || !utf8.ValidRune(rune(v)) {
		return 0, t.fail(at, `escape \%c%s is no character`, t.in.Runes[t.pos-1], text)
	}
	t.pos = end
	return rune(v), nil
}

// octal reads an escape whose first digit is r. Outside a set one or two digits that are not octal name a group.
func (t *translator) octal(at int, r rune, inSet bool) (rune, *Error) {
	isOctal := func(r rune) bool { return r >= '0' && r <= '7' }
	v, n := r-'0', 1
	if isOctal(r) {
		for n < 3 && isOctal(t.peek()) {
			v = v*8 + t.peek() - '0'
			t.pos++
			n++
		}
	}
	if r != '0' && n < 3 && !inSet {
		return 0, t.fail(at, `back-reference \%c does not exist in RE2`, r)
	}
	if !isOctal(r) {
		return 0, t.fail(at, `unknown escape \%c`, r)
	}
	if v > 0o377 {
		return 0, t.fail(at, `octal escape \%o is above \377`, v)
	}
	return v, nil
}

// setItem is a member of a set: a class, or one character.
type setItem struct {
	class string
	r     rune
}

// set reads what follows a [.
func (t *translator) set(at int) *Error {
	t.out.WriteByte('[')
	if t.accept('^') {
		t.out.WriteByte('^')
	}
	for first := true; ; first = false {
		if !first && t.accept(']') {
			t.out.WriteByte(']')
			return nil
		}
		here := t.pos
		lo, err := t.setItem(at)
		if err != nil {
			return err
		}
		if t.peek() == '-' && t.pos+1 < len(t.in.Runes) && t.in.Runes[t.pos+1] != ']' {
			t.pos++
			hi, err := t.setItem(at)
			if err != nil {
				return err
			}
			if lo.class != "" || hi.class != "" || hi.r < lo.r {
				return t.fail(here, "bad range %s in a set", string(t.in.Runes[here:t.pos]))
			}
			fmt.Fprintf(&t.out, `\x{%x}-\x{%x}`, lo.r, hi.r)
			t.width += int(hi.r - lo.r)
			continue
		}
		if lo.class != "" {
			t.out.WriteString(lo.class)
		} else {
			fmt.Fprintf(&t.out, `\x{%x}`, lo.r)
		}
	}
}

func (t *translator) setItem(open int) (setItem, *Error) {
	at := t.pos
	r := t.peek()
	if r == -1 {
		return setItem{}, t.fail(open, "set [ is never closed")
	}
	t.pos++
	if r != '\\' {
		return setItem{r: r}, nil
	}
	if body := t.class(t.peek()); body != "" {
		t.pos++
		return setItem{class: body}, nil
	}
	r, err := t.escaped(at, true)
	return setItem{r: r}, err
}
