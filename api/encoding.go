package api

import (
	"fmt"
	"net/http"
	"strings"
)

// Zipped tells whether the body of a request is packed with gzip. Another encoding
// is an error, which says what is accepted.
func Zipped(r *http.Request) (bool, error) {
	switch encoding := r.Header.Get("Content-Encoding"); strings.ToLower(encoding) {
	case "", "identity":
		return false, nil
	case "gzip", "x-gzip":
		return true, nil
	default:
		return false, fmt.Errorf("Content-Encoding %.100q; accepted: gzip, or none", encoding)
	}
}
