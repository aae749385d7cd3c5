package node

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// requestPatience is how long the messages of one request may take together.
const requestPatience = 30 * time.Second

// ServeHTTP answers the messages in the body of a request, see [Node.Answer].
// Each reply leaves when it is made: a body of small messages asks for many times
// its length.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	w.Header().Set("Content-Type", "application/json")
	switch {
	case errors.As(err, &large):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		s := session{node: n}
		w.Write(s.appendRefusal(nil, &message{}, bad("the body is longer than %d bytes", large.Limit)))
		return
	case err != nil:
		panic(http.ErrAbortHandler) // the client has gone
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestPatience)
	defer cancel()
	if n.Answer(ctx, w, body) != nil {
		panic(http.ErrAbortHandler)
	}
}
