package graphite

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/query"
)

// params are the parameters of a request. A value in the form wins over one in
// the query string.
type params struct {
	url, form url.Values
}

func refuse(format string, args ...any) error { return &query.Error{Msg: fmt.Sprintf(format, args...)} }

const formType = "application/x-www-form-urlencoded"

func parseParams(r *http.Request) (params, error) {
	var p params
	var err error
	if p.url, err = parseQuery(r.URL.RawQuery); err != nil {
		return p, refuse("query string: %s", err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 {
		return p, err
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != formType {
		return p, refuse("a body of Content-Type %q; accepted: %s", r.Header.Get("Content-Type"), formType)
	}
	if p.form, err = parseQuery(string(body)); err != nil {
		return p, refuse("form: %s", err)
	}
	return p, nil
}

// parseQuery takes semicolons, which tagged names have, for what they are.
func parseQuery(s string) (url.Values, error) {
	return url.ParseQuery(strings.ReplaceAll(s, ";", "%3B"))
}

// get returns the value of a parameter, or "".
func (p *params) get(key string) string {
	if v := p.form[key]; len(v) > 0 {
		return v[len(v)-1]
	}
	if v := p.url[key]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// all returns every value of a parameter that may be repeated, as key or key[].
func (p *params) all(key string) []string {
	var all []string
	for _, values := range []url.Values{p.url, p.form} {
		all = append(append(all, values[key]...), values[key+"[]"]...)
	}
	return all
}

// has tells whether a parameter is there, even if empty.
func (p *params) has(key string) bool { return p.url.Has(key) || p.form.Has(key) }

// span reads from and until, as of now and tz.
func (p *params) span(now time.Time) (from, until int64, err error) {
	if tz := p.get("tz"); tz != "" {
		loc, err := time.LoadLocation(tz)
		if err != nil {
			return 0, 0, refuse("tz %q is not a time zone; accepted: names such as UTC or Europe/Berlin", tz)
		}
		now = now.In(loc)
	}
	if text := p.get("now"); text != "" {
		t, err := query.ParseTime(text, now)
		if err != nil {
			return 0, 0, refuse("now: %s", err)
		}
		now = time.Unix(t, 0).In(now.Location())
	}
	return query.ParseRange(p.get("from"), p.get("until"), now)
}

// maxDataPoints returns 0 where there is no limit.
func (p *params) maxDataPoints() (int, error) {
	text := p.get("maxDataPoints")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, refuse("maxDataPoints %q; accepted: a whole number of 1 or more", text)
	}
	return n, nil
}
