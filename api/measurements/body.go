package measurements

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/klauspost/compress/gzip"

	"github.com/coalesce-metrics/coalesce/api"
)

// read reads the body of a request, unpacked, into b.body. An error is a *failure
// or an *http.MaxBytesError.
func (b *batch) read(r *http.Request, limit int64) error {
	zipped, err := api.Zipped(r)
	if err != nil {
		return badRequest(http.StatusUnsupportedMediaType, "%s", err)
	}
	if !zipped {
		b.body, err = readAll(b.body, r.Body, limit)
		return err
	}
	// Some clients say gzip also where there is no body.
	if b.packed, err = readAll(b.packed, r.Body, limit); err != nil || len(b.packed) == 0 {
		return err
	}
	if b.unzip == nil {
		b.unzip = new(gzip.Reader)
	}
	if err = b.unzip.Reset(bytes.NewReader(b.packed)); err != nil {
		return badRequest(http.StatusBadRequest, "body: not gzip: %s", err)
	}
	b.body, err = readAll(b.body, b.unzip, limit)
	return err
}

// readAll appends all that can be read to dst, up to a limit.
func readAll(dst []byte, from io.Reader, limit int64) ([]byte, error) {
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
			return dst, badRequest(http.StatusBadRequest, "body: %s", err)
		}
	}
}
