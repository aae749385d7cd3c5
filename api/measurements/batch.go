package measurements

import (
	"fmt"
	"net/http"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/jsonscan"
)

// field is a number that a measurement may have.
type field uint8

const (
	value field = iota
	count
	sum
	lowest
	highest
	last
	stddev
	m2
	squares
	at
	period
	numFields
)

var fieldNames = [numFields]string{"value", "count", "sum", "min", "max", "last", "stddev", "stddev_m2", "sum_squares", "time", "period"}

// group is what a measurement is listed under.
type group uint8

const (
	plain group = iota
	gauges
	counters
)

var groupNames = [...]string{"measurements", "gauges", "counters"}

// item is a measurement as it was sent. Its texts lie in the body.
type item struct {
	name, source, attributes []byte // attributes as JSON
	key                      []byte // where it is in an object and not in an array
	index                    int    // in its group
	tags, tagsEnd            int    // in batch.tags
	group                    group
	given                    uint16 // bits of number
	number                   [numFields]float64
	change                   attributes.Change // instead of attributes, from a form
}

func (it *item) has(f field) bool { return it.given&(1<<f) != 0 }

func (it *item) set(f field, x float64) {
	it.given |= 1 << f
	it.number[f] = x
}

// tag is a tag as it was sent.
type tag struct {
	key, value []byte
	null       bool // instead of a value
}

// batch is a request under way. It is used again for others.
type batch struct {
	reader api.Body
	body   []byte // unpacked; it is the reader's
	scan   jsonscan.Scanner
	items  []item
	tags   []tag
	top    item // what stands beside the measurements
	total  int  // measurements in the request, also if there are too many
	bad    *refusal

	agent   string
	series  []byte // names of the series
	shared  []byte // the tags of top, canonical
	names   [][]byte
	metrics []*attributes.Metric          // of each item
	made    map[string]*attributes.Metric // those that are new, by folded name
	news    []*attributes.Metric          // the same in their order
	ready   []aggregator.Measurement      // of each item
	sorted  []tag                         // of one item
	added   []int                         // items whose series count now, see tagSets
}

// maxKept is the longest body whose memory is kept, in bytes.
const maxKept = 1 << 20

// reset forgets the last request.
func (b *batch) reset() {
	if b.reader.Cap() > maxKept {
		*b = batch{}
	}
	clear(b.names)
	clear(b.metrics)
	clear(b.ready)
	clear(b.made)
	clear(b.news)
	b.body = nil
	b.items, b.tags, b.sorted = b.items[:0], b.tags[:0], b.sorted[:0]
	b.series, b.shared = b.series[:0], b.shared[:0]
	b.names, b.metrics, b.ready, b.news = b.names[:0], b.metrics[:0], b.ready[:0], b.news[:0]
	b.added = b.added[:0]
	b.top, b.total, b.bad, b.agent = item{}, 0, nil, ""
}

// next returns a new item, or nil where there are too many.
func (b *batch) next(g group, index, limit int) *item {
	b.total++
	if b.total > limit {
		return nil
	}
	b.items = append(b.items, item{group: g, index: index, tags: len(b.tags), tagsEnd: len(b.tags)})
	return &b.items[len(b.items)-1]
}

// refusal is why the measurements of a request are refused.
type refusal struct {
	why Reason
	*failure
}

// badItem is a refusal because of one item's field; it names both.
func badItem(why Reason, it *item, name, format string, args ...any) *refusal {
	text := fmt.Sprintf(format, args...)
	f := badParam(name, "%s", text)
	f.request = []string{fmt.Sprintf("%s: %s %s; nothing of the request is taken", it.place(), name, text)}
	return &refusal{why, f}
}

// place says which of the request's measurements it is.
func (it *item) place() string {
	if it.key != nil {
		return fmt.Sprintf("%s.%.100s", groupNames[it.group], it.key)
	}
	return fmt.Sprintf("%s[%d]", groupNames[it.group], it.index)
}

// refuse notes the first thing that is wrong with an item, or, where it is nil, beside the items.
func (b *batch) refuse(it *item, name, format string, args ...any) {
	switch {
	case b.bad != nil:
	case it == &b.top:
		b.bad = &refusal{Invalid, badParam(name, format, args...)}
	default:
		b.bad = badItem(Invalid, it, name, format, args...)
	}
}

// tooMany is the refusal of a batch that is too large.
func (b *batch) tooMany(limit int) *refusal {
	return &refusal{Invalid, badRequest(http.StatusBadRequest, "%d measurements; accepted: at most %d in a request", b.total, limit)}
}
