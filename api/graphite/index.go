package graphite

import (
	"bufio"
	"net/http"

	"github.com/coalesce-metrics/coalesce/api/graphite/wire"
)

// indexBuffer is how many bytes of an index are written at once.
const indexBuffer = 64 << 10

// index answers /metrics/index.json. There may be more names than should be in
// memory twice, so they are written as they are found.
func (h *handler) index(c *call) error {
	function, err := c.callback()
	if err != nil {
		return err
	}
	before, comma, after, contentType := "[", ",", "]", "application/json"
	if c.pretty() {
		before, comma, after = "[\n  ", ",\n  ", "\n]"
	}
	if function != "" {
		before, after, contentType = function+"("+before, after+")", "text/javascript"
		c.w.Header().Set("X-Content-Type-Options", "nosniff")
	}
	c.w.Header().Set("Content-Type", contentType)
	c.w.Header().Set("Cache-Control", "no-cache")
	w := bufio.NewWriterSize(c.w, indexBuffer)
	w.WriteString(before)
	var text []byte
	h.cfg.Names.Index(func(name string) bool {
		text = wire.AppendString(text, name)
		_, err = w.Write(text)
		text = append(text[:0], comma...)
		return err == nil
	})
	w.WriteString(after)
	if err := w.Flush(); err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	return nil
}
