// Package stubborn asks HTTP servers that may be held up, for tests.
package stubborn

import (
	"errors"
	"io"
	"net/http"
	"syscall"
	"time"
)

// Transport makes a connection for each request, and asks again when it ends without an
// answer: so it is when the server was held up for longer than it waits for a request,
// and when it refuses a body before it is sent and the answer is lost on the way.
type Transport struct{ http.Transport }

// Client returns a client that gives up after a while.
func Client(patience time.Duration) *http.Client {
	return &http.Client{Transport: &Transport{http.Transport{DisableKeepAlives: true}}, Timeout: patience}
}

const attempts = 20

func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	for n := 1; ; n++ {
		resp, err := t.Transport.RoundTrip(r)
		if !cut(err) || n == attempts || r.Body != nil && r.GetBody == nil {
			return resp, err
		}
		r = r.Clone(r.Context())
		if r.GetBody != nil {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// cut says whether a connection has ended before its time.
func cut(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
