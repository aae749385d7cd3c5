// Package pyre runs Python's regular expressions in time linear in the text.
//
// An expression is read by the grammar of CPython 3.11's re module and written in RE2's, so a backslash, a set or a
// repetition means what it means there. What RE2 cannot express (lookaround, back-references, possessive and atomic
// groups) is refused with its place. Texts are taken as one line of valid UTF-8: ^ and $ are their very ends, which
// differs from Python only for a text that holds a line feed. Where what is repeated can be empty, as in (a*)+, a group
// in it may keep an earlier round than Python's last and empty one, and a lazy round may take more. Ignoring case pairs
// letters as RE2 does.
//
// The standard library's regexp is not used to run them because it allocates for captured groups, sees a part of a
// text as a whole one, knows \b for ASCII only, and goes on from an empty match in another way than Python.
package pyre

import (
	"fmt"
	"regexp/syntax"
	"unicode"
)

// Limits on what comes from outside. An expression beyond one of them is refused with a message that states it.
const (
	MaxProgram = 2000     // instructions that an expression compiles to
	maxRepeat  = 1000     // {m,n}, as in RE2
	maxFold    = 16 << 20 // characters in the ranges of sets of an expression that ignores case
	maxScratch = 1 << 20  // bytes of each kind of scratch that a Machine keeps after Shrink
)

// Error is what is wrong with an expression or a replacement.
type Error struct {
	Col int // the column that Source gives for the place
	Msg string
}

// Error writes the column and the message.
func (e *Error) Error() string { return fmt.Sprintf("column %d: %s", e.Col, e.Msg) }

// Source is text with the place that each of its characters comes from, so that an error names a column of what a
// person wrote even where the expression was made from it.
type Source struct {
	Runes []rune
	Cols  []int // for each of Runes
	End   int   // column just behind the text
}

// NewSource returns text whose first character stands at column col.
func NewSource(text string, col int) Source {
	var s Source
	s.Copy(col, []rune(text))
	s.End = col + len(s.Runes)
	return s
}

// Add appends text that stands for what was written at col.
func (s *Source) Add(col int, text string) {
	for _, r := range text {
		s.Runes = append(s.Runes, r)
		s.Cols = append(s.Cols, col)
	}
}

// Copy appends text as it was written, its first character at col.
func (s *Source) Copy(col int, text []rune) {
	for i, r := range text {
		s.Runes = append(s.Runes, r)
		s.Cols = append(s.Cols, col+i)
	}
}

// Col returns the column of the i-th character, or End behind the last.
func (s *Source) Col(i int) int {
	if i < len(s.Cols) {
		return s.Cols[i]
	}
	return s.End
}

// cursor is a place in a source.
type cursor struct {
	in  Source
	pos int
}

// peek returns the character at pos, or -1 at the end.
func (c *cursor) peek() rune {
	if c.pos < len(c.in.Runes) {
		return c.in.Runes[c.pos]
	}
	return -1
}

func (c *cursor) accept(r rune) bool {
	if c.peek() == r {
		c.pos++
		return true
	}
	return false
}

func (c *cursor) fail(at int, format string, args ...any) *Error {
	return &Error{c.in.Col(at), fmt.Sprintf(format, args...)}
}

// Hint is something legal that is rarely meant.
type Hint int

// The hints.
const (
	HintChoice Hint = iota // a | outside a group, once
	HintBraces             // {a,b}, which is plain text
)

// Names collects the names of groups in the order in which they were read. Pieces of one expression share one, so that
// no name is given twice.
type Names struct {
	List []string
}

func (n *Names) index(name string) int {
	for i, other := range n.List {
		if other == name {
			return i
		}
	}
	return -1
}

// Options says how an expression is read. The zero value is ready.
type Options struct {
	Names    *Names                   // nil: the names of groups are forgotten
	Noun     string                   // what messages call a named group; empty: group
	Numbered bool                     // groups without a name capture too
	Verbose  bool                     // flag x, which lets an expression hold blanks and comments, is accepted
	Whole    bool                     // a match must end where the text does
	Hint     func(hint Hint, col int) // nil: nobody asks
}

// Tree is a parsed expression.
type Tree struct {
	Text string // the expression in RE2's syntax; Regexp.String would make it from Re, but takes long
	Re   *syntax.Regexp
	// Groups tells for each captured group, from the first, which of Options.Names it is; -1: it has none.
	Groups []int
	Size   int // instructions that it compiles to at most
}

// Parse reads an expression.
func Parse(in Source, o Options) (*Tree, *Error) {
	if o.Names == nil {
		o.Names = &Names{}
	}
	if o.Noun == "" {
		o.Noun = "group"
	}
	t := &translator{cursor: cursor{in: in}, Options: o}
	text, perr := t.translate()
	if perr != nil {
		return nil, perr
	}
	if o.Whole {
		text = "(?:" + text + `)\z`
	}
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		code := "the expression is refused"
		if e, ok := err.(*syntax.Error); ok {
			code = e.Code.String()
		}
		return nil, &Error{in.Col(0), "too expensive: " + code}
	}
	shareClasses(re)
	n := size(re)
	if n > MaxProgram {
		return nil, &Error{in.Col(0), fmt.Sprintf("too expensive: the pattern compiles to more than %d instructions", MaxProgram)}
	}
	return &Tree{text, re, t.groups, n}, nil
}

// IsSpace reports whether Python's str.isspace holds, by which str.strip and \s go too.
func IsSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}
