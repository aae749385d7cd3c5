package naming

import (
	"strings"

	"github.com/coalesce-metrics/coalesce/pyre"
)

// glob compiles a shell pattern that begins at col: * is any characters but dots, ** any characters, ? one character but
// a dot, [a-z] and [!a-z] sets, {a,b} a choice; a backslash takes the special meaning from what follows.
func (r *reader) glob(text string, col int) *pyre.Pattern {
	in, out := []rune(text), pyre.Source{}
	out.Add(col, `\A`)
	depth := 0
	for i := 0; i < len(in); i++ {
		at := col + i
		switch c := in[i]; {
		case c == '\\' && i+1 == len(in):
			r.errorf(at, `backslash at the end of the pattern; \\ is a backslash`)
			return nil
		case c == '\\':
			i++
			quote(&out, at, in[i])
		case c == '*' && i+1 < len(in) && in[i+1] == '*':
			i++
			out.Add(at, ".*")
		case c == '*':
			out.Add(at, "[^.]*")
		case c == '?':
			out.Add(at, "[^.]")
		case c == '{':
			depth++
			out.Add(at, "(?:")
		case c == ',' && depth > 0:
			out.Add(at, "|")
		case c == '}' && depth > 0:
			depth--
			out.Add(at, ")")
		case c == '[':
			if i = globSet(&out, col, in, i); i == len(in) {
				r.errorf(at, "set [ is never closed; \\[ is a bracket")
				return nil
			}
		default:
			quote(&out, at, c)
		}
	}
	out.End = col + len(in)
	if depth > 0 {
		r.errorf(out.End, "choice { is never closed; \\{ is a brace")
		return nil
	}
	return r.compile(out, pyre.Options{Whole: true})
}

// globSet writes the set that begins at in[i] and returns where its ] is, or len(in).
func globSet(out *pyre.Source, col int, in []rune, i int) int {
	out.Add(col+i, "[")
	first := i + 1
	for i++; i < len(in) && in[i] != ']'; i++ {
		switch c := in[i]; {
		case c == '!' && i == first:
			out.Add(col+i, "^")
		case c == '-':
			out.Add(col+i, "-")
		default:
			quote(out, col+i, c)
		}
	}
	out.Add(col+i, "]")
	return i
}

// quote writes c so that it stands for itself.
func quote(out *pyre.Source, col int, c rune) {
	if strings.ContainsRune(`\.+*?()|[]{}^$#&-~`, c) {
		out.Add(col, `\`)
	}
	out.Add(col, string(c))
}
