package windows

import (
	"cmp"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/query"
)

// windows answers /v1/windows and all below it.
func (a *API) windows(w http.ResponseWriter, r *http.Request) {
	name := strings.Trim(strings.TrimPrefix(r.URL.Path, "/v1/windows"), "/")
	if name == "" {
		a.list(w)
		return
	}
	i := slices.IndexFunc(a.cfg.Windows, func(w Window) bool { return w.Name == name })
	if i < 0 {
		a.fail(w, r, api.BadRequest("invalid window size: %.100s", name))
		return
	}
	q, err := parse(r.URL.RawQuery, &a.cfg.Windows[i], a.cfg.Now())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	streams, _, err := a.cfg.Streams(r.Context(), q.metric, q.step, q.start, q.end)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	api.Reply(w, http.StatusOK, q.rows(streams))
}

// listed is a window as /v1/windows shows it, times in seconds.
type listed struct {
	Name      string `json:"name"`
	Span      int64  `json:"span"`
	Step      int64  `json:"step"`
	Points    int64  `json:"points"`
	Retention int64  `json:"retention"`
}

func (a *API) list(w http.ResponseWriter) {
	all := []listed{}
	for _, x := range a.cfg.Windows {
		all = append(all, listed{
			x.Name, int64(x.Span.Seconds()), int64(x.Step.Seconds()), int64(x.Span / x.Step), int64(x.Retention.Seconds()),
		})
	}
	api.Reply(w, http.StatusOK, all)
}

// request asks for the cells of a metric.
type request struct {
	metric     string
	tags       map[string]string
	step       int64
	start, end int64 // half-open, start a multiple of step
	merge      bool
}

func parse(text string, w *Window, now time.Time) (*request, error) {
	values, err := api.ParseQuery(text)
	if err != nil {
		return nil, api.BadRequest("query string: %s", err)
	}
	q := &request{metric: values.Get("metric"), tags: map[string]string{}, step: int64(w.Step.Seconds())}
	if q.metric == "" {
		return nil, api.BadRequest("metric is missing; accepted: the name of a metric without its tags")
	}
	for _, pair := range values["tag"] {
		key, value, ok := strings.Cut(pair, ":")
		if !ok || key == "" {
			return nil, api.BadRequest("tag %.100q; accepted: key:value", pair)
		}
		if before, ok := q.tags[key]; ok && before != value {
			return nil, api.BadRequest("tag %.100q cannot be both %.100q and %.100q", key, before, value)
		}
		q.tags[key] = value
	}
	// The cell under way starts before now.
	if q.end, err = instant(values.Get("end"), "end", now.Unix()+1); err != nil {
		return nil, err
	}
	if q.start, err = instant(values.Get("start"), "start", q.end-int64(w.Span.Seconds())); err != nil {
		return nil, err
	}
	if q.start >= q.end {
		return nil, api.BadRequest("start %d is not before end %d", q.start, q.end)
	}
	q.start -= ((q.start % q.step) + q.step) % q.step
	switch m := values.Get("merge"); m {
	case "", "0":
	case "1":
		q.merge = true
	default:
		return nil, api.BadRequest("merge %.100q; accepted: 0 or 1", m)
	}
	return q, nil
}

// The seconds that a time may be: years 0 to 9999.
const minSecond, maxSecond = -62167219200, 253402300799

// instant reads Unix seconds or RFC 3339 with a zone.
func instant(text, key string, absent int64) (int64, error) {
	if text == "" {
		return absent, nil
	}
	sec := math.NaN()
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		sec = math.Ceil(f) // a cell that starts within the second before is not meant
	} else if t, err := time.Parse(time.RFC3339Nano, strings.ReplaceAll(text, " ", "+")); err == nil {
		sec = math.Ceil(float64(t.UnixNano()) / 1e9)
		if t.Year() < 1700 || t.Year() > 2200 { // UnixNano does not hold them
			sec = float64(t.Unix())
		}
	}
	if !(sec >= minSecond && sec <= maxSecond) {
		return 0, api.BadRequest("%s %.100q; accepted: Unix seconds, or RFC 3339 with a zone such as 2026-01-02T03:04:05Z", key, text)
	}
	return int64(sec), nil
}

// row is one cell as it is shown.
type row struct {
	Timestamp int64             `json:"timestamp"`
	Min       *api.Number       `json:"min_value"`
	Max       *api.Number       `json:"max_value"`
	Avg       *api.Number       `json:"avg_value"`
	Sum       *api.Number       `json:"sum_value"`
	Count     int64             `json:"count"`
	Tags      map[string]string `json:"tags"`
	series    string
}

func value(f float64) *api.Number { n := api.Number(f); return &n }

// rows returns the cells in range, by time and then by series.
func (q *request) rows(streams []query.Stream) []row {
	streams = slices.DeleteFunc(streams, func(s query.Stream) bool { return !contains(s.Tags, q.tags) })
	rows := []row{}
	add := func(cells []archive.Bucket, tags map[string]string, series string) {
		for i := range cells {
			c := &cells[i].Cell
			if start := cells[i].Start; start < q.start || start >= q.end || c.Count == 0 {
				continue
			}
			rows = append(rows, row{cells[i].Start, value(c.Min), value(c.Max), value(c.Mean()), value(c.Total()), c.Count, tags, series})
		}
	}
	if q.merge {
		if len(streams) > 0 {
			add(query.Merge(q.step, streams...), common(streams), "")
		}
	} else {
		for _, s := range streams {
			add(query.Merge(q.step, s), s.Tags, s.Name)
		}
	}
	slices.SortStableFunc(rows, func(x, y row) int {
		return cmp.Or(cmp.Compare(x.Timestamp, y.Timestamp), cmp.Compare(x.series, y.series))
	})
	return rows
}

func contains(tags, wanted map[string]string) bool {
	for key, v := range wanted {
		if got, ok := tags[key]; !ok || got != v {
			return false
		}
	}
	return true
}

// common returns the tags that all streams share.
func common(streams []query.Stream) map[string]string {
	shared := maps.Clone(streams[0].Tags)
	for _, s := range streams[1:] {
		maps.DeleteFunc(shared, func(key, value string) bool { return s.Tags[key] != value })
	}
	return shared
}
