package graphite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/graphite/wire"
	"github.com/coalesce-metrics/coalesce/query"
)

// params are the parameters of a request. A value in the form wins over one in
// the query string.
type params struct {
	url, form url.Values
	v3        bool   // carbonapi's protobuf is asked for
	message   []byte // and was sent, maybe empty
}

func refuse(format string, args ...any) error { return &query.Error{Msg: fmt.Sprintf(format, args...)} }

const (
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data" // as graphite-web has it when told to use POST
	maxParts      = 10_000                // of a multipart form
)

// parse reads the parameters of r.
func (p *params) parse(r *http.Request) (err error) {
	if p.url, err = api.ParseQuery(r.URL.RawQuery); err != nil {
		return refuse("query string: %s", err)
	}
	p.v3 = wire.AcceptsV3(r.Header["Accept"]) || p.get("format") == wire.V3.String()
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil && !errors.As(err, new(*http.MaxBytesError)):
		return refuse("the body broke off after %d bytes: %s", len(body), err)
	case err != nil || len(body) == 0:
		return err
	}
	kind, attributes, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case kind == formType:
		if p.form, err = api.ParseQuery(string(body)); err != nil {
			return refuse("form: %s", err)
		}
	case kind == multipartType:
		if p.form, err = parseMultipart(body, attributes["boundary"]); err != nil {
			return refuse("form: %s", err)
		}
	case p.v3:
		p.message = body
	default:
		return refuse("a body of Content-Type %.100q; accepted: %s, %s", r.Header.Get("Content-Type"), formType, multipartType)
	}
	p.v3 = p.v3 || p.get("format") == wire.V3.String()
	return nil
}

func parseMultipart(body []byte, boundary string) (url.Values, error) {
	values := url.Values{}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxParts {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil {
			return nil, err
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, err
		}
		values.Add(part.FormName(), string(value))
	}
	return nil, fmt.Errorf("more than %d values", maxParts)
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

// flag reads a parameter that says yes or no.
func (p *params) flag(key string) (bool, error) {
	text := p.get(key)
	if text == "" {
		return false, nil
	}
	is, err := strconv.ParseBool(text)
	if err != nil {
		return false, refuse("%s %.100q; accepted: 1 or 0", key, text)
	}
	return is, nil
}

// pretty tells whether JSON is to be indented.
func (p *params) pretty() bool {
	is, err := p.flag("pretty")
	return is || err != nil // any text will do for Graphite
}

// count reads a whole number above 0; where there is none it is absent.
func (p *params) count(key string, absent int) (int, error) {
	text := p.get(key)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, refuse("%s %.100q; accepted: a whole number of 1 or more", key, text)
	}
	return n, nil
}

// fraction reads a number from 0 to 1; where there is none it is 0.
func (p *params) fraction(key string) (float64, error) {
	text := p.get(key)
	if text == "" {
		return 0, nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x >= 0 && x <= 1) {
		return 0, refuse("%s %.100q; accepted: a number from 0 to 1", key, text)
	}
	return x, nil
}

// asOf returns the parameters now and tz, which are by default what the clock
// has.
func (p *params) asOf(now time.Time) (time.Time, error) {
	if tz := p.get("tz"); tz != "" {
		loc, err := time.LoadLocation(tz)
		if err != nil {
			return now, refuse("tz %.100q is not a time zone; accepted: names such as UTC or Europe/Berlin", tz)
		}
		now = now.In(loc)
	}
	if text := p.get("now"); text != "" {
		t, err := query.ParseTime(text, now)
		if err != nil {
			return now, refuse("now: %s", err)
		}
		now = time.Unix(t, 0).In(now.Location())
	}
	return now, nil
}

// bounds reads from and until where each may be left out; 0 is no bound.
func (p *params) bounds(now time.Time) (from, until int64, err error) {
	if now, err = p.asOf(now); err != nil {
		return 0, 0, err
	}
	for key, t := range map[string]*int64{"from": &from, "until": &until} {
		text := p.get(key)
		if text == "" || text == "-1" || text == "undefined" {
			continue
		}
		if *t, err = query.ParseTime(text, now); err != nil {
			return 0, 0, refuse("%s: %s", key, err)
		}
	}
	if until != 0 && from > until {
		from, until = until, from
	}
	return from, until, nil
}
