package rules

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/pyre"
)

// methodByte stands for the method in the output of a rule with several. No name that matches contains it.
const methodByte = 0

const methodField = "method"

// part is a piece of an output: text, or the value of a field.
type part struct {
	text  string
	field int // index in Rule.Fields, -1: text
}

// AppendRow appends to dst the name under which the value of m is sent for output, which is Match.Output of a rule
// with one or several methods.
func AppendRow(dst, output []byte, m cell.Method) []byte {
	for {
		i := bytes.IndexByte(output, methodByte)
		if i < 0 {
			return append(dst, output...)
		}
		dst = append(dst, output[:i]...)
		dst = append(dst, m.Suffix()...)
		output = output[i+1:]
	}
}

// templateParser reads an output template: carbon turns <x> into %(x)s and formats it as Python does.
type templateParser struct {
	text []rune
	pos  int
	rule *Rule
	out  []part
	warn func(col int, msg string)
	// wide tells whether the pattern captures field i as <<field>>.
	wide   func(i int) bool
	method bool // <method> was seen
}

// compileOutput fills r.Output and r.template. It needs r.Fields and r.Methods.
func compileOutput(r *Rule, prefix string, warn func(int, string)) *Error {
	p := &templateParser{text: []rune(r.Output), rule: r, warn: warn}
	p.wide = func(i int) bool { return strings.Contains(r.Pattern, "<<"+r.Fields[i]+">>") }
	if err := p.check(len(r.Output) + len(prefix)); err != nil {
		return err
	}
	if !strings.HasPrefix(r.Output, prefix) {
		r.Output = prefix + r.Output
		p.literal(prefix)
	}
	for p.pos < len(p.text) {
		if err := p.next(); err != nil {
			return err
		}
	}
	if len(r.Methods) > 1 && !p.method {
		if slices.Contains(r.Fields, methodField) {
			return p.fail(0, "several methods need <method> for the method's name, but the pattern captures a field of that name: rename the field")
		}
		return p.fail(0, "several methods need <method> in the output, so that each has a name of its own")
	}
	r.template = p.out
	p.hintTags()
	return nil
}

func (p *templateParser) check(length int) *Error {
	if len(p.text) == 0 {
		return p.fail(0, "the output is empty")
	}
	if length > MaxOutput {
		return p.fail(0, "%s", limitText("output", length, MaxOutput, "bytes with the prefix"))
	}
	tagged := false
	for i, r := range p.text {
		tagged = tagged || r == ';'
		if pyre.IsSpace(r) || r == methodByte || r == '=' && !tagged {
			return p.fail(i, "an output cannot hold blanks, NUL, or = outside a tag")
		}
	}
	return nil
}

func (p *templateParser) fail(at int, format string, args ...any) *Error {
	return &Error{Part: PartOutput, Col: at + 1, Msg: fmt.Sprintf(format, args...)}
}

func (p *templateParser) literal(text string) {
	if n := len(p.out); n > 0 && p.out[n-1].field < 0 {
		p.out[n-1].text += text
		return
	}
	p.out = append(p.out, part{text, -1})
}

// next reads one character or one placeholder.
func (p *templateParser) next() *Error {
	at := p.pos
	p.pos++
	switch p.text[at] {
	case '<':
		return p.bracket(at)
	case '%':
		return p.percent(at)
	case '>':
		p.warn(at+1, "> without < is written as )s, as in carbon")
		p.literal(")s")
	default:
		p.literal(string(p.text[at]))
	}
	return nil
}

func (p *templateParser) bracket(at int) *Error {
	width := 1
	if p.pos < len(p.text) && p.text[p.pos] == '<' {
		width = 2
		p.pos++
	}
	end := slices.Index(p.text[p.pos:], '>')
	if end < 0 || width == 2 && (p.pos+end+1 >= len(p.text) || p.text[p.pos+end+1] != '>') {
		return p.fail(at, "%s is never closed: expected <field>", strings.Repeat("<", width))
	}
	name := string(p.text[p.pos : p.pos+end])
	p.pos += end + width
	return p.field(at, name, width == 2)
}

// percent reads what follows a %.
func (p *templateParser) percent(at int) *Error {
	if p.pos < len(p.text) && p.text[p.pos] == '%' {
		p.pos++
		p.literal("%")
		return nil
	}
	if p.pos < len(p.text) && p.text[p.pos] == '(' {
		if end := slices.Index(p.text[p.pos:], ')') + p.pos; end > p.pos && end+1 < len(p.text) && p.text[end+1] == 's' {
			name := string(p.text[p.pos+1 : end])
			p.pos = end + 2
			return p.field(at, name, false)
		}
	}
	return p.fail(at, "stray %% in the output: expected %%%% for a percent sign, or <field>")
}

// field writes the placeholder called name. wide tells that it was spelled <<name>>.
func (p *templateParser) field(at int, name string, wide bool) *Error {
	i := slices.Index(p.rule.Fields, name)
	if i < 0 && name == methodField && !wide && !p.rule.strict {
		p.method = true
		if len(p.rule.Methods) > 1 {
			p.literal(string(rune(methodByte)))
		} else {
			p.literal(p.rule.Methods[0].Suffix())
		}
		return nil
	}
	if i < 0 {
		return p.fail(at, "unknown field %q: %s", name, p.known())
	}
	if wide && !p.wide(i) {
		return p.fail(at, "<<%s>> in the output needs <<%[1]s>> in the pattern: write <%[1]s>", name)
	}
	p.out = append(p.out, part{field: i})
	return nil
}

func (p *templateParser) known() string {
	fields := "<" + strings.Join(p.rule.Fields, ">, <") + ">"
	switch none := len(p.rule.Fields) == 0; {
	case none && p.rule.strict:
		return "the pattern captures none"
	case none:
		return "the pattern captures none; <method> is always known"
	case p.rule.strict:
		return "known are " + fields
	}
	return "known are " + fields + " and <method>"
}

// hintTags warns of a tag in the output that is none.
func (p *templateParser) hintTags() {
	col := 0 // of the ; before text
	for i, text := range strings.Split(string(p.text), ";") {
		if key, value, ok := strings.Cut(text, "="); i > 0 && (!ok || key == "" || value == "") {
			p.warn(col, fmt.Sprintf("%q is no tag: expected ;key=value", ";"+text))
		}
		col += len([]rune(text)) + 1
	}
}

func limitText(what string, n, limit int, unit string) string {
	return fmt.Sprintf("the %s has %d %s, more than the %d accepted", what, n, unit, limit)
}
