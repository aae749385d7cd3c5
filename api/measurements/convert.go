package measurements

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/jsonscan"
)

// Bounds of numbers.
const (
	// maxMagnitude is the largest number that is accepted, minMagnitude the
	// smallest that is not taken for 0.
	maxMagnitude, minMagnitude = 1e126, 1e-130
	// maxCount is the most values that one measurement may stand for.
	maxCount = 1e12
)

// convert makes b.ready of the items: the name, time and cell of each. Metrics that
// are not known yet are put into b.news. It does all that needs no lock but that of
// the book.
func (a *API) convert(b *batch, now float64) *refusal {
	for i := range b.items {
		it := &b.items[i]
		if !attributes.ValidName(it.name) {
			if it.name == nil {
				return badItem(Invalid, it, "name", "is missing")
			}
			return badItem(Invalid, it, "name", "%.300q; accepted: 1 to %d of A-Z a-z 0-9 . : - _", it.name, attributes.MaxName)
		}
		b.names = append(b.names, it.name)
	}
	b.metrics = a.cfg.Book.Find(b.metrics, b.names)
	if r := a.share(b); r != nil {
		return r
	}
	for i := range b.items {
		it := &b.items[i]
		m := b.metrics[i]
		if m == nil {
			var r *refusal
			if m, r = a.create(b, it); r != nil {
				return r
			}
			b.metrics[i] = m
		}
		name, r := a.appendSeries(b, it, m)
		if r != nil {
			return r
		}
		t, r := a.timeOf(b, it, now)
		if r != nil {
			return r
		}
		c, r := it.cell(t)
		if r != nil {
			return r
		}
		b.ready = append(b.ready, aggregator.Measurement{Name: name, Time: t, Cell: c})
	}
	return nil
}

// share makes the canonical form of the tags beside the measurements.
func (a *API) share(b *batch) *refusal {
	top := &b.top
	if len(b.items) == 0 || top.tags == top.tagsEnd {
		return nil
	}
	for _, t := range b.tags[top.tags:top.tagsEnd] {
		if t.null {
			return &refusal{Invalid, badParam("tags", "has null for %.100q; accepted: a text", t.key)}
		}
	}
	var err error
	if b.shared, err = appendTags(b.shared, b.tags[top.tags:top.tagsEnd], a.cfg.MaxTags); err != nil {
		return &refusal{Invalid, badParam("tags", "%s", err)}
	}
	return nil
}

// appendSeries returns the name of an item's series.
func (a *API) appendSeries(b *batch, it *item, m *attributes.Metric) ([]byte, *refusal) {
	from := len(b.series)
	b.series = append(b.series, m.Name...)
	tags := b.tags[it.tags:it.tagsEnd]
	var err error
	switch n := len(tags); {
	case it.group != plain:
		b.series, err = b.appendSource(b.series, it)
		if err != nil {
			return nil, badItem(Invalid, it, "source", "%s", err)
		}
		return b.series[from:len(b.series):len(b.series)], nil
	case n == 0:
		b.series = append(b.series, b.shared...)
	case a.cfg.MergeTags:
		b.sorted = append(append(b.sorted[:0], b.tags[b.top.tags:b.top.tagsEnd]...), tags...)
		b.series, err = appendTags(b.series, b.sorted, a.cfg.MaxTags)
	default:
		for _, t := range tags {
			if t.null {
				return nil, badItem(Invalid, it, "tags", "has null for %.100q; accepted: a text", t.key)
			}
		}
		b.series, err = appendTags(b.series, tags, a.cfg.MaxTags)
	}
	if err != nil {
		return nil, badItem(Invalid, it, "tags", "%s", err)
	}
	return b.series[from:len(b.series):len(b.series)], nil
}

// unassigned is the source of what has none.
const unassigned = ";source=unassigned"

// appendSource appends the tag that the source of a legacy measurement becomes.
func (b *batch) appendSource(dst []byte, it *item) ([]byte, error) {
	source := it.source
	if source == nil {
		source = b.top.source
	}
	if len(source) == 0 {
		return append(dst, unassigned...), nil
	}
	if !translate(source, &inTag, maxTagValue) {
		return dst, fmt.Errorf(`%.300q; accepted: 1 to %d of A-Z a-z 0-9 - . : _ ? / \ and blanks`, source, maxTagValue)
	}
	if string(source) == "all" {
		return dst, errors.New(`"all" is reserved`)
	}
	return append(append(dst, ";source="...), source...), nil
}

// timeOf returns when an item was measured, in whole Unix seconds.
func (a *API) timeOf(b *batch, it *item, now float64) (float64, *refusal) {
	t := it.number[at]
	if t == 0 {
		t = b.top.number[at]
	}
	if t == 0 {
		return math.Floor(now), nil
	}
	switch t = math.Floor(t); {
	case t < now-a.cfg.Past.Seconds():
		return 0, badItem(Time, it, it.fieldName(at), "is too far in the past")
	case t > now+a.cfg.Future.Seconds():
		return 0, badItem(Time, it, it.fieldName(at), "is too far in the future")
	}
	return t, nil
}

