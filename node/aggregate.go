package node

import (
	"context"
	"encoding/binary"
	"math"
	"time"
)

// maxParts bounds the groups of a reply, and the buckets of all of them.
const maxParts = 1_000_000

// result is what a request is answered from.
type result struct {
	request *request
	limit   int // buckets in a group
	keep    bool
	room    int64 // values that may still be gathered from what is stored
	parts   int
	groups  map[string]*group // by their tag values
	lack    bool
}

// group is one result: the samples that have the same values under the tags
// asked for.
type group struct {
	values  []string
	whole   samples            // unless a rollup is asked for
	buckets map[int64]*samples // of a rollup, by their start
}

// aggregate handles aggregate_metric. It returns what follows in_reply_to.
func (n *Node) aggregate(ctx context.Context, f fields) ([]byte, error) {
	now := n.cfg.Now()
	r, err := parseRequest(f, now)
	if err != nil {
		return nil, err
	}
	res := &result{
		request: r, limit: n.cfg.MaxBuckets, keep: r.keepsValues(), room: maxExact,
		groups: make(map[string]*group),
	}
	switch {
	case r.values != nil:
		err = res.addValues(ctx)
	case r.points != nil:
		err = res.addPoints(ctx)
	default:
		err = n.addStored(ctx, res, now)
	}
	switch {
	case err != nil:
		return nil, err
	case len(res.groups) == 0:
		return nil, faultf(doesNotExist, "metric %q has no data for what is asked", clip([]byte(r.metric)))
	}
	return n.appendResult(ctx, nil, res)
}

// pause is after how many samples the end of patience is looked for.
const pause = 1 << 14

func (res *result) addValues(ctx context.Context) error {
	s, err := res.part(nil, 0)
	for i, v := range res.request.values {
		if i%pause == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		s.cell.Add(v, 0)
	}
	if res.keep {
		s.exact = res.request.values
	}
	return err
}

func (res *result) addPoints(ctx context.Context) error {
	r := res.request
	for i := range r.points {
		if i%pause == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		p := &r.points[i]
		if r.ranged && (p.at < r.span.from || p.at >= r.span.to) || !r.takes(p.tags) {
			continue
		}
		s, err := res.part(p.tags, int64(math.Floor(p.at)))
		if err != nil {
			return err
		}
		if s != nil {
			s.add(p.value, res.keep)
		}
	}
	return nil
}

// addStored adds what the Source has.
func (n *Node) addStored(ctx context.Context, res *result, now time.Time) error {
	r := res.request
	span := r.span.cut(now, n.cfg.Source.Retention())
	if span.from >= span.to {
		return nil // all of it has expired
	}
	if r.interval > 0 && (span.to-span.from)/float64(r.interval) > float64(res.limit) {
		return bad("the range of %.0f s has more than %d buckets of %q; ask for wider ones",
			span.to-span.from, res.limit, clip([]byte(r.width)))
	}
	from, until := span.whole()
	series, known, err := n.cfg.Source.Cells(ctx, r.metric, from, until)
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case !known:
		return faultf(doesNotExist, "metric %q is unknown", clip([]byte(r.metric)))
	}
	for i := range series {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.takes(series[i].Tags) {
			if err := res.addSeries(ctx, &series[i], span, now.Unix()); err != nil {
				return err
			}
		}
	}
	if res.lack {
		return faultf(notSupported, "metric %q does not hold its values, which percentiles need; accepted here: sum, avg, min, max, count",
			clip([]byte(r.metric)))
	}
	return nil
}

func (res *result) addSeries(ctx context.Context, s *Series, in span, now int64) error {
	for i := range s.Cells {
		c := &s.Cells[i]
		switch {
		case i%pause == pause-1 && ctx.Err() != nil:
			return ctx.Err()
		case c.Cell.Count == 0 || !in.holds(c, now):
			continue
		}
		part, err := res.part(s.Tags, c.Start)
		switch {
		case err != nil:
			return err
		case part == nil:
			return nil
		}
		part.merge(c, res.keep, &res.room)
		res.lack = res.lack || part.lack
	}
	return nil
}

// part returns what the samples with the tags at a time are counted in, nil
// where a tag to group by is missing.
func (res *result) part(tags map[string]string, at int64) (*samples, error) {
	r := res.request
	key := make([]byte, 0, 64)
	for _, tag := range r.groupBy {
		v, ok := tags[tag]
		if !ok {
			return nil, nil
		}
		key = binary.AppendUvarint(key, uint64(len(v)))
		key = append(key, v...)
	}
	g := res.groups[string(key)]
	if g == nil {
		g = new(group)
		if r.interval > 0 {
			g.buckets = make(map[int64]*samples)
		}
		for _, tag := range r.groupBy {
			g.values = append(g.values, tags[tag])
		}
		res.groups[string(key)] = g
		res.parts++
	}
	s := &g.whole
	if r.interval > 0 {
		start := floor(at, r.interval)
		if s = g.buckets[start]; s == nil {
			s = new(samples)
			g.buckets[start] = s
			res.parts++
		}
		if len(g.buckets) > res.limit {
			return nil, bad("the rollup has more than %d buckets of %q; ask for wider ones", res.limit, clip([]byte(r.width)))
		}
	}
	if res.parts > maxParts {
		return nil, bad("the reply has more than %d groups and buckets; filter, or group by fewer tags", maxParts)
	}
	return s, nil
}
