package target

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parser reads expressions by recursive descent. The height of an expression is
// how many calls are within each other in it.
type parser struct {
	text  string
	pos   int
	nodes int
}

func (p *parser) fail(at int, format string, args ...any) *Error {
	return &Error{utf8.RuneCountInString(p.text[:at]) + 1, fmt.Sprintf(format, args...)}
}

// failHere says what was expected instead of what stands here.
func (p *parser) failHere(expected string) *Error {
	p.blanks()
	if p.pos == len(p.text) {
		return p.fail(p.pos, "the target ends where %s was expected", expected)
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	return p.fail(p.pos, "%q stands where %s was expected", r, expected)
}

func (p *parser) blanks() {
	for p.pos < len(p.text) && isBlank(p.text[p.pos]) {
		p.pos++
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// peek returns the next character that is no blank, or 0.
func (p *parser) peek() byte {
	p.blanks()
	if p.pos == len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

func (p *parser) count(at int) *Error {
	if p.nodes++; p.nodes > MaxNodes {
		return p.fail(at, "the target has more than %d parts", MaxNodes)
	}
	return nil
}

func (p *parser) whole() (Expr, error) {
	e, _, err := p.expression(0)
	if err != nil {
		return Expr{}, err
	}
	if p.peek() != 0 || p.pos < len(p.text) {
		return Expr{}, p.failHere("| or the end")
	}
	return e, nil
}

// expression reads a path or a call, and the calls that it is piped into.
func (p *parser) expression(depth int) (e Expr, height int, err *Error) {
	p.blanks()
	start := p.pos
	if p.atCall() {
		e, height, err = p.call(start, depth, nil, 0)
	} else {
		e, err = p.path()
	}
	for err == nil && p.peek() == '|' {
		p.pos++
		p.blanks()
		if !p.atCall() {
			return Expr{}, 0, p.failHere("a function with its parenthesis, such as sumSeries(),")
		}
		left := e
		e, height, err = p.call(start, depth, &left, height)
	}
	return e, height, err
}

// atCall reports whether a name and a parenthesis follow, maybe with blanks
// between them.
func (p *parser) atCall() bool {
	i := p.pos + len(p.identifier())
	if i == p.pos {
		return false
	}
	for i < len(p.text) && isBlank(p.text[i]) {
		i++
	}
	return i < len(p.text) && p.text[i] == '('
}

// identifier returns the name of a function or a keyword that follows, or "".
func (p *parser) identifier() string { return identifier(p.text[p.pos:]) }

func identifier(text string) string {
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return text[:i]
		}
	}
	return text
}

// call reads a call. piped, where not nil, is its first argument, from before a
// pipe; start is where the text begins that stands for both.
func (p *parser) call(start, depth int, piped *Expr, height int) (Expr, int, *Error) {
	at := p.pos
	e := Expr{Kind: Call, Value: p.identifier()}
	if err := p.count(at); err != nil {
		return e, 0, err
	}
	if e.Value == "template" {
		return e, 0, p.fail(at, "template() is not supported; write the path without it")
	}
	if depth+1 > MaxDepth || height+1 > MaxDepth {
		return e, 0, p.fail(at, "more than %d calls within each other", MaxDepth)
	}
	if piped != nil {
		e.Args = append(e.Args, *piped)
	}
	p.pos += len(e.Value)
	p.blanks()
	p.pos++ // the parenthesis
	if p.peek() != ')' {
		h, err := p.arguments(&e, depth+1)
		if err != nil {
			return e, 0, err
		}
		if height = max(height, h); height+1 > MaxDepth {
			return e, 0, p.fail(at, "more than %d calls within each other", MaxDepth)
		}
	}
	p.pos++
	e.Text = p.text[start:p.pos]
	return e, height + 1, nil
}

// arguments reads what stands between parentheses, up to the closing one.
func (p *parser) arguments(e *Expr, depth int) (height int, err *Error) {
	for {
		name, ok := p.keyword()
		if !ok && len(e.Named) > 0 {
			return 0, p.failHere("name=value, as behind an argument with a name,")
		}
		arg, h, err := p.argument(depth)
		if err != nil {
			return 0, err
		}
		height = max(height, h)
		if ok {
			e.Named = append(e.Named, Arg{name, arg})
		} else {
			e.Args = append(e.Args, arg)
		}
		switch p.peek() {
		case ')':
			return height, nil
		case ',':
			p.pos++
		default:
			return 0, p.failHere("a comma or a closing parenthesis")
		}
	}
}

// keyword takes name= if it follows.
func (p *parser) keyword() (string, bool) {
	p.blanks()
	start := p.pos
	name := p.identifier()
	p.pos += len(name)
	if name != "" && p.peek() == '=' {
		p.pos++
		return name, true
	}
	p.pos = start
	return "", false
}

func (p *parser) argument(depth int) (Expr, int, *Error) {
	if c := p.peek(); c == '"' || c == '\'' {
		e, err := p.quoted(c)
		return e, 0, err
	}
	e, height, err := p.expression(depth)
	if err == nil && e.Kind == Path {
		err = p.literal(&e)
	}
	return e, height, err
}

// quoted reads text in quotes. A backslash keeps the character behind it from
// ending the text, and so do two quotes in a row; both stay in the text.
func (p *parser) quoted(quote byte) (Expr, *Error) {
	start := p.pos
	if err := p.count(start); err != nil {
		return Expr{}, err
	}
	for i := start + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '\\':
			i++
		case c == '\n' || c == '\r':
			return Expr{}, p.fail(i, "the line ends within the string that begins at column %d", p.fail(start, "").Col)
		case c == quote && i+1 < len(p.text) && p.text[i+1] == quote:
			i++
		case c == quote:
			p.pos = i + 1
			return Expr{Kind: String, Text: p.text[start:p.pos], Value: p.text[start+1 : i]}, nil
		}
	}
	return Expr{}, p.fail(start, "the string that begins here has no closing %c", quote)
}

// literal makes a number, a boolean or none out of a path that is spelled as one.
func (p *parser) literal(e *Expr) *Error {
	switch strings.ToLower(e.Text) {
	case "true", "false":
		e.Kind, e.Bool = Bool, len(e.Text) == len("true")
		return nil
	case "none":
		e.Kind = None
		return nil
	case "inf":
		e.Kind = Number
		e.Number, _ = strconv.ParseFloat("inf", 64)
		return nil
	}
	number, integer := isNumber(e.Text)
	if !number {
		return nil
	}
	value, err := strconv.ParseFloat(e.Text, 64)
	if err != nil {
		return p.fail(p.pos-len(e.Text), "the number %s is beyond 64 bits of floating point", e.Text)
	}
	e.Kind, e.Number, e.Integer = Number, value, integer
	return nil
}

// isNumber tells 404, -1.5, .5 and 1e9 from 404.count.
func isNumber(s string) (number, integer bool) {
	s = strings.TrimPrefix(s, "-")
	s, number = digits(s)
	if number && s == "" {
		return true, true
	}
	if rest, found := strings.CutPrefix(s, "."); found {
		var fraction bool
		s, fraction = digits(rest)
		number = number || fraction
	}
	if !number || s == "" {
		return number, false
	}
	if s[0] != 'e' && s[0] != 'E' {
		return false, false
	}
	s = s[1:]
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	s, ok := digits(s)
	return ok && s == "", false
}

// digits takes the digits off the start of s and reports whether there was one.
func digits(s string) (rest string, ok bool) {
	rest = strings.TrimLeft(s, "0123456789")
	return rest, len(rest) < len(s)
}
