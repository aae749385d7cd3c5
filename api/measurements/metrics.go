package measurements

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/jsonscan"
)

// all answers /v1/metrics.
func (a *API) all(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		a.postLegacy(w, r)
	case http.MethodPut:
		a.do(w, r, a.updateAll)
	case http.MethodDelete:
		a.do(w, r, a.deleteAll)
	default:
		a.do(w, r, a.list)
	}
}

// one answers for one metric.
func (a *API) one(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPut:
		a.do(w, r, a.put)
	case http.MethodDelete:
		a.do(w, r, a.deleteOne)
	default:
		a.do(w, r, a.get)
	}
}

// do answers with what f returns: a status and a body, if it has one, or an error.
func (a *API) do(w http.ResponseWriter, r *http.Request, f func(*http.Request) (status int, body any, err error)) {
	status, body, err := f(r)
	if err != nil {
		a.fail(w, r, told(err))
		return
	}
	if status == http.StatusCreated {
		w.Header().Set("Location", MetricsPath+"/"+body.(*attributes.Metric).Name)
	}
	if body == nil {
		w.WriteHeader(status)
		return
	}
	api.Reply(w, status, body)
}

var statuses = map[attributes.Kind]int{
	attributes.Unknown:  http.StatusNotFound,
	attributes.Conflict: http.StatusUnprocessableEntity,
	attributes.Full:     http.StatusForbidden,
}

// told returns what a client is told of an error of the book.
func told(err error) error {
	var e *attributes.Error
	var problems attributes.Problems
	switch {
	case errors.As(err, &problems):
		f := &failure{status: http.StatusBadRequest, params: map[string][]string{}}
		for _, p := range problems {
			f.params[p.Property] = append(f.params[p.Property], p.Text)
		}
		return f
	case errors.As(err, &e) && e.Kind == attributes.Unsaved:
		return &failure{status: http.StatusInternalServerError, system: []string{e.Error()}}
	case errors.As(err, &e):
		return badRequest(statuses[e.Kind], "%s", e)
	}
	return err
}

// maxPage is how many metrics are listed at once, unless fewer are asked for.
const maxPage = 100

// listed is the answer.
type listed struct {
	Query struct {
		Found  int `json:"found"`
		Length int `json:"length"`
		Offset int `json:"offset"`
		Total  int `json:"total"`
	} `json:"query"`
	Metrics []*attributes.Metric `json:"metrics"`
}

// list answers with those metrics that are asked for.
func (a *API) list(r *http.Request) (int, any, error) {
	form := r.URL.Query()
	l := attributes.List{Contains: form.Get("name"), Length: maxPage}
	for _, p := range []struct {
		name string
		n    *int
	}{{"offset", &l.Offset}, {"length", &l.Length}} {
		text := form.Get(p.name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return 0, nil, badParam(p.name, "%.100q; accepted: a whole number from 0", text)
		}
		*p.n = int(n)
	}
	l.Length = min(l.Length, maxPage)
	if by := form.Get("orderby"); by != "" && by != "name" {
		return 0, nil, badParam("orderby", "%.100q; accepted: name", by)
	}
	switch sort := form.Get("sort"); sort {
	case "", "asc":
	case "desc":
		l.Descending = true
	default:
		return 0, nil, badParam("sort", "%.100q; accepted: asc or desc", sort)
	}
	found := a.cfg.Book.List(l)
	p := listed{Metrics: append([]*attributes.Metric{}, found.Metrics...)}
	p.Query.Found, p.Query.Length, p.Query.Offset, p.Query.Total = found.Found, len(found.Metrics), l.Offset, found.Total
	return http.StatusOK, p, nil
}

func (a *API) get(r *http.Request) (int, any, error) {
	name := r.PathValue("name")
	m := a.cfg.Book.Get(name)
	if m == nil {
		return 0, nil, noMetric(name)
	}
	return http.StatusOK, m, nil
}

func noMetric(name string) error {
	return badRequest(http.StatusNotFound, "there is no metric %.300q", name)
}

// put changes or makes one metric.
func (a *API) put(r *http.Request) (int, any, error) {
	name := r.PathValue("name")
	q, err := a.asked(r)
	if err != nil {
		return 0, nil, err
	}
	a.gate.Lock()
	defer a.gate.Unlock()
	if a.closed {
		return 0, nil, stopping
	}
	if a.cfg.Book.Get(name) == nil {
		a.sign(q.change, r.UserAgent())
	}
	m, created, err := a.cfg.Book.Put(name, q.change)
	switch {
	case err != nil:
		return 0, nil, err
	case created:
		return http.StatusCreated, m, nil
	}
	return http.StatusNoContent, nil, nil
}

// updateAll changes several metrics.
func (a *API) updateAll(r *http.Request) (int, any, error) {
	q, err := a.asked(r)
	if err != nil {
		return 0, nil, err
	}
	a.gate.Lock()
	defer a.gate.Unlock()
	if a.closed {
		return 0, nil, stopping
	}
	names, err := a.named(q)
	if err == nil {
		err = a.cfg.Book.Update(names, q.change)
	}
	return http.StatusNoContent, nil, err
}

