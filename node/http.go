package node

import (
	"errors"
	"io"
	"net/http"
)

// ServeHTTP answers the messages in the body of a request, see [Node.Answer].
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		panic(http.ErrAbortHandler) // the client has gone
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(n.Answer(r.Context(), body))
}
