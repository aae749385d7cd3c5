package carbonconf

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/config"
)

// file is what a text holds, read as Python's ConfigParser reads it: strictly,
// and the whole of it, so that a mistake in any section counts.
type file struct {
	name     string
	defaults *section
	sections map[string]*section
	referred map[string]bool // keys, in capitals, that values refer to
	problems config.Problems
}

// section is what stands under one heading.
type section struct {
	name    string
	keys    []string // in lower case, in the order of the file
	options map[string]*option
}

// option is one key with its value.
type option struct {
	value string // not yet interpolated
	line  int
}

// problem adds what is wrong with, or to be said about, a line of the file.
func (f *file) problem(severity config.Severity, line int, format string, args ...any) {
	p := config.Problem{File: f.name, Severity: severity, Line: line, Message: fmt.Sprintf(format, args...)}
	if line > 0 {
		p.Col = 1
	}
	f.problems = append(f.problems, p)
}

// parser is the state between two lines.
type parser struct {
	*file
	section *section
	open    *option // the option that lines with more indent continue
	lines   []string
	indent  int
	lost    bool // a line before the first heading was reported
}

// parse reads a text. What is wrong is in the problems of the file, which
// carries on after each.
func parse(name string, text []byte) *file {
	f := &file{name: name, defaults: newSection("DEFAULT"), sections: map[string]*section{}, referred: map[string]bool{}}
	if len(text) > FileMax {
		f.problem(config.Error, 0, "the file has %d bytes; accepted: at most %d", len(text), FileMax)
		return f
	}
	p := &parser{file: f}
	// As Python does in text mode.
	all := strings.ReplaceAll(strings.ReplaceAll(string(text), "\r\n", "\n"), "\r", "\n")
	number := 0
	for line := range strings.SplitSeq(all, "\n") {
		number++
		if !utf8.ValidString(line) {
			f.problem(config.Error, number, "not UTF-8, so that carbon cannot read it either")
			continue
		}
		p.line(number, line)
	}
	p.close()
	return f
}

func newSection(name string) *section {
	return &section{name: name, options: map[string]*option{}}
}

// isSpace reports whether Python takes a character for a blank.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func strip(s string) string { return strings.TrimFunc(s, isSpace) }

// line reads one line.
func (p *parser) line(number int, line string) {
	value := strip(line)
	if value == "" {
		if p.open != nil {
			p.lines = append(p.lines, "")
		}
		return
	}
	if value[0] == '#' || value[0] == ';' {
		return
	}
	indent := utf8.RuneCountInString(line[:strings.Index(line, value)])
	if p.open != nil && indent > p.indent {
		p.lines = append(p.lines, value)
		return
	}
	p.close()
	p.indent = indent
	if name, ok := heading(value); ok {
		p.enter(number, name)
		return
	}
	if p.section == nil {
		if !p.lost {
			p.problem(config.Error, number, "%s before the first section; accepted: a heading such as [aggregator]", quote(value))
		}
		p.lost = true
		return
	}
	p.option(number, value)
}

// heading returns the section that a line begins. What stands behind the last
// bracket is not looked at.
func heading(value string) (name string, ok bool) {
	end := strings.LastIndexByte(value, ']')
	if value[0] != '[' || end < 2 {
		return "", false
	}
	return value[1:end], true
}

// enter begins a section.
func (p *parser) enter(number int, name string) {
	if name == p.defaults.name {
		p.section = p.defaults
		return
	}
	if p.sections[name] != nil {
		p.problem(config.Error, number, "a second section [%s], for which carbon does not start; accepted: each section once", excerpt(name))
		p.section = newSection(name) // to read on, and be forgotten
		return
	}
	p.section = newSection(name)
	p.sections[name] = p.section
}

// option reads a key and the first line of its value.
func (p *parser) option(number int, value string) {
	at := strings.IndexAny(value, "=:")
	key := ""
	if at >= 0 {
		key = strings.ToLower(strip(value[:at]))
	}
	if key == "" {
		p.problem(config.Error, number, "%s is neither a section nor KEY = VALUE, and carbon does not start with it", quote(value))
		return
	}
	o := &option{line: number}
	if before := p.section.options[key]; before != nil {
		p.problem(config.Error, number, "%s is given a second time in [%s], after line %d, for which carbon does not start; accepted: each key once",
			excerpt(strings.ToUpper(key)), excerpt(p.section.name), before.line)
	} else {
		p.section.options[key] = o
		p.section.keys = append(p.section.keys, key)
	}
	p.open, p.lines = o, []string{strip(value[at+1:])}
}

// close ends the value of the last option.
func (p *parser) close() {
	if p.open != nil {
		p.open.value = strings.TrimRightFunc(strings.Join(p.lines, "\n"), isSpace)
		p.open, p.lines = nil, nil
	}
}
