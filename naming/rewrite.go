package naming

import (
	"strings"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/pyre"
	"github.com/coalesce-metrics/coalesce/rules"
)

// Rewrites are the rules of a rewrite-rules.conf. They are immutable; a nil *Rewrites has none.
type Rewrites struct {
	file  string
	rules [numSections][]rewrite
}

// rewrite is one rule.
type rewrite struct {
	line int
	text string
	to   *pyre.Replacement
}

// section is a part of the file.
type section int

const (
	sectionPre section = iota
	sectionPost
	numSections
	noSection
)

// String returns the section as it is written between [ and ], which is also the name of its stage.
func (s section) String() string { return [...]string{"pre", "post"}[s] }

// ParseRewrites reads a file of the form of carbon's rewrite-rules.conf. It returns the rules of the good lines and every
// error and warning; a caller that wants all or nothing checks for a Diagnostic that is no Warning. file is only used in
// messages. src is not kept.
func ParseRewrites(file string, src []byte) (*Rewrites, []rules.Diagnostic) {
	p := rewriteParser{reader: reader{file: file}, in: noSection, out: &Rewrites{file: file}}
	p.each(src, p.parseLine)
	return p.out, p.diags
}

// Len returns how many rules the sections have.
func (r *Rewrites) Len() (pre, post int) {
	if r == nil {
		return 0, 0
	}
	return len(r.rules[sectionPre]), len(r.rules[sectionPost])
}

// Pre returns what the rules of [pre] make of name: name itself where none matches, otherwise memory of s that is valid
// until the next Pre or Decide with it. It returns false where the name grew beyond MaxName.
func (r *Rewrites) Pre(name []byte, s *Scratch) ([]byte, bool) {
	return r.apply(name, sectionPre, &s.pre, s, nil)
}

// Post does the same by the rules of [post]; its result is valid until the next Post, of Rewrites or Policy, with s.
func (r *Rewrites) Post(name []byte, s *Scratch) ([]byte, bool) {
	return r.apply(name, sectionPost, &s.post, s, nil)
}

// apply uses one rule after the other, each on what the one before made.
func (r *Rewrites) apply(name []byte, in section, b *buffers, s *Scratch, trace func(Step)) ([]byte, bool) {
	if r == nil {
		return name, true
	}
	for i := range r.rules[in] {
		rule := &r.rules[in][i]
		out, found, err := rule.to.Append(b.next(), &s.vm, name, MaxName)
		if err != nil {
			report(trace, Step{Stage: in.String(), File: r.file, Line: rule.line, Text: rule.text, Dropped: NameTooLong})
			return nil, false
		}
		if found {
			name = b.done(out)
			report(trace, Step{Stage: in.String(), File: r.file, Line: rule.line, Text: rule.text, Name: name})
		}
	}
	return name, true
}

type rewriteParser struct {
	reader
	in     section
	unused bool // a rule before any section was reported
	out    *Rewrites
}

func (p *rewriteParser) parseLine(line string) {
	text, col := strip(line, 1)
	switch {
	case text == "" || text[0] == '#':
	case text[0] == '[' && text[len(text)-1] == ']':
		p.heading(text, col)
	default:
		p.rule(text, col)
	}
}

// heading begins a section, which empties it.
func (p *rewriteParser) heading(text string, col int) {
	p.unused = true
	for s := range numSections {
		if strings.ToLower(text) != "["+s.String()+"]" {
			continue
		}
		p.in = s
		if n := len(p.out.rules[s]); n > 0 {
			p.warnf(col, "heading %s comes again and discards the %d rules that the section had", text, n)
			p.out.rules[s] = nil
		}
		return
	}
	p.in = noSection
	hint := ""
	if strings.Contains(text, "=") {
		hint = "; a line from [ to ] is always a heading, so begin a rule with (?:) instead"
	}
	p.warnf(col, "the rules under heading %s are never used: expected [pre] or [post] without blanks inside%s", text, hint)
}

// rule reads PATTERN = REPLACEMENT, which begins at col.
func (p *rewriteParser) rule(text string, col int) {
	before, after, ok := strings.Cut(text, "=")
	if !ok {
		p.errorf(col, "no = in the line: expected PATTERN = REPLACEMENT, [pre] or [post]")
		return
	}
	if p.in == noSection {
		if !p.unused {
			p.unused = true
			p.warnf(col, "rules before the first heading are never used: expected [pre] or [post] above them")
		}
		return
	}
	pattern := p.compile(source(before, col), pyre.Options{})
	if pattern == nil {
		if strings.Contains(after, "=") {
			p.warnf(col+utf8.RuneCountInString(before), `the pattern ends at the first =; write \x3d for one inside it`)
		}
		return
	}
	with := source(after, col+utf8.RuneCountInString(before)+1)
	to, err := pattern.Replacement(with)
	if err != nil {
		p.errorf(err.Col, "%s", err.Msg)
		return
	}
	for i, r := range with.Runes {
		if pyre.IsSpace(r) {
			p.warnf(with.Col(i), "blank in the replacement; a name with a blank is dropped. There are no comments behind a rule")
			break
		}
	}
	rules := &p.out.rules[p.in]
	if len(*rules) == MaxRewrites {
		p.stop(MaxRewrites, "rules in a section")
		return
	}
	*rules = append(*rules, rewrite{p.line, text, to})
}

// source returns text, which begins at col, without the blanks around it.
func source(text string, col int) pyre.Source {
	return pyre.NewSource(strip(text, col))
}
