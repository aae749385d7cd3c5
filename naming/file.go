package naming

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/pyre"
	"github.com/coalesce-metrics/coalesce/rules"
)

// reader reads a file by lines and collects what is wrong with it.
type reader struct {
	file  string
	line  int
	diags []rules.Diagnostic
	full  bool // a limit was reached; the rest is not read
}

// each calls f for every line that is text.
func (r *reader) each(src []byte, f func(text string)) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	for len(src) > 0 && !r.full {
		i := bytes.IndexAny(src, "\r\n")
		if i < 0 {
			i = len(src)
		}
		r.line++
		if raw := src[:i]; r.isText(raw) {
			f(string(raw))
		}
		if bytes.HasPrefix(src[i:], []byte("\r\n")) {
			i++
		}
		src = src[min(i+1, len(src)):]
	}
}

func (r *reader) isText(raw []byte) bool {
	switch {
	case len(raw) > MaxLine:
		r.errorf(0, "the line has %d bytes, more than the %d accepted", len(raw), MaxLine)
	case !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0:
		r.errorf(0, "NUL or a byte that is not UTF-8; expected UTF-8 text")
	default:
		return true
	}
	return false
}

func (r *reader) report(warning bool, col int, msg string) {
	switch {
	case r.full:
		return
	case len(r.diags) == MaxDiagnostics-1:
		r.full = true
		warning, col, msg = false, 0, "too many errors and warnings; the rest of the file was not read"
	}
	r.diags = append(r.diags, rules.Diagnostic{File: r.file, Line: r.line, Col: col, Warning: warning, Msg: msg})
}

func (r *reader) errorf(col int, format string, args ...any) {
	r.report(false, col, fmt.Sprintf(format, args...))
}

func (r *reader) warnf(col int, format string, args ...any) {
	r.report(true, col, fmt.Sprintf(format, args...))
}

// stop reports that the file has too many of something.
func (r *reader) stop(limit int, what string) {
	r.errorf(0, "more than the %d %s accepted; the rest of the file was not read", limit, what)
	r.full = true
}

// compile reads a Python expression and reports what is wrong with it.
func (r *reader) compile(in pyre.Source, o pyre.Options) *pyre.Pattern {
	o.Verbose = true
	o.Hint = func(h pyre.Hint, col int) {
		if h == pyre.HintBraces {
			r.warnf(col, "{a,b} is plain text here; write (a|b) for a choice")
		}
	}
	p, err := pyre.Compile(in, o)
	if err != nil {
		r.errorf(err.Col, "%s", err.Msg)
		return nil
	}
	return p
}

// strip returns text without the blanks around it, as Python's str.strip does, and the column where it begins if text
// begins at col.
func strip(text string, col int) (string, int) {
	rest := strings.TrimLeftFunc(text, pyre.IsSpace)
	col += utf8.RuneCountInString(text[:len(text)-len(rest)])
	return strings.TrimRightFunc(rest, pyre.IsSpace), col
}
