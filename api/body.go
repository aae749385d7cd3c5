package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Body reads bodies of requests into memory that it uses again. Its zero value is
// ready for use.
type Body struct {
	packed, text []byte
	unzip        *gzip.Reader
}

// Read returns the body of a request, unpacked, of at most limit bytes. It is the
// caller's until the next Read. An error is the client's fault, see [Fail].
func (b *Body) Read(r *http.Request, limit int64) ([]byte, error) {
	var err error
	switch encoding := r.Header.Get("Content-Encoding"); strings.ToLower(encoding) {
	case "", "identity":
		b.text, err = appendAll(b.text[:0], r.Body, limit)
		return b.text, err
	case "gzip", "x-gzip":
	default:
		return nil, Errorf(http.StatusUnsupportedMediaType, "Content-Encoding %.100q; accepted: gzip, or none", encoding)
	}
	// Some clients say gzip also where there is no body.
	if b.packed, err = appendAll(b.packed[:0], r.Body, limit); err != nil || len(b.packed) == 0 {
		return nil, err
	}
	if b.unzip == nil {
		b.unzip = new(gzip.Reader)
	}
	if err = b.unzip.Reset(bytes.NewReader(b.packed)); err != nil {
		return nil, BadRequest("body: not gzip: %s", err)
	}
	b.text, err = appendAll(b.text[:0], b.unzip, limit)
	return b.text, err
}

// Cap returns how many bytes of memory wait to be used again.
func (b *Body) Cap() int { return cap(b.packed) + cap(b.text) }

// appendAll appends all that can be read to dst, up to a limit.
func appendAll(dst []byte, from io.Reader, limit int64) ([]byte, error) {
	for {
		dst = slices.Grow(dst, 4<<10)
		n, err := from.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		var large *http.MaxBytesError
		switch {
		case int64(len(dst)) > limit:
			return dst, &http.MaxBytesError{Limit: limit}
		case err == io.EOF:
			return dst, nil
		case errors.As(err, &large):
			return dst, err
		case err != nil:
			return dst, BadRequest("body: %s", err)
		}
	}
}