// cell returns what an item adds to its series.
func (it *item) cell(t float64) (c cell.Cell, r *refusal) {
	for f := value; f <= squares; f++ {
		if !it.has(f) {
			continue
		}
		x := &it.number[f]
		switch size := math.Abs(*x); {
		case size > maxMagnitude:
			return c, badItem(Invalid, it, fieldNames[f], "is too large: %g; accepted: up to %g", *x, maxMagnitude)
		case size < minMagnitude:
			*x = 0
		}
	}
	switch {
	case it.has(value) && it.has(count):
		return c, badItem(Invalid, it, "value", "is given, and count too; accepted: one of them")
	case it.has(value):
		c.Add(it.number[value], t)
		return c, nil
	case !it.has(count):
		return c, badItem(Invalid, it, "value", "is missing; accepted: a number, or count and sum")
	}
	return it.complexCell(t)
}

// complexCell returns the cell of an item that stands for several values.
func (it *item) complexCell(t float64) (c cell.Cell, r *refusal) {
	n, total := it.number[count], it.number[sum]
	if n != math.Trunc(n) || n < 1 || n > maxCount {
		return c, badItem(Invalid, it, "count", "is %g; accepted: whole numbers from 1 to %g", n, maxCount)
	}
	if !it.has(sum) {
		return c, badItem(Invalid, it, "sum", "is missing; accepted: a number, as count is given")
	}
	deviation, r := it.deviation(n, total)
	if r != nil {
		return c, r
	}
	or := func(f field) float64 {
		if it.has(f) {
			return it.number[f]
		}
		return total / n
	}
	return cell.Cell{Count: int64(n), Sum: total, Min: or(lowest), Max: or(highest), M2: deviation, Last: or(last), LastTime: t}, nil
}

// deviation returns the sum of the squared deviations from the mean, NaN where it
// is unknown.
func (it *item) deviation(n, total float64) (float64, *refusal) {
	given := 0
	for _, f := range [...]field{stddev, m2, squares} {
		if !it.has(f) {
			continue
		}
		if given++; given > 1 {
			return 0, badItem(Invalid, it, fieldNames[f], "is given, and another of stddev, stddev_m2 and sum_squares too; accepted: one of them")
		}
		if it.number[f] < 0 {
			return 0, badItem(Invalid, it, fieldNames[f], "is negative: %g", it.number[f])
		}
	}
	switch {
	case it.has(stddev):
		return it.number[stddev] * it.number[stddev] * n, nil
	case it.has(m2):
		return it.number[m2], nil
	case it.has(squares):
		return deviationOf(it.number[squares], total, n), nil
	case n == 1:
		return 0, nil
	}
	return math.NaN(), nil
}

// deviationOf returns squares - sum²/n, at least 0. The two are nearly equal where
// values lie close together: the rounding errors of square and quotient, which would
// then be all of the result, are taken along.
func deviationOf(squares, sum, n float64) float64 {
	square := sum * sum
	quotient := square / n
	rest := (math.FMA(-quotient, n, square) + math.FMA(sum, sum, -square)) / n
	return max(0, squares-quotient-rest)
}

// create returns the metric that an item makes known.
func (a *API) create(b *batch, it *item) (*attributes.Metric, *refusal) {
	if b.made == nil {
		b.made = map[string]*attributes.Metric{}
	}
	key := strings.ToLower(string(it.name))
	if m := b.made[key]; m != nil {
		return m, nil
	}
	change := it.change
	if change == nil {
		change = attributes.Change{}
	}
	if it.attributes != nil {
		var s jsonscan.Scanner
		s.Reset(it.attributes)
		switch s.Kind() {
		case jsonscan.Object:
			parseProperties(&s, "attributes.", change, nil)
		case jsonscan.Null:
		default:
			return nil, badItem(Invalid, it, "attributes", "are no object: %.100s", it.attributes)
		}
	}
	if change["attributes.aggregate"] == nil && a.agents.aggregate(b.agent) {
		change["attributes.aggregate"] = true
	}
	if it.group == counters {
		change["type"] = attributes.Counter.String()
	}
	for _, from := range []*item{&b.top, it} {
		if from.has(period) {
			change["period"] = numberText(from.number[period])
		}
	}
	a.sign(change, b.agent)
	m, err := a.cfg.Book.New(string(it.name), change)
	var problems attributes.Problems
	if errors.As(err, &problems) {
		return nil, badItem(Invalid, it, problems[0].Property, "%s", problems[0].Text)
	}
	b.made[key] = m
	b.news = append(b.news, m)
	return m, nil
}

// sign notes what has made a metric, unless it says so itself.
func (a *API) sign(c attributes.Change, agent string) {
	if by := c["attributes.created_by_ua"]; by != nil && by != "" {
		return
	}
	agent = strings.ToValidUTF8(agent[:min(len(agent), attributes.MaxName)], "")
	if utf8.ValidString(agent) {
		c["attributes.created_by_ua"] = agent
	}
}

// numberText writes a number as clients do.
func numberText(x float64) string {
	if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
		return fmt.Sprintf("%d", int64(x))
	}
	return fmt.Sprint(x)
}
