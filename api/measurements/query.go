package measurements

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/query"
	"github.com/coalesce-metrics/coalesce/query/measured"
)

// QueryConfig is what NewQuery needs.
type QueryConfig struct {
	// Metric returns what is known of a metric, nil for one that is not known.
	Metric func(name string) *attributes.Metric
	// Engine reads the cells.
	Engine *query.Engine
	// Tiers returns the steps at which cells of a period are kept, ascending. Nil is
	// for nothing but what is held.
	Tiers func(period int64) []archive.Tier
	// Loaded says that the series of earlier runs are known.
	Loaded func() bool
	Now    func() time.Time
	// Logger is told of faults that are not the client's.
	Logger *slog.Logger
}

// NewQuery returns the handler of GET /v1/measurements/{metric}. It may be used
// concurrently.
func NewQuery(cfg QueryConfig) http.Handler { return &reader{cfg} }

type reader struct{ cfg QueryConfig }

// ServeHTTP answers one request.
func (d *reader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := d.cfg.Now()
	a, err := d.answer(r, now)
	if err != nil {
		fail(w, r, err, now, d.cfg.Logger)
		return
	}
	api.Reply(w, http.StatusOK, a)
}

// pageLimit is how many points are answered at once.
const pageLimit = 10_000

// answered is the answer.
type answered struct {
	Series     []answeredSeries      `json:"series"`
	Links      []link                `json:"links"`
	Name       string                `json:"name"`
	Resolution int64                 `json:"resolution"`
	Period     int64                 `json:"period"`
	Attributes attributes.Attributes `json:"attributes"`
}

type answeredSeries struct {
	Tags   map[string]string `json:"tags"`
	Points []any             `json:"measurements"`
}

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

func (d *reader) answer(r *http.Request, now time.Time) (*answered, error) {
	m := d.cfg.Metric(r.PathValue("metric"))
	if m == nil {
		return nil, noMetric(r.PathValue("metric"))
	}
	params, err := api.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest(http.StatusBadRequest, "query string: %s", err)
	}
	q, err := parseInquiry(params, m, now.Unix())
	if err != nil {
		return nil, err
	}
	if err := d.available(q, m, now.Unix()); err != nil {
		return nil, err
	}
	loaded := d.cfg.Loaded() // before it is looked
	pick := query.Pick{Take: q.filter}
	if q.grouping != nil {
		pick.Group = q.grouping.Group
	}
	s, err := d.cfg.Engine.Select(r.Context(), m.Name, pick)
	if err != nil {
		return nil, clientError(err)
	}
	defer s.Close()
	if !s.Known && !loaded {
		return nil, loading
	}
	series, next, err := d.read(s, q, now.Unix())
	if err != nil {
		return nil, clientError(err)
	}
	a := &answered{
		Series: make([]answeredSeries, len(series)), Links: []link{},
		Name: m.Name, Resolution: q.resolution, Period: m.Period, Attributes: m.Attributes,
	}
	for i := range series {
		a.Series[i] = answeredSeries{series[i].Tags, shown(&series[i])}
	}
	if next < q.until {
		a.Links = append(a.Links, link{"next", q.next(r.URL.Path, params, next)})
	}
	return a, nil
}

// clientError makes a failure of what is wrong with a request.
func clientError(err error) error {
	var client *query.Error
	if errors.As(err, &client) {
		return badRequest(http.StatusBadRequest, "%s", client.Msg)
	}
	return err
}

// maxPoints is how many points a piece may have at most.
const maxPoints = 4_000_000

// read makes the points. It reads the cells in pieces of time, so that of a range
// that has many pages only about one is read.
func (d *reader) read(s *query.Selection, q *inquiry, now int64) (series []measured.Series, next int64, err error) {
	b := measured.New(measured.Query{
		Resolution: q.resolution, From: q.first, Function: q.function, Grouping: q.grouping,
	})
	step := func(period int64) int64 { return d.step(period, q.resolution, q.first, now) }
	from := q.first
	if q.function.Differs() {
		from = min(from, q.since)
	}
	most := max(1, maxPoints/int64(max(1, s.Len()))) // points of a series in a piece
	points := min(most, max(1, pageLimit/int64(max(1, s.Shown()))))
	for from < q.until && b.Points() <= pageLimit {
		until := q.until
		if little := d.cfg.Tiers == nil || from > now; !little {
			until = min(until, from+points*q.resolution)
		}
		if err := s.Cells(step, from, until, b.Add); err != nil {
			return nil, 0, err
		}
		from, points = until, min(points*4, most)
	}
	series, next = b.Series(from, pageLimit)
	return series, next, nil
}

// next returns the address of the points from a time on.
func (q *inquiry) next(path string, params url.Values, start int64) string {
	params.Set("start_time", strconv.FormatInt(start, 10))
	params.Set("end_time", strconv.FormatInt(q.end, 10))
	params.Del("duration")
	if q.function.Differs() {
		params.Set("since", strconv.FormatInt(min(q.since, q.first), 10))
	}
	u := url.URL{Path: path, RawQuery: params.Encode()}
	return u.String()
}

// tiers returns where cells of a period are found.
func (d *reader) tiers(period int64) []archive.Tier {
	if d.cfg.Tiers == nil {
		return []archive.Tier{{Step: period, Retention: math.MaxInt64 / 4}}
	}
	return d.cfg.Tiers(period)
}

// available chooses the first point of a request, or says why there is none.
func (d *reader) available(q *inquiry, m *attributes.Metric, now int64) error {
	period := int64(1)
	if m.Aggregated() {
		period = m.Period
	}
	if q.resolution == 1 {
		q.resolution = period // as fine as there is
	}
	tiers := d.tiers(period)
	if _, first, ok := choose(tiers, q.resolution, q.start, now); ok {
		q.first = first
		q.since -= q.since % q.resolution
		q.until = q.end - q.end%q.resolution + q.resolution
		return nil
	}
	var steps []string
	for _, t := range tiers {
		if covers(t, q.start, now) {
			steps = append(steps, strconv.FormatInt(t.Step, 10))
		}
	}
	accepted := "a later start"
	if len(steps) > 0 {
		accepted = fmt.Sprintf("multiples of %s, or a later start", strings.Join(steps, ", "))
	}
	return badRequest(http.StatusBadRequest, "no stored tier covers the range since %d at resolution %d; accepted: %s", q.start, q.resolution, accepted)
}

// covers tells whether what holds a time is still there.
func covers(t archive.Tier, start, now int64) bool { return start+t.Step >= now-t.Retention }

// step returns that of the cells which points of series with some period are made of.
func (d *reader) step(period, resolution, first, now int64) int64 {
	if step, _, ok := choose(d.tiers(period), resolution, first, now); ok {
		return step
	}
	return period // of another time: whole where it begins
}

// choose returns the coarsest step from which points of a resolution can be made
// since a time, and when the first of them begins. That is the point which holds
// the time, unless some of its cells have expired.
func choose(tiers []archive.Tier, resolution, start, now int64) (step, first int64, ok bool) {
	first = start - start%resolution
	for _, t := range tiers {
		// A second more, as it may be over before the cells are read.
		if resolution%t.Step == 0 && first+t.Step > now+1-t.Retention {
			step, ok = t.Step, true
		}
	}
	if ok {
		return step, first, true
	}
	for _, t := range tiers {
		if resolution%t.Step == 0 && covers(t, start, now) {
			step, ok = t.Step, true
		}
	}
	return step, first + resolution, ok
}