func (a *API) deleteOne(r *http.Request) (int, any, error) {
	m := a.cfg.Book.Get(r.PathValue("name"))
	if m == nil {
		return 0, nil, noMetric(r.PathValue("name"))
	}
	return a.remove(r, []string{m.Name})
}

// deleteAll removes several metrics.
func (a *API) deleteAll(r *http.Request) (int, any, error) {
	q, err := a.asked(r)
	if err != nil {
		return 0, nil, err
	}
	names, err := a.named(q)
	if err != nil {
		return 0, nil, err
	}
	return a.remove(r, names)
}

var loading = &failure{status: http.StatusServiceUnavailable, system: []string{"the series in the store are not known yet; try again soon"}}

// remove removes metrics with their data. What is deleted takes long; only what has
// come in meanwhile is deleted while nothing else can come in.
func (a *API) remove(r *http.Request, names []string) (int, any, error) {
	if !a.cfg.Loaded() {
		return 0, nil, loading
	}
	if err := a.forget(r, names); err != nil {
		return 0, nil, err
	}
	a.gate.Lock()
	defer a.gate.Unlock()
	if a.closed {
		return 0, nil, stopping
	}
	err := a.forget(r, names)
	if err == nil {
		err = a.cfg.Book.Delete(names)
	}
	if err == nil {
		a.tagSets.forget(names)
	}
	return http.StatusNoContent, nil, err
}

// forget deletes what is kept of metrics.
func (a *API) forget(r *http.Request, names []string) error {
	var series []string
	for _, name := range names {
		series = append(series, a.cfg.Series(name)...)
	}
	if len(series) == 0 {
		return nil
	}
	return a.cfg.Forget(r.Context(), series)
}

// question is what is asked about several metrics.
type question struct {
	names, exclude []string // with *
	patterns       int      // how many of them have one
	change         attributes.Change
	bad            *failure
}

// asked reads what a PUT or DELETE has in its body, or without one, in its query.
func (a *API) asked(r *http.Request) (*question, error) {
	body, err := new(api.Body).Read(r, a.cfg.MaxBody)
	if err != nil {
		return nil, err
	}
	q := &question{change: attributes.Change{}}
	switch {
	case len(body) == 0:
		err = formProperties(r.URL.RawQuery, q.change, q.add)
	case isForm(r, body):
		err = formProperties(string(body), q.change, q.add)
	case !startsObject(body):
		err = errors.New(`no JSON object; accepted: such as {"period":60,"attributes":{"aggregate":true}}`)
	default:
		s := new(jsonscan.Scanner)
		s.Reset(body)
		parseProperties(s, "", q.change, func(key string) { q.scanNames(s, key) })
		err = s.End()
	}
	switch {
	case err != nil:
		return nil, badRequest(http.StatusBadRequest, "body: %s", err)
	case q.bad != nil:
		return nil, q.bad
	}
	return q, nil
}

// Each name with * is compared with all metrics, while nothing is taken.
const (
	maxPatterns = 100
	maxPattern  = 255 // bytes, as many as a name has
)

func (q *question) add(key, name string) {
	if strings.Contains(name, "*") {
		q.patterns++
		switch {
		case len(name) > maxPattern:
			q.bad = badParam(key, "has a name with * of %d bytes; accepted: at most %d", len(name), maxPattern)
		case q.patterns > maxPatterns:
			q.bad = badParam(key, "has one name with * too many; accepted: %d, those of names and exclude together", maxPatterns)
		}
	}
	if key == "names" {
		q.names = append(q.names, name)
	} else {
		q.exclude = append(q.exclude, name)
	}
}

// scanNames reads names: a text, or an array of such.
func (q *question) scanNames(s *jsonscan.Scanner, key string) {
	one := func() {
		if s.Kind() == jsonscan.Text {
			q.add(key, string(s.Text()))
			return
		}
		q.bad = badParam(key, "has what is no text: %.100s", s.Skip())
	}
	switch s.Kind() {
	case jsonscan.Array:
		for s.Array(); s.More(); {
			one()
		}
	case jsonscan.Null:
		s.Null()
	default:
		one()
	}
}

// named returns the metrics that are asked about.
func (a *API) named(q *question) ([]string, error) {
	if len(q.names) == 0 {
		return nil, badParam("names", `is missing; accepted: names, or one with *, such as ["cpu","disk.*"]`)
	}
	excluded := map[string]bool{}
	for _, pattern := range q.exclude {
		for _, m := range a.cfg.Book.Match(pattern) {
			excluded[m.Name] = true
		}
	}
	var names []string
	for _, pattern := range q.names {
		found := a.cfg.Book.Match(pattern)
		if len(found) == 0 && !strings.Contains(pattern, "*") {
			return nil, noMetric(pattern)
		}
		for _, m := range found {
			if !excluded[m.Name] {
				excluded[m.Name] = true // once
				names = append(names, m.Name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}
