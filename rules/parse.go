package rules

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/pyre"
)

// Parse reads a rule file. It returns the rules of the good lines in file order, and every error and warning; a caller
// that wants all or nothing checks for a Diagnostic that is no Warning. file is only used in messages. src is not
// kept.
func Parse(file string, src []byte, o Options) ([]*Rule, []Diagnostic) {
	p := &fileParser{file: file}
	var err error
	if p.prefix, err = o.prefix(); err != nil {
		return nil, []Diagnostic{{File: file, Msg: err.Error()}}
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	for len(src) > 0 && !p.full {
		i := bytes.IndexAny(src, "\r\n")
		if i < 0 {
			i = len(src)
		}
		p.lineNo++
		p.line(src[:i])
		if bytes.HasPrefix(src[i:], []byte("\r\n")) {
			i++
		}
		src = src[min(i+1, len(src)):]
	}
	return p.rules, p.diags
}

// Compile makes a rule that came from no file out of its Output, Pattern, Period, Methods, Grace, Keep, Forward and
// Percentiles with their Has fields. An error is an *Error.
func Compile(r Rule, o Options) (*Rule, error) {
	prefix, err := o.prefix()
	if err != nil {
		return nil, err
	}
	r.strict = o.Strict
	written := r.Output
	choice := 0 // where one stands outside a group
	errs := compileRule(&r, prefix, func(_ string, col int, msg string) {
		if msg == choiceHint {
			choice = col
		}
	})
	if o.Strict && len(errs) == 0 {
		errs = strict(&r, written, choice)
	}
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return &r, nil
}

// compileRule checks r and fills what is derived. warn gets a part, a column in it and a message.
func compileRule(r *Rule, prefix string, warn func(string, int, string)) []*Error {
	errs := checkNumbers(r)
	if err := compilePattern(r, func(col int, msg string) { warn(PartPattern, col, msg) }); err != nil {
		return append(errs, err)
	}
	if len(r.Methods) > 0 {
		if err := compileOutput(r, prefix, func(col int, msg string) { warn(PartOutput, col, msg) }); err != nil {
			errs = append(errs, err)
		}
	}
	for _, m := range r.Methods {
		r.Percentiles = r.Percentiles || m.NeedsValues()
	}
	r.ID = canonical(r)
	if r.Text == "" {
		r.Text = r.ID
	}
	return errs
}

func checkNumbers(r *Rule) []*Error {
	var errs []*Error
	if r.Period < 1 || r.Period > MaxPeriod {
		errs = append(errs, &Error{PartPeriod, 1, fmt.Sprintf("period %d: expected 1 to %d seconds", r.Period, MaxPeriod)})
	}
	if len(r.Methods) == 0 {
		errs = append(errs, &Error{PartMethods, 1, "no method; accepted are " + cell.Methods()})
	}
	for i, m := range r.Methods {
		for _, other := range r.Methods[:i] {
			if m == other {
				errs = append(errs, &Error{PartMethods, 1, "method " + m.String() + " is named twice"})
			}
		}
	}
	if r.HasGrace && (r.Grace < 0 || r.Grace > MaxGrace) {
		errs = append(errs, &Error{PartOptions, 1, fmt.Sprintf("grace %v: expected 0s to %v", r.Grace, MaxGrace)})
	}
	if r.HasKeep && (r.Keep < 0 || r.Keep > MaxKeep) {
		errs = append(errs, &Error{PartOptions, 1, fmt.Sprintf("keep %d: expected 0 to %d", r.Keep, MaxKeep)})
	}
	return errs
}

// fileParser collects the rules and diagnostics of one file.
type fileParser struct {
	file   string
	prefix string
	lineNo int
	rules  []*Rule
	diags  []Diagnostic
	full   bool // a limit was reached; the rest is not read
}

func (p *fileParser) report(warning bool, col int, msg string) {
	switch {
	case p.full:
		return
	case len(p.diags) == MaxDiagnostics-1:
		p.full = true
		warning, col, msg = false, 0, "too many errors and warnings; the rest of the file was not read"
	}
	p.diags = append(p.diags, Diagnostic{p.file, p.lineNo, col, warning, msg})
}

func (p *fileParser) errorf(col int, format string, args ...any) {
	p.report(false, col, fmt.Sprintf(format, args...))
}

// line reads one line, which has no line end.
func (p *fileParser) line(raw []byte) {
	if len(raw) > MaxLine {
		p.errorf(0, "%s", limitText("line", len(raw), MaxLine, "bytes"))
		return
	}
	text := string(raw)
	for col, r := range []rune(text) {
		if r == 0 || r == utf8.RuneError && !utf8.Valid(raw) {
			p.errorf(col+1, "NUL or a byte that is not UTF-8; a rule file is UTF-8 text")
			return
		}
	}
	trimmed := strings.TrimFunc(text, pyre.IsSpace)
	if trimmed == "" || trimmed[0] == '#' {
		return
	}
	words, equals := splitLine(text)
	if p.shape(words, equals) {
		p.rule(trimmed, words)
	}
}

// word is a part of a line between blanks, or between a blank and the = that separates output from input.
type word struct {
	text string
	col  int // in characters, from 1
}

// splitLine cuts a line at blanks and at the separating =. equals is the number of words before it, -1: there is none.
// The separator is the first =, but in an output with tags the first behind it.
func splitLine(text string) (words []word, equals int) {
	equals = -1
	start, startCol, col := -1, 0, 0
	flush := func(end int) {
		if start >= 0 {
			words = append(words, word{text[start:end], startCol})
		}
		start = -1
	}
	for i, r := range text {
		col++
		tagged := len(words) == 0 && start >= 0 && strings.ContainsRune(text[start:i], ';')
		switch {
		case pyre.IsSpace(r):
			flush(i)
		case r == '=' && equals < 0 && !tagged:
			flush(i)
			equals = len(words)
		case start < 0:
			start, startCol = i, col
		}
	}
	flush(len(text))
	return words, equals
}

const wantLine = "expected OUTPUT (SECONDS) = METHOD PATTERN [OPTION=VALUE ...]"

// shape reports whether the words stand as in a rule, and says what is wrong where they do not.
func (p *fileParser) shape(words []word, equals int) bool {
	end := 1
	if len(words) > 0 {
		last := words[len(words)-1]
		end = last.col + len([]rune(last.text))
	}
	switch {
	case equals < 0:
		p.errorf(end, "no = in the line: %s", wantLine)
	case equals == 0:
		p.errorf(1, "nothing before the =: %s", wantLine)
	case equals == 1:
		p.errorf(words[0].col, "output or period missing before the =: %s", wantLine)
	case equals > 2:
		p.errorf(words[2].col, "%q is one word too many before the =: %s", words[2].text, wantLine)
	case len(words) == 2:
		p.errorf(end, "method and pattern missing after the =: %s", wantLine)
	case len(words) == 3:
		p.errorf(words[2].col, "method or pattern missing after the =: %s", wantLine)
	default:
		return true
	}
	return false
}

// rule reads output, period, methods, pattern and options.
func (p *fileParser) rule(text string, words []word) {
	before := len(p.diags)
	r := &Rule{File: p.file, Line: p.lineNo, Text: text, Output: words[0].text, Pattern: words[3].text, Forward: true}
	var err error
	if r.Period, err = parsePeriod(words[1].text); err != nil {
		p.errorf(words[1].col, "%v", err)
		r.Period = 1
	}
	p.methods(r, words[2])
	p.options(r, words[4:])
	cols := map[string]int{PartOutput: words[0].col, PartPeriod: words[1].col, PartMethods: words[2].col, PartPattern: words[3].col}
	place := func(part string, col int) int { return cols[part] + col - 1 }
	errs := compileRule(r, p.prefix, func(part string, col int, msg string) { p.report(true, place(part, col), msg) })
	failed := len(errs) > 0
	for _, e := range errs {
		if len(r.Methods) > 0 || e.Part != PartMethods {
			p.report(false, place(e.Part, e.Col), e.Msg)
		}
	}
	for _, d := range p.diags[before:] {
		failed = failed || !d.Warning
	}
	if failed {
		return
	}
	if len(p.rules) == MaxRules {
		p.errorf(0, "%s", limitText("file", MaxRules+1, MaxRules, "rules"))
		p.full = true
		return
	}
	p.rules = append(p.rules, r)
}

// methods reads a list of methods separated by commas.
func (p *fileParser) methods(r *Rule, w word) {
	col := w.col
	for name := range strings.SplitSeq(w.text, ",") {
		m, err := cell.ParseMethod(name)
		switch {
		case name == "":
			p.errorf(col, "empty method in %q: expected a list such as sum,max,p99 without blanks", w.text)
		case err != nil:
			p.errorf(col, "%v", err)
		default:
			r.Methods = append(r.Methods, m)
		}
		col += len([]rune(name)) + 1
	}
}

var errPeriod = errors.New("expected whole seconds such as 60 or (60)")
