package functions

import "fmt"

// Error is what is wrong with a target that can be parsed, written for whoever
// made it.
type Error struct {
	Msg string
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

func refuse(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }
