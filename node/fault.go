package node

import (
	"context"
	"errors"
	"fmt"
)

// Codes of error replies. All but crash say that nothing was changed.
const (
	notSupported = 10
	unavailable  = 11
	malformed    = 12
	crash        = 13
	doesNotExist = 20
)

// fault is an error reply.
type fault struct {
	code int
	text string
}

func (f *fault) Error() string { return f.text }

func faultf(code int, format string, args ...any) *fault {
	return &fault{code, fmt.Sprintf(format, args...)}
}

// bad is a fault of the request.
func bad(format string, args ...any) *fault { return faultf(malformed, format, args...) }

// faultOf returns the error reply for what went wrong while reading.
func (n *Node) faultOf(err error) *fault {
	var f *fault
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, ErrLoading):
		return faultf(unavailable, "%s; try again later", ErrLoading)
	case errors.Is(err, context.DeadlineExceeded):
		return faultf(unavailable, "no answer within %s; try again, or a shorter time_range", n.cfg.Patience)
	case errors.Is(err, context.Canceled):
		return faultf(unavailable, "stopping; try again later")
	}
	n.cfg.Logger.Error("a query failed", "err", err)
	return faultf(crash, "internal failure: %s", err)
}

// clip returns the beginning of b, for messages.
func clip(b []byte) []byte { return b[:min(len(b), 64)] }
