package target

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// symbols end a path where no backslash stands before them. A dot does not, and
// a comma only outside braces.
const symbols = `(){},.'"\|`

// path reads a path: everything up to a symbol or a blank, with braces closed.
func (p *parser) path() (Expr, *Error) {
	p.blanks()
	start := p.pos
	if err := p.count(start); err != nil {
		return Expr{}, err
	}
	var unescaped []byte // from the first backslash on
	escaped := false
	var open []int // places of the braces
	i := start
scan:
	for i < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[i:])
		switch {
		case r == '\\':
			next, m := utf8.DecodeRuneInString(p.text[i+1:])
			if m == 0 || !strings.ContainsRune(symbols+"=", next) {
				return Expr{}, p.fail(i, "a backslash outside quotes may only stand before one of %s=", symbols)
			}
			if !escaped {
				escaped, unescaped = true, append(unescaped, p.text[start:i]...)
			}
			i, n = i+1, m
		case r == '{':
			open = append(open, i)
		case r == '}':
			if len(open) == 0 {
				return Expr{}, p.fail(i, "a brace is closed that was not opened")
			}
			open = open[:len(open)-1]
		case r == ',' && len(open) > 0:
		case r != '.' && r < utf8.RuneSelf && strings.IndexByte(symbols, byte(r)) >= 0,
			unicode.IsSpace(r), unicode.IsControl(r):
			break scan
		}
		if escaped {
			unescaped = append(unescaped, p.text[i:i+n]...)
		}
		i += n
	}
	p.pos = i
	switch {
	case len(open) > 0:
		return Expr{}, p.fail(open[len(open)-1], "the brace that is opened here is not closed within the path")
	case i == start:
		return Expr{}, p.failHere("a path or a function")
	}
	e := Expr{Kind: Path, Text: p.text[start:i], Value: p.text[start:i]}
	if escaped {
		e.Value = string(unescaped)
	}
	return e, nil
}
