package measurements

import (
	"errors"
	"math"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/cell"
)

// postMeasurements answers POST /v1/measurements: all measurements are taken, or
// none.
func (a *API) postMeasurements(w http.ResponseWriter, r *http.Request) {
	if kind := contentType(r); kind != "" && kind != "application/json" {
		a.requests.Add(1)
		a.malformed.Add(1)
		a.fail(w, r, badRequest(http.StatusUnsupportedMediaType, "Content-Type %.100q; accepted: application/json", kind))
		return
	}
	if a.ingest(w, r, func(b *batch) error { return b.parseJSON(false, a.cfg.MaxBatch) }) {
		w.WriteHeader(http.StatusAccepted)
	}
}

// postLegacy answers POST /v1/metrics, with the same all or nothing.
func (a *API) postLegacy(w http.ResponseWriter, r *http.Request) {
	if a.ingest(w, r, func(b *batch) error {
		if isForm(r, b.body) {
			return b.parseForm(a.cfg.MaxBatch)
		}
		return b.parseJSON(true, a.cfg.MaxBatch)
	}) {
		w.WriteHeader(http.StatusOK)
	}
}

// contentType returns the kind of a body in lower case, without parameters.
func contentType(r *http.Request) string {
	text := r.Header.Get("Content-Type")
	if kind, _, err := mime.ParseMediaType(text); err == nil {
		return kind
	}
	return strings.ToLower(text)
}

// isForm reports whether a body is a form. What begins as an object of JSON is
// none, whatever a tool says that calls every body a form.
func isForm(r *http.Request, body []byte) bool {
	return contentType(r) == "application/x-www-form-urlencoded" && !startsObject(body)
}

func startsObject(body []byte) bool {
	for _, c := range body {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == '{'
		}
	}
	return false
}

// ingest takes the measurements of a request, or answers why not.
func (a *API) ingest(w http.ResponseWriter, r *http.Request, parse func(*batch) error) bool {
	a.requests.Add(1)
	b := a.batches.Get().(*batch)
	defer func() {
		b.reset()
		a.batches.Put(b)
	}()
	b.agent = r.UserAgent()
	var err error
	if b.body, err = b.reader.Read(r, a.cfg.MaxBody); err == nil {
		if err = parse(b); err != nil {
			err = badRequest(http.StatusBadRequest, "body: %s", err)
		}
	}
	if err != nil {
		a.malformed.Add(1)
		a.fail(w, r, err)
		return false
	}
	if refused := a.take(b); refused != nil {
		a.refused[refused.why].Add(uint64(b.total))
		a.fail(w, r, refused.failure)
		return false
	}
	a.accepted.Add(uint64(b.total))
	return true
}

// take hands the measurements of a request on, or says why it has handed on none.
func (a *API) take(b *batch) *refusal {
	switch {
	case b.bad != nil:
		return b.bad
	case b.total > len(b.items):
		return b.tooMany(a.cfg.MaxBatch)
	case b.total == 0:
		return &refusal{Invalid, badRequest(http.StatusBadRequest, "there are no measurements; accepted: 1 to %d", a.cfg.MaxBatch)}
	}
	now := a.cfg.Now()
	a.gate.RLock()
	defer a.gate.RUnlock()
	if a.closed {
		return &refusal{Stopping, stopping}
	}
	if r := a.convert(b, float64(now.UnixNano())/1e9); r != nil {
		return r
	}
	if full := a.tagSets.admit(b, now.Unix()); full != nil {
		a.limited.Add(1)
		return &refusal{TagSets, badRequest(http.StatusTooManyRequests,
			"the metric %q, or all together, have too many combinations of tags in this hour; accepted: %d, together %d", full.Name, a.cfg.MaxTagSets, a.cfg.MaxSeries)}
	}
	r := a.know(b)
	if r == nil {
		r = a.assign(b)
	}
	if r != nil {
		a.tagSets.withdraw(b)
		return r
	}
	a.cfg.Add(b.ready)
	return nil
}

var stopping = &failure{status: http.StatusServiceUnavailable, system: []string{"the daemon is stopping"}}

// know makes the new metrics of a batch known.
func (a *API) know(b *batch) *refusal {
	if len(b.news) == 0 {
		return nil
	}
	err := a.cfg.Book.Create(b.news)
	var e *attributes.Error
	switch {
	case err == nil:
	case errors.As(err, &e) && e.Kind == attributes.Full:
		return &refusal{Metrics, badRequest(http.StatusForbidden, "%s", e)}
	default:
		return &refusal{Failed, &failure{status: http.StatusInternalServerError, system: []string{err.Error()}}}
	}
	// Another request may have made one of them meanwhile, in another spelling.
	b.metrics = a.cfg.Book.Find(b.metrics[:0], b.names)
	for i, m := range b.metrics {
		copy(b.ready[i].Name, m.Name)
	}
	return nil
}

// assign says how the series of each measurement is kept.
func (a *API) assign(b *batch) *refusal {
	for i, m := range b.metrics {
		id, err := a.streams.of(m)
		if err != nil {
			a.cfg.Logger.Error("measurements cannot be taken", "metric", m.Name, "err", err)
			return &refusal{Failed, &failure{status: http.StatusInternalServerError, system: []string{err.Error()}}}
		}
		t := &b.ready[i]
		t.Stream = id
		if m.Aggregated() {
			t.Time -= math.Mod(t.Time, float64(m.Period))
		}
	}
	return nil
}

// streams knows the aggregator's numbers of the ways in which series are kept. Each
// is that of the aggregator plus one, and 0 until it is known.
type streams struct {
	open  func(aggregator.Stream) (aggregator.StreamID, error)
	grace float64

	added  [attributes.MaxAggregated + 1][attributes.NumSummaries]atomic.Uint32 // by period
	single [2]atomic.Uint32                                                     // by type of metric
}

func (s *streams) of(m *attributes.Metric) (aggregator.StreamID, error) {
	p := &s.single[m.Type]
	if m.Aggregated() {
		p = &s.added[m.Period][m.Attributes.Summary]
	}
	if id := p.Load(); id > 0 {
		return aggregator.StreamID(id - 1), nil
	}
	id, err := s.open(s.streamOf(m))
	if err == nil {
		p.Store(uint32(id) + 1)
	}
	return id, err
}

// streamOf returns how the series of a metric are kept.
func (s *streams) streamOf(m *attributes.Metric) aggregator.Stream {
	switch {
	case m.Aggregated():
		return aggregator.Stream{
			Period: m.Period, Method: m.Attributes.Summary.Method(), Emit: true, Grace: min(float64(m.Period), s.grace),
		}
	case m.Type == attributes.Counter:
		return aggregator.Stream{Period: 1, Method: cell.Last, Replace: true}
	}
	return aggregator.Stream{Period: 1, Method: cell.Avg, Replace: true}
}
