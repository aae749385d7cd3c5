package measurements

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/api/openapi/openapitest"
	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/keys"
)

// deskNow is 10 s into a minute.
const deskNow = 1_700_000_050

// desk is the family behind a server, with an aggregator that only notes.
type desk struct {
	*API
	t       testing.TB
	now     int64
	book    *attributes.Book
	server  *api.Server
	streams []aggregator.Stream

	mu     sync.Mutex // guards all below
	got    []aggregator.Measurement
	series []string // that there are
	log    bytes.Buffer
}

func newDesk(t testing.TB, change ...func(*Config, *api.Config)) *desk {
	t.Helper()
	d := &desk{t: t, now: deskNow}
	log := slog.New(slog.NewTextHandler(&d.log, nil))
	var err error
	if d.book, err = attributes.Open(attributes.Config{MaxMetrics: 20, Period: 60, Logger: log}); err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Book: d.book, Stream: d.stream, Add: d.add, Series: d.named, Forget: d.forget, Loaded: func() bool { return true },
		Grace: 10 * time.Second, Past: 2 * time.Hour, Future: 10 * time.Minute,
		MaxBatch: 1000, MaxTags: 50, MaxBody: 5 << 20, MaxTagSets: 1000, MaxSeries: 10_000,
		Agents: []string{"librato-rails", "PapertrailApp"},
		Now:    func() time.Time { return time.Unix(d.now, 5e8) }, Logger: log,
	}
	served := api.Config{Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg, &served)
	}
	d.API = New(cfg)
	served.Routes = d.Routes()
	if d.server, err = api.New(served); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) stream(s aggregator.Stream) (aggregator.StreamID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.Period == 599 {
		return 0, fmt.Errorf("too many ways")
	}
	d.streams = append(d.streams, s)
	return aggregator.StreamID(len(d.streams) - 1), nil
}

func (d *desk) add(ms []aggregator.Measurement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range ms {
		m.Name = bytes.Clone(m.Name)
		d.got = append(d.got, m)
		if name := string(m.Name); !slices.Contains(d.series, name) && len(d.series) < 1000 {
			d.series = append(d.series, name)
		}
	}
}

func (d *desk) named(metric string) (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.series {
		if name, _, _ := strings.Cut(s, ";"); name == metric {
			names = append(names, s)
		}
	}
	return names
}

func (d *desk) forget(_ context.Context, names []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Contains(names, "stuck") {
		return fmt.Errorf("the store is away")
	}
	d.series = slices.DeleteFunc(d.series, func(s string) bool { return slices.Contains(names, s) })
	return nil
}

// taken returns what was handed on since the last call, a line for each.
func (d *desk) taken() (lines []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.got {
		lines = append(lines, fmt.Sprintf("%s @%g %s", m.Name, m.Time-deskNow, cellText(&m.Cell)))
	}
	d.got = nil
	return lines
}

// cellText writes what is in a cell.
func cellText(c *cell.Cell) string {
	if c.Count == 1 && c.Min == c.Sum && c.Max == c.Sum && c.M2 == 0 {
		return fmt.Sprint(c.Sum)
	}
	return fmt.Sprintf("n=%d sum=%g min=%g max=%g m2=%g last=%g", c.Count, c.Sum, c.Min, c.Max, c.M2, c.Last)
}

// ask makes a request; headers are name and value in turn.
func (d *desk) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	d.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return d.serve(r)
}

// serve answers a request, and looks at what every answer must be.
func (d *desk) serve(r *http.Request) *httptest.ResponseRecorder {
	d.t.Helper()
	w := httptest.NewRecorder()
	d.server.ServeHTTP(w, r)
	for _, h := range []string{"X-Librato-RateLimit-Agg", "X-Librato-RateLimit-Std"} {
		if !strings.Contains(w.Header().Get(h), "remaining=") {
			d.t.Errorf("%s %s: %s %q", r.Method, r.URL, h, w.Header().Get(h))
		}
	}
	if w.Code >= 400 && r.Method != http.MethodHead {
		d.checkError(w)
	}
	if w.Code != http.StatusMethodNotAllowed {
		openapitest.Check(d.t, r.Method, r.URL.EscapedPath(), w.Code, w.Header().Get("Content-Type"), w.Body.Bytes())
	}
	return w
}

// checkError looks at the shape of an error.
func (d *desk) checkError(w *httptest.ResponseRecorder) {
	d.t.Helper()
	var e struct {
		Error  *string `json:"error"`
		Errors *struct {
			Params  map[string][]string `json:"params"`
			Request []string            `json:"request"`
			System  []string            `json:"system"`
		} `json:"errors"`
		RequestTime int64 `json:"request_time"`
	}
	dec := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil || e.RequestTime != d.now || (e.Errors == nil) == (e.Error == nil) {
		d.t.Errorf("%d: %s, %v", w.Code, w.Body, err)
		return
	}
	if flat := w.Code == http.StatusTooManyRequests; flat != (e.Error != nil) {
		d.t.Errorf("%d: %s", w.Code, w.Body)
	}
	if e.Errors != nil && len(e.Errors.Params)+len(e.Errors.Request)+len(e.Errors.System) == 0 {
		d.t.Errorf("no reason in %s", w.Body)
	}
}

func (d *desk) post(body string, headers ...string) *httptest.ResponseRecorder {
	d.t.Helper()
	w := d.ask("POST", Path, body, append([]string{"Content-Type", "application/json"}, headers...)...)
	if w.Code == http.StatusAccepted && len(headers) == 0 {
		openapitest.CheckRequest(d.t, "POST", Path, "application/json", []byte(body))
	}
	return w
}

func (d *desk) legacy(body string, headers ...string) *httptest.ResponseRecorder {
	d.t.Helper()
	w := d.ask("POST", MetricsPath, body, append([]string{"Content-Type", "application/json"}, headers...)...)
	if w.Code == http.StatusOK && len(headers) == 0 {
		openapitest.CheckRequest(d.t, "POST", MetricsPath, "application/json", []byte(body))
	}
	return w
}

// balance checks that every measurement is accounted for.
func (d *desk) balance(received uint64) {
	d.t.Helper()
	s := d.Stats()
	n := s.Accepted
	for _, refused := range s.Refused {
		n += refused
	}
	if n != received {
		d.t.Errorf("%d measurements are accounted for, want %d: %+v", n, received, s)
	}
}

func zip(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return b.String()
}

// keyed has the server ask for keys, one for each role, named as it.
func keyed(_ *Config, c *api.Config) {
	var all []keys.Key
	for _, r := range []keys.Role{keys.Read, keys.Ingest, keys.Manage} {
		all = append(all, keys.Key{Name: r.String(), Roles: keys.Roles(0).With(r), Hash: keys.Sum(r.String())})
	}
	c.Keys, _ = keys.NewSet(all)
}
