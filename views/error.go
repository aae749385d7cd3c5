package views

import "fmt"

// Kind says what is wrong.
type Kind int

// The kinds of errors.
const (
	Invalid  Kind = iota // a definition is wrong
	Conflict             // a name is taken
	Full                 // there are as many as there may be
	Unknown              // nothing has the name
	Fixed                // it is of the configuration, or is needed
	Unsaved              // the disk does not take it; it may be tried again
)

// Error is why a change was not made.
type Error struct {
	Kind Kind
	// Of is "measure" or "view", Index where the definition is in what was to be
	// registered, and Field what of it is wrong, such as "name"; "" is none.
	Of    string
	Index int
	Field string
	Msg   string // one sentence; it names what is wrong, and what is accepted
}

func (e *Error) Error() string { return e.Msg }

func fault(kind Kind, field, format string, args ...any) *Error {
	return &Error{Kind: kind, Field: field, Msg: fmt.Sprintf(format, args...)}
}

const (
	ofMeasure = "measure"
	ofView    = "view"
)

// at says which definition an error is about.
func (e *Error) at(of string, i int) *Error {
	e.Of, e.Index = of, i
	return e
}
