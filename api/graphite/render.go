package graphite

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"strconv"

	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/query"
)

// render answers /render.
func (h *handler) render(w http.ResponseWriter, r *http.Request) {
	p, err := parseParams(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	req, err := h.renderRequest(&p)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	series, err := h.cfg.Fetch(r.Context(), req)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	body := appendJSON(nil, series, p.has("noNullPoints"))
	if p.get("pretty") == "1" {
		var indented bytes.Buffer
		if err := json.Indent(&indented, body, "", "  "); err != nil {
			panic("graphite: BUG: not JSON: " + err.Error())
		}
		body = indented.Bytes()
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

// renderRequest reads what is asked for. Parameters that could change the
// answer and are not supported are refused rather than ignored.
func (h *handler) renderRequest(p *params) (query.Request, error) {
	var req query.Request
	var err error
	switch format := p.get("format"); format {
	case "json":
	case "", "png", "svg", "pdf":
		return req, refuse("image rendering not supported; accepted: format=json")
	default:
		return req, refuse("format %q is not supported; accepted: json", format)
	}
	for _, key := range []string{"jsonp", "xFilesFactor"} {
		if v := p.get(key); v != "" && !(key == "xFilesFactor" && isZero(v)) {
			return req, refuse("%s=%s is not supported; leave it out", key, v)
		}
	}
	if req.Targets = p.all("target"); len(req.Targets) == 0 {
		return req, refuse("target is missing; give the name of an output, as often as needed")
	}
	if req.From, req.Until, err = p.span(h.cfg.Now()); err != nil {
		return req, err
	}
	req.MaxDataPoints, err = p.maxDataPoints()
	return req, err
}

func isZero(s string) bool {
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && f == 0
}

// appendJSON appends the series as Graphite writes them. Without nulls, series
// that have no point left are left out as well.
func appendJSON(dst []byte, series []query.Series, noNulls bool) []byte {
	dst = append(dst, '[')
	empty := len(dst)
	for i := range series {
		s := &series[i]
		before := len(dst)
		if before > empty {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"target":`...)
		dst = appendValue(dst, s.Name)
		dst = append(dst, `,"tags":`...)
		dst = appendValue(dst, s.Tags)
		dst = append(dst, `,"datapoints":[`...)
		var n int
		dst, n = appendPoints(dst, s, noNulls)
		dst = append(dst, "]}"...)
		if noNulls && n == 0 {
			dst = dst[:before]
		}
	}
	return append(dst, ']')
}

// appendPoints appends the points and returns how many.
func appendPoints(dst []byte, s *query.Series, noNulls bool) ([]byte, int) {
	n := 0
	for i, v := range s.Values {
		if noNulls && math.IsNaN(v) {
			continue
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = appendNumber(dst, v)
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, s.Start+int64(i)*s.Step, 10)
		dst = append(dst, ']')
	}
	return dst, n
}

// appendNumber writes what JSON has no number for as Graphite does.
func appendNumber(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "null"...)
	case math.IsInf(v, 1):
		return append(dst, "1e9999"...)
	case math.IsInf(v, -1):
		return append(dst, "-1e9999"...)
	}
	return plaintext.AppendValue(dst, v)
}

// appendValue appends a string, or strings by sorted keys. <, > and & stay as
// they are: the answer is no HTML.
func appendValue(dst []byte, v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("graphite: BUG: a string that JSON cannot hold: " + err.Error())
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
