package node

import (
	"slices"
	"time"
)

// request is an aggregate_metric message.
type request struct {
	metric  string
	wanted  []aggregator // one, or those of a rollup
	groupBy []string
	filters []filter
	tags    map[string]string // that a series must have

	// Where the samples come from: values, points, or neither for what is stored.
	values []float64
	points []point

	ranged   bool // the request names a range
	span     span
	interval int64  // of a rollup, in seconds; 0 for none
	width    string // the interval as written
}

// filter keeps the series that have one of the values under a tag.
type filter struct {
	key, tag string // the key of the request, the tag that it is the plural of
	values   []string
	rank     map[string]int // of each value, in the order asked for
}

type point struct {
	at, value float64
	tags      map[string]string
}

// plurals are the keys that filter by a tag.
var plurals = [...]struct{ key, tag string }{{"services", "service"}, {"hosts", "host"}, {"instances", "instance"}}

// reserved are the keys of a result that no tag can have there.
var reserved = []string{"value", "values", "buckets", "approximate"}

func (f fields) metric() (string, error) {
	metric, ok, err := f.text("metric")
	if err == nil && (!ok || metric == "") {
		err = bad("metric is missing; it must be a string that is not empty")
	}
	return metric, err
}

func parseRequest(f fields, now time.Time) (*request, error) {
	r := new(request)
	var err error
	if r.metric, err = f.metric(); err != nil {
		return nil, err
	}
	steps := []func(fields) error{
		r.parseAggregators,
		func(f fields) error { r.span, r.ranged, err = f.timeRange(now); return err },
		func(f fields) error { r.values, _, err = f.numbers("values"); return err },
		r.parsePoints,
		func(f fields) error { r.tags, err = f.textMap("tags"); return err },
		r.parseGroups,
		r.parseFilters,
		r.check,
	}
	for _, step := range steps {
		if err := step(f); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// parseAggregators reads what is asked for and, for a rollup, how wide its
// buckets are.
func (r *request) parseAggregators(f fields) error {
	name, ok, err := f.text("aggregator")
	switch {
	case err != nil:
		return err
	case !ok:
		return bad("aggregator is missing; accepted: %s", aggregators)
	}
	names := []string{name}
	list, several, err := f.texts("aggregators")
	switch {
	case err != nil:
		return err
	case several && name != "rollup":
		return bad("aggregators goes with the aggregator rollup, not with %q", clip([]byte(name)))
	case slices.Contains(list, "rollup"):
		return bad("aggregators are what is read from each bucket of a rollup, and cannot be rollup")
	case several:
		names = list
	case name == "rollup":
		names = []string{"avg"}
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		a, err := parseAggregator(name)
		if err != nil {
			return err
		}
		r.wanted = append(r.wanted, a)
	}
	if err := r.parseInterval(f); err != nil {
		return err
	}
	if name == "rollup" && r.interval == 0 {
		return bad("interval is missing; a rollup needs %s", durations)
	}
	return nil
}

const maxInterval = 7 * 86400

func (r *request) parseInterval(f fields) error {
	for _, key := range [...]string{"rollup", "interval"} {
		width, ok, err := f.text(key)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		seconds, ok := parseDuration(width)
		if !ok || seconds > maxInterval {
			return bad("%s is %q; it must be %s, from 1s to 7d", key, clip([]byte(width)), durations)
		}
		if r.interval != 0 && r.interval != seconds {
			return bad("rollup is %q and interval is %q; name one of them", clip([]byte(r.width)), clip([]byte(width)))
		}
		r.interval, r.width = seconds, width
	}
	return nil
}

func (r *request) parsePoints(f fields) error {
	list, ok, err := f.objects("points")
	if err != nil || !ok {
		return err
	}
	r.points = make([]point, len(list))
	for i, f := range list {
		var p point
		var timed, valued bool
		if p.at, timed, err = f.seconds("timestamp"); err == nil {
			p.value, valued, err = f.number("value")
		}
		if err == nil {
			p.tags, err = f.textMap("tags")
		}
		switch {
		case err != nil:
			return bad("points[%d]: %s", i, err)
		case !timed || !valued:
			return bad("points[%d]: timestamp and value must be there", i)
		}
		r.points[i] = p
	}
	return nil
}

func (r *request) parseGroups(f fields) error {
	if raw, ok := f.get("group_by"); ok && string(raw) == "[]" {
		return nil
	}
	list, _, err := f.texts("group_by")
	if err != nil {
		return err
	}
	for i, tag := range list {
		switch {
		case tag == "" || slices.Contains(reserved, tag):
			return bad("group_by[%d] is %q, which no result can hold as a tag", i, tag)
		case slices.Contains(list[:i], tag):
			return bad("group_by names %q twice", clip([]byte(tag)))
		}
	}
	r.groupBy = list
	return nil
}

// parseFilters reads the plurals of tags. Beside values they name these.
func (r *request) parseFilters(f fields) error {
	for _, p := range plurals {
		list, ok, err := f.texts(p.key)
		switch {
		case err != nil:
			return err
		case !ok:
			continue
		case r.values != nil:
			if len(list) != len(r.values) {
				return bad("%s names %d values and there are %d", p.key, len(list), len(r.values))
			}
			continue
		}
		by := filter{key: p.key, tag: p.tag, rank: make(map[string]int, len(list))}
		for _, v := range list {
			if _, ok := by.rank[v]; !ok {
				by.rank[v] = len(by.values)
				by.values = append(by.values, v)
			}
		}
		r.filters = append(r.filters, by)
	}
	return nil
}

// check refuses what does not go together.
func (r *request) check(fields) error {
	switch {
	case r.values == nil:
		return nil
	case r.points != nil:
		return bad("values and points are both there; send one of them")
	case r.groupBy != nil:
		return bad("group_by needs tags, which values have not; send points, or ask for what is stored")
	case r.tags != nil:
		return bad("tags filters by tags, which values have not; send points, or ask for what is stored")
	case r.interval != 0:
		return bad("a rollup needs timestamps, which values have not; send points, or ask for what is stored")
	}
	return nil
}

// keepsValues tells whether percentiles are asked for.
func (r *request) keepsValues() bool {
	return slices.ContainsFunc(r.wanted, func(a aggregator) bool { return a.read == 0 })
}

// takes tells whether samples with the tags are asked for.
func (r *request) takes(tags map[string]string) bool {
	for k, v := range r.tags {
		if got, ok := tags[k]; !ok || got != v {
			return false
		}
	}
	for i := range r.filters {
		f := &r.filters[i]
		v, ok := tags[f.tag]
		if !ok {
			return false
		}
		if _, ok := f.rank[v]; !ok {
			return false
		}
	}
	return true
}
