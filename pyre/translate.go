package pyre

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// itemKind says what stands before a quantifier; Python decides by it whether the quantifier is legal.
type itemKind int

const (
	itemNone   itemKind = iota // nothing yet in this branch
	itemAt                     // a position: ^ $ \b
	itemRepeat                 // already repeated
	itemAtom
)

// translator writes one expression in RE2's syntax.
type translator struct {
	Options
	cursor
	out    strings.Builder
	groups []int // groups[k] is the name of group k+1, as in Tree
	warned bool  // of | outside a group
	blanks bool  // flag x holds here: blanks mean nothing
	folds  bool  // some part ignores case
	width  int   // characters in the ranges of sets; under folds the RE2 parser looks at each
}

func (t *translator) translate() (string, *Error) {
	if err := t.alternatives(0); err != nil {
		return "", err
	}
	if t.pos < len(t.in.Runes) {
		return "", t.fail(t.pos, "this ) closes no group")
	}
	if t.folds && t.width > maxFold {
		return "", t.fail(0, "too expensive: flag i with sets of more than %d characters", maxFold)
	}
	return t.out.String(), nil
}

func (t *translator) hint(h Hint, at int) {
	if t.Hint != nil {
		t.Hint(h, t.in.Col(at))
	}
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
			t.hint(HintChoice, at)
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
		if t.blanks && t.skip(r) {
			continue
		}
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

// skip reads what flag x lets stand in an expression, blanks and comments, and reports whether r began any.
func (t *translator) skip(r rune) bool {
	if r == '#' {
		for t.peek() != -1 && !t.accept('\n') {
			t.pos++
		}
	}
	return r == '#' || strings.ContainsRune(" \t\n\r\v\f", r)
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
	for i := start; i < len(t.in.Runes); i++ {
		switch t.in.Runes[i] {
		case ',':
			comma = true
		case '{', '.':
			return
		case '}':
			if comma {
				t.hint(HintBraces, start-1)
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
	return string(t.in.Runes[start:t.pos])
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
