package measured

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a search, beside those of all filters.
const (
	maxSearch = 4096 // bytes
	maxDepth  = 50   // of parentheses and nots within one another
)

// ParseSearch reads an expression of conditions such as region=us-east*, in which *
// stands for any text and values with other characters than those of tags stand in
// double quotes; of and, or, not and parentheses. not binds closer than and, and and
// closer than or. A stream that lacks a tag does not meet a condition on it. Errors
// say at which character, from 1, the expression goes wrong.
func ParseSearch(text string) (Filter, error) {
	switch {
	case len(text) > maxSearch:
		return nil, fmt.Errorf("%d bytes; accepted: at most %d", len(text), maxSearch)
	case !utf8.ValidString(text):
		return nil, fmt.Errorf("%.100q is not UTF-8", text)
	}
	p := &parser{text: text}
	p.next()
	f, err := p.or()
	if err == nil && p.kind != end {
		err = p.expected("and, or, or the end")
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// kind of a token.
type kind uint8

const (
	end kind = iota
	word
	quoted
	symbol     // one of ( ) =
	unfinished // a quoted text that never ends
)

// parser reads an expression by recursive descent.
type parser struct {
	text  string
	kind  kind   // of the token that is looked at
	token string // without quotes
	at    int    // where it begins
	after int    // and what follows it
	depth int
	count int // of conditions
}

// next goes on to the next token.
func (p *parser) next() {
	rest := strings.TrimLeftFunc(p.text[p.after:], unicode.IsSpace)
	p.at = len(p.text) - len(rest)
	n := strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`()="`, r) })
	if n < 0 {
		n = len(rest)
	}
	p.kind, p.token, p.after = word, rest[:n], p.at+n
	switch {
	case rest == "":
		p.kind = end
	case n > 0:
	case rest[0] == '"':
		inner, _, closed := strings.Cut(rest[1:], `"`)
		if p.kind = quoted; !closed {
			p.kind = unfinished
		}
		p.token, p.after = inner, min(p.at+len(inner)+2, len(p.text))
	default:
		p.kind, p.token, p.after = symbol, rest[:1], p.at+1
	}
}

func (p *parser) expected(what string) error {
	found := fmt.Sprintf("%.100q", p.token)
	switch p.kind {
	case end:
		found = "the end"
	case unfinished:
		found = "a quote that is not closed"
	}
	return fmt.Errorf("character %d: found %s, expected %s", utf8.RuneCountInString(p.text[:p.at])+1, found, what)
}

// keyword tells whether the token is one, and not the name of a tag.
func (p *parser) keyword(name string) bool {
	return p.kind == word && strings.EqualFold(p.token, name) &&
		!strings.HasPrefix(strings.TrimLeftFunc(p.text[p.after:], unicode.IsSpace), "=")
}

func (p *parser) or() (Filter, error) { return p.list("or", (*parser).and, anyOf) }

func (p *parser) and() (Filter, error) { return p.list("and", (*parser).unary, allOf) }

// list reads one or several operands.
func (p *parser) list(keyword string, operand func(*parser) (Filter, error), join func([]Filter) Filter) (Filter, error) {
	var all []Filter
	for {
		f, err := operand(p)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
		if !p.keyword(keyword) {
			return join(all), nil
		}
		p.next()
	}
}

// unary reads not, parentheses or a condition.
func (p *parser) unary() (Filter, error) {
	open := p.kind == symbol && p.token == "("
	not := p.keyword("not")
	if !open && !not {
		return p.condition()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, p.expected(fmt.Sprintf("at most %d parentheses and nots within one another", maxDepth))
	}
	defer func() { p.depth-- }()
	p.next()
	if not {
		f, err := p.unary()
		return func(tags map[string]string) bool { return !f(tags) }, err
	}
	f, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.kind != symbol || p.token != ")" {
		return nil, p.expected("and, or, or )")
	}
	p.next()
	return f, nil
}

// condition reads name=pattern.
func (p *parser) condition() (Filter, error) {
	if p.kind != word || !validTag(p.token) || p.keyword("and") || p.keyword("or") {
		return nil, p.expected("a condition such as region=us-east*, not, or (")
	}
	if p.count++; p.count > maxConditions {
		return nil, p.expected(fmt.Sprintf("at most %d conditions", maxConditions))
	}
	name := strings.ToLower(p.token)
	p.next()
	if p.kind != symbol || p.token != "=" {
		return nil, p.expected("=")
	}
	p.next()
	if p.kind != word && p.kind != quoted || p.token == "" || len(p.token) > maxPattern {
		return nil, p.expected(fmt.Sprintf("a pattern of 1 to %d bytes", maxPattern))
	}
	f := matches(name, p.token, false)
	p.next()
	return f, nil
}
