package graphite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/coalesce-metrics/coalesce/catalog"
	"github.com/coalesce-metrics/coalesce/query"
)

const (
	// patience is when a request is given up; its client has long done so.
	patience = 30 * time.Second
	// minCompressed is the size in bytes from which an answer is compressed if the
	// client accepts that.
	minCompressed = 4096
)

// call is one request, and the way to answer it.
type call struct {
	params
	w http.ResponseWriter
	r *http.Request
}

// serve makes a handler of a page.
func (h *handler) serve(p page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		c := &call{w: w, r: r.WithContext(ctx)}
		err := c.params.parse(r)
		if err == nil {
			err = p.answer(c)
		}
		if err == nil {
			return
		}
		if r.Context().Err() != nil {
			panic(http.ErrAbortHandler) // nobody waits for an answer
		}
		status, text := h.refusal(c.r, err)
		if p.jsonErrors {
			c.status(status, encode(map[string]string{"error": text}))
		} else {
			http.Error(w, text, status)
		}
	})
}

// refusal says what a request cannot be answered for.
func (h *handler) refusal(r *http.Request, err error) (status int, text string) {
	var request *query.Error
	var names *catalog.Error
	var limit *catalog.LimitError
	var large *http.MaxBytesError
	var missing *notFound
	switch {
	case errors.As(err, &request), errors.As(err, &names), errors.As(err, &limit):
		return http.StatusBadRequest, err.Error()
	case errors.As(err, &missing):
		return http.StatusNotFound, err.Error()
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("a body of more than %d bytes; ask for less at a time", large.Limit)
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, fmt.Sprintf("the request took longer than %v; ask for less", patience)
	}
	h.cfg.Logger.Error("a query failed", "path", r.URL.Path, "err", err)
	return http.StatusInternalServerError, "the query failed; the log of the daemon has more"
}

// notFound is that something of that name is not there.
type notFound struct{ what string }

func (e *notFound) Error() string { return e.what + " not found" }

// write answers with a body.
func (c *call) write(contentType string, body []byte) error {
	head := c.w.Header()
	head.Set("Content-Type", contentType)
	head.Set("Content-Length", strconv.Itoa(len(body)))
	head.Set("Cache-Control", "no-cache")
	c.w.Write(body) // it fails if the client has gone
	return nil
}

// callbacks are the names of functions that an answer may be wrapped in.
var callbacks = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]{0,63}(\.[A-Za-z_$][A-Za-z0-9_$]{0,63}){0,7}$`)

// callback returns the function in which JSON is to be wrapped, or "".
func (c *call) callback() (string, error) {
	name := c.get("jsonp")
	if name != "" && !callbacks.MatchString(name) {
		return "", refuse("jsonp %.100q; accepted: the name of a function, such as jQuery.f1", name)
	}
	return name, nil
}

// json answers with JSON, indented or wrapped as the request has it.
func (c *call) json(body []byte) error {
	function, err := c.callback()
	if err != nil {
		return err
	}
	if c.pretty() {
		body = indent(body)
	}
	if function == "" {
		return c.write("application/json", body)
	}
	c.w.Header().Set("X-Content-Type-Options", "nosniff")
	return c.write("text/javascript", append(append([]byte(function+"("), body...), ')'))
}

// status answers with a status and JSON.
func (c *call) status(status int, body []byte) {
	if c.pretty() {
		body = indent(body)
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	c.w.Write(body)
}

func indent(body []byte) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		panic("graphite: BUG: not JSON: " + err.Error())
	}
	return b.Bytes()
}

// encode writes JSON. <, > and & stay as they are: the answer is no HTML.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("graphite: BUG: what JSON cannot hold: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// compress makes a handler compress long answers for clients that accept it.
var compress = func() func(http.Handler) http.HandlerFunc {
	// zstd is left out because Grafana cannot read it.
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed), gzhttp.CompressionLevel(1), gzhttp.EnableZstd(false))
	if err != nil {
		panic("graphite: BUG: " + err.Error())
	}
	return wrap
}()
