// Package target parses the text of a Graphite target.
package target

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// What Parse accepts at most.
const (
	MaxLength = 16 << 10 // bytes of the text
	MaxDepth  = 32       // calls within each other, piped ones included
	MaxNodes  = 4096     // calls, paths and literals together
)

// Kind is what an expression is.
type Kind int

// The kinds of an expression.
const (
	Path   Kind = iota // names of series, maybe with wildcards, tags and a view
	Call               // a function with its arguments
	String             // text in quotes
	Number             // finite, or inf
	Bool               // true or false
	None               // none, which stands for an argument left out
)

// kinds are for messages.
var kinds = [...]string{"a path", "a call", "a string", "a number", "a boolean", "None"}

// String names the kind as messages do.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kinds) {
		return "nothing"
	}
	return kinds[k]
}

// Expr is a target or a part of one. Its slices must not be modified.
type Expr struct {
	Kind Kind
	// Text is the expression as it was written, without the blanks around it.
	Text string
	// Value is the name of the function of a Call, a Path without backslashes,
	// and of a String what stands between the quotes: Graphite takes nothing
	// out of it, and neither do we.
	Value string
	// Number is the value of a Number, +Inf for inf.
	Number float64
	// Integer is whether a Number was written with digits and a sign only.
	Integer bool
	// Bool is the value of a Bool.
	Bool bool
	// Args are the positional arguments of a Call. What stands before a pipe is
	// the first of the call behind it.
	Args []Expr
	// Named are the keyword arguments of a Call, as written.
	Named []Arg
}

// Arg is an argument that was given by its name.
type Arg struct {
	Name string
	Expr Expr
}

// String writes the expression as names of series have it: calls within each
// other instead of piped, without blanks, everything else as it was written.
func (e Expr) String() string {
	if e.Kind != Call {
		return e.Text
	}
	var b strings.Builder
	e.write(&b)
	return b.String()
}

func (e *Expr) write(b *strings.Builder) {
	if e.Kind != Call {
		b.WriteString(e.Text)
		return
	}
	b.WriteString(e.Value)
	b.WriteByte('(')
	for i := range e.Args {
		if i > 0 {
			b.WriteByte(',')
		}
		arg := &e.Args[i]
		if key := identifier(arg.Text); arg.Kind == Path && key != "" && strings.HasPrefix(arg.Text[len(key):], "=") {
			// Before a pipe it is a path; here it would be a name and a value.
			b.WriteString(key + `\` + arg.Text[len(key):])
			continue
		}
		arg.write(b)
	}
	for i := range e.Named {
		if i > 0 || len(e.Args) > 0 {
			b.WriteByte(',')
		}
		b.WriteString(e.Named[i].Name)
		b.WriteByte('=')
		e.Named[i].Expr.write(b)
	}
	b.WriteByte(')')
}

// SeriesByTag is the function that finds series by their tags. A call of it
// stands for series as a path does.
const SeriesByTag = "seriesByTag"

// TagExpressions returns the arguments of a call of seriesByTag, such as
// dc=x, and whether e is one that is well formed.
func (e Expr) TagExpressions() ([]string, bool) {
	if e.Kind != Call || e.Value != SeriesByTag || len(e.Args) == 0 || len(e.Named) > 0 {
		return nil, false
	}
	expressions := make([]string, len(e.Args))
	for i := range e.Args {
		if e.Args[i].Kind != String {
			return nil, false
		}
		expressions[i] = e.Args[i].Value
	}
	return expressions, true
}

// Error is what is wrong with the text of a target.
type Error struct {
	Col int // of the character where it is wrong, from 1
	Msg string
}

// Error returns the column and the message.
func (e *Error) Error() string { return fmt.Sprintf("column %d: %s", e.Col, e.Msg) }

// Parse reads a target. The error is an *[Error].
func Parse(text string) (Expr, error) {
	if len(text) > MaxLength {
		return Expr{}, &Error{1, fmt.Sprintf("the target has %d bytes; at most %d are accepted", len(text), MaxLength)}
	}
	p := parser{text: text}
	if !utf8.ValidString(text) {
		return Expr{}, p.fail(invalidAt(text), "this is not valid UTF-8")
	}
	e, err := p.whole()
	if err != nil {
		return Expr{}, err
	}
	return e, nil
}

func invalidAt(text string) int {
	for i, r := range text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return i
			}
		}
	}
	return len(text)
}
