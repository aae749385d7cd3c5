package rules

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// source is a Python regular expression with the place in the rule's pattern that each character comes from.
type source struct {
	runes []rune
	cols  []int // column in the pattern, from 1
	end   int   // column just behind the pattern
}

func (s *source) add(col int, text string) {
	for _, r := range text {
		s.runes = append(s.runes, r)
		s.cols = append(s.cols, col)
	}
}

// copy appends pattern characters whose first stands at col.
func (s *source) copy(col int, text []rune) {
	for i, r := range text {
		s.runes = append(s.runes, r)
		s.cols = append(s.cols, col+i)
	}
}

// itemKind says what stands before a quantifier; Python decides by it whether the quantifier is legal.
type itemKind int

const (
	itemNone   itemKind = iota // nothing yet in this branch
	itemAt                     // a position: ^ $ \b
	itemRepeat                 // already repeated
	itemAtom
)

// translator reads one expression by the grammar of CPython 3.11's re module and writes the same language in RE2
// syntax. Metric names hold no line feed, so ^ $ . need no multi-line care.
type translator struct {
	in     source
	pos    int
	out    strings.Builder
	fields *fieldNames
	groups []int // groups[k] is the field captured by group k+1
	warn   func(col int, msg string)
	warned bool // of | outside a group
	folds  bool // some part ignores case
	width  int  // characters in the ranges of sets; under folds the RE2 parser looks at each
}

// fieldNames numbers the fields of one rule over all its pieces.
type fieldNames struct {
	names []string
}

func (f *fieldNames) index(name string) int {
	for i, n := range f.names {
		if n == name {
			return i
		}
	}
	return -1
}

// translate returns the RE2 text of in, and which field each of its groups captures.
func translate(in source, fields *fieldNames, warn func(int, string)) (string, []int, *Error) {
	t := &translator{in: in, fields: fields, warn: warn}
	if err := t.alternatives(0); err != nil {
		return "", nil, err
	}
	if t.pos < len(in.runes) {
		return "", nil, t.fail(t.pos, "this ) closes no group")
	}
	if t.folds && t.width > maxFold {
		return "", nil, t.fail(0, "too expensive: flag i with sets of more than %d characters", maxFold)
	}
	return t.out.String(), t.groups, nil
}

func (t *translator) fail(at int, format string, args ...any) *Error {
	return &Error{Part: PartPattern, Col: t.col(at), Msg: fmt.Sprintf(format, args...)}
}

func (t *translator) col(at int) int {
	if at < len(t.in.cols) {
		return t.in.cols[at]
	}
	return t.in.end
}

// peek returns the character at pos, or -1 at the end.
func (t *translator) peek() rune {
	if t.pos < len(t.in.runes) {
		return t.in.runes[t.pos]
	}
	return -1
}

func (t *translator) accept(r rune) bool {
	if t.peek() == r {
		t.pos++
		return true
	}
	return false
}

func (t *translator) alternatives(nested int) *Error {
	for first := true; ; first = false {
		if err := t.sequence(first && nested == 0); err != nil {
			return err
		}
		at := t.pos
		if !t.accept('|') {
			return nil
		}
		if nested == 0 && !t.warned {
			t.warned = true
			t.warn(t.col(at), "| outside a group ends the pattern there: its left side matches any name that begins so; write (a|b)")
		}
		t.out.WriteByte('|')
	}
}

// sequence reads up to |, ) or the end. Global flags are allowed while start is true and nothing has been read.
func (t *translator) sequence(start bool) *Error {
	last := itemNone
	for {
		at := t.pos
		r := t.peek()
		if r == -1 || r == '|' || r == ')' {
			return nil
		}
		t.pos++
		var err *Error
		switch r {
		case '\\':
			last, err = t.escape(at)
		case '[':
			last, err = itemAtom, t.set(at)
		case '(':
			last, err = t.group(at, last, start && last == itemNone)
		case '.':
			last = itemAtom
			t.out.WriteByte('.')
		case '^':
			last = itemAt
			t.out.WriteString(`\A`)
		case '$':
			last = itemAt
			t.out.WriteString(`\z`)
		case '*', '+', '?', '{':
			last, err = t.repeat(at, r, last)
		default:
			last = itemAtom
			t.literal(r)
		}
		if err != nil {
			return err
		}
	}
}

func (t *translator) literal(r rune) {
	t.out.WriteString(regexp.QuoteMeta(string(r)))
}

func (t *translator) repeat(at int, r rune, last itemKind) (itemKind, *Error) {
	text := string(r)
	if r == '{' {
		lo, hi, ok := t.braces()
		if !ok {
			t.literal('{')
			return itemAtom, nil
		}
		var err *Error
		if text, err = t.counts(at, lo, hi); err != nil {
			return 0, err
		}
	}
	switch last {
	case itemNone, itemAt:
		return 0, t.fail(at, "%s has nothing to repeat before it", text)
	case itemRepeat:
		return 0, t.fail(at, "%s follows another repetition", text)
	}
	t.out.WriteString(text)
	if t.peek() == '+' {
		return 0, t.fail(t.pos, "possessive repetition %s+ does not exist in RE2", text)
	}
	if t.accept('?') {
		t.out.WriteByte('?')
	}
	return itemRepeat, nil
}

// braces reads what follows a {. It reads nothing and returns false where Python takes the brace as text.
func (t *translator) braces() (lo, hi string, ok bool) {
	start := t.pos
	if t.peek() == '}' {
		return "", "", false
	}
	lo = t.digits()
	hi = lo
	if t.accept(',') {
		hi = t.digits()
		if hi == "" {
			hi = "inf"
		}
	}
	if lo == "" {
		lo = "0"
		if hi == "" {
			hi = "inf"
		}
	}
	if !t.accept('}') {
		t.braceList(start)
		t.pos = start
		return "", "", false
	}
	return lo, hi, true
}

// braceList warns of {a,b}, which other tools read as a choice.
func (t *translator) braceList(start int) {
	comma := false
	for i := start; i < len(t.in.runes); i++ {
		switch t.in.runes[i] {
		case ',':
			comma = true
		case '{', '.':
			return
		case '}':
			if comma {
				t.warn(t.col(start-1), "{a,b} is plain text here; write (a|b) for a choice")
			}
			return
		}
	}
}

func (t *translator) digits() string {
	start := t.pos
	for t.peek() >= '0' && t.peek() <= '9' {
		t.pos++
	}
	return string(t.in.runes[start:t.pos])
}

func (t *translator) counts(at int, lo, hi string) (string, *Error) {
	l, err := strconv.Atoi(lo)
	if err != nil || l > maxRepeat {
		return "", t.fail(at, "repetition count %s is above %d", lo, maxRepeat)
	}
	if hi == "inf" {
		return "{" + strconv.Itoa(l) + ",}", nil
	}
	h, err := strconv.Atoi(hi)
	if err != nil || h > maxRepeat {
		return "", t.fail(at, "repetition count %s is above %d", hi, maxRepeat)
	}
	if h < l {
		return "", t.fail(at, "repetition {%d,%d}: the least is greater than the most", l, h)
	}
	return fmt.Sprintf("{%d,%d}", l, h), nil
}

// isSpace reports whether Python's str.isspace holds, by which carbon splits a line.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}
