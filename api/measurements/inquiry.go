package measurements

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"

	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/query/measured"
)

// inquiry is what a request for measurements asks for. Times are Unix seconds.
type inquiry struct {
	start, end int64 // both inclusive
	resolution int64
	filter     measured.Filter
	function   measured.Function
	grouping   *measured.Grouping

	// first is the time of the first point, until is behind the last; differences
	// are taken from since on. All are multiples of the resolution.
	first, until, since int64
}

// maxResolution is a week, maxSecond the end of the year 9999.
const maxResolution, maxSecond = 604_800, 253_402_300_799

// inputs are the parameters of a request, with what is wrong with them.
type inputs struct {
	url.Values
	wrong map[string][]string
}

func (p *inputs) refuse(key, format string, args ...any) {
	p.wrong[key] = append(p.wrong[key], fmt.Sprintf(format, args...))
}

// whole reads a whole number; where there is none it is absent.
func (p *inputs) whole(key string, least, most, absent int64) int64 {
	text := p.Get(key)
	if text == "" {
		return absent
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		p.refuse(key, "%.100q; accepted: a whole number from %d to %d", text, least, most)
	}
	return n
}

// parseInquiry reads the parameters of a request; those that it does not know are
// not looked at.
func parseInquiry(params url.Values, m *attributes.Metric, now int64) (*inquiry, error) {
	p := &inputs{params, map[string][]string{}}
	q := &inquiry{}
	if q.resolution = p.whole("resolution", 1, maxResolution, 0); q.resolution == 0 && len(p.wrong) == 0 {
		p.refuse("resolution", "is missing; accepted: seconds from 1, which is as fine as there is, to %d", maxResolution)
	}
	p.times(q, now)
	p.filters(q)
	p.functions(q, m)
	if len(p.wrong) > 0 {
		return nil, &failure{status: http.StatusBadRequest, params: p.wrong}
	}
	return q, nil
}

// times reads the range.
func (p *inputs) times(q *inquiry, now int64) {
	const absent = math.MinInt64
	start := p.whole("start_time", 0, maxSecond, absent)
	end := p.whole("end_time", 0, maxSecond, absent)
	duration := p.whole("duration", 1, maxSecond, absent)
	switch {
	case len(p.wrong["start_time"])+len(p.wrong["end_time"])+len(p.wrong["duration"]) > 0:
		return
	case start == absent && duration == absent:
		p.refuse("start_time", "is missing, as is duration; accepted: one of both")
		return
	case start != absent && end != absent && duration != absent:
		p.refuse("duration", "is given beside start_time and end_time; accepted: two of the three")
		return
	case start != absent && duration != absent:
		end = start + duration
	case end == absent:
		end = now
	}
	if start == absent {
		start = max(0, end-duration)
	}
	if start > end {
		p.refuse("start_time", "%d is after end_time %d", start, end)
	}
	q.start, q.end = start, end
	if q.since = p.whole("since", 0, maxSecond, start); q.since > start {
		p.refuse("since", "%d is after start_time %d", q.since, start)
	}
}

// filters reads which streams are asked for.
func (p *inputs) filters(q *inquiry) {
	var err error
	if q.filter, err = measured.ParseTags(p.Values); err != nil {
		p.refuse("tags", "%s", err)
	}
	if !p.Has("tags_search") {
		return
	}
	if q.filter != nil || p.Has("tags") {
		p.refuse("tags_search", "is given beside tags; accepted: one of both")
		return
	}
	if q.filter, err = measured.ParseSearch(p.Get("tags_search")); err != nil {
		p.refuse("tags_search", "%s", err)
	}
}

// functions reads what is made of the streams.
func (p *inputs) functions(q *inquiry, m *attributes.Metric) {
	counter := m.Type == attributes.Counter
	q.function = summaries[m.Attributes.Summary]
	if counter {
		q.function = measured.Increase
	}
	var err error
	if p.Has("summary_function") {
		if q.function, err = measured.ParseFunction(p.Get("summary_function")); err != nil {
			p.refuse("summary_function", "%s", err)
		}
		if counter && q.function == measured.Derivative {
			q.function = measured.Increase
		}
	}
	if !p.Has("group_by") {
		if p.Has("group_by_function") {
			p.refuse("group_by_function", "is given without group_by; accepted: both or none")
		}
		return
	}
	if q.function == measured.All {
		p.refuse("summary_function", "\"all\" cannot be grouped; accepted with group_by: one of the others")
	}
	if q.grouping, err = measured.ParseGrouping(p.Get("group_by")); err != nil {
		p.refuse("group_by", "%s", err)
		return
	}
	if !p.Has("group_by_function") {
		p.refuse("group_by_function", "is missing, but needed for group_by; accepted: sum, min, max, mean")
		return
	}
	if q.grouping.Function, err = measured.ParseGroupFunction(p.Get("group_by_function")); err != nil {
		p.refuse("group_by_function", "%s", err)
	}
}

// summaries are the functions that metrics are read with.
var summaries = [...]measured.Function{
	attributes.Average: measured.Mean, attributes.Sum: measured.Sum, attributes.Count: measured.Count,
	attributes.Min: measured.Min, attributes.Max: measured.Max,
}
