package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
)

// Reply answers a request with a value as JSON.
func Reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // for people who read it
	e.Encode(v)
}

// Error is why a request is refused, as its client is told.
type Error struct {
	Status int
	Text   string
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// Errorf returns an *[Error].
func Errorf(status int, format string, args ...any) error {
	return &Error{status, fmt.Sprintf(format, args...)}
}

// BadRequest is Errorf with 400.
func BadRequest(format string, args ...any) error {
	return Errorf(http.StatusBadRequest, format, args...)
}

// Fail answers {"error":…} to a request that err has ended. Only an *[Error] and
// too long a body are the client's fault; anything else is logged, and the client
// told so much.
func Fail(w http.ResponseWriter, r *http.Request, err error, log *slog.Logger) {
	e := AsError(err)
	if e == nil {
		if r.Context().Err() != nil {
			panic(http.ErrAbortHandler) // nobody waits for an answer
		}
		log.Error("a request failed", "path", r.URL.Path, "err", err)
		e = &Error{http.StatusInternalServerError, Failed}
	}
	Reply(w, e.Status, map[string]string{"error": e.Text})
}

// Failed is what clients are told of faults that are not theirs.
const Failed = "the request failed; the log of the daemon has more"

// AsError returns what a client is told of an error that is its fault, nil of
// others.
func AsError(err error) *Error {
	var e *Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &large):
		return &Error{http.StatusRequestEntityTooLarge, fmt.Sprintf("body: more than %d bytes", large.Limit)}
	}
	return nil
}

// Number is written as the shortest decimal; what JSON has no number for is null.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	format := byte('f')
	if x := math.Abs(f); x >= 1e21 || x > 0 && x < 1e-6 {
		format = 'e'
	}
	return strconv.AppendFloat(nil, f, format, -1, 64), nil
}
