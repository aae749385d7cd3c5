package query

import (
	"context"
	"slices"

	"github.com/coalesce-metrics/coalesce/archive"
)

// Stream is the cells of one series. The caller owns it.
type Stream struct {
	Name string
	// Tags are those of the name, without "name".
	Tags map[string]string
	Step int64 // of the cells at most, in seconds
	// Cells ascend. Some may be shorter than Step, where longer ones are not made
	// yet, but none overlap.
	Cells []archive.Bucket
}

// Streams returns all series whose name, without its tags, is metric, by name,
// with the cells that start at or after from and before until, and whether there
// is such a series at all. from is aligned down to the step. A step of 0 is for
// each series the finest that is kept since from; otherwise series whose cells do
// not fit into the step are left out. What is wrong with the request is an *[Error].
func (e *Engine) Streams(ctx context.Context, metric string, step, from, until int64) (streams []Stream, known bool, err error) {
	names := e.cfg.Catalog.ByName(metric)
	if len(names) > e.cfg.MaxSeries {
		return nil, true, refuse("more than %d series are named %.200q", e.cfg.MaxSeries, metric)
	}
	limited, cancel := context.WithTimeout(ctx, e.cfg.Timeout)
	defer cancel()
	f := fetch{engine: e, ctx: limited, request: &Request{}, now: e.cfg.Now()}
	byStep := map[int64]*plan{}
	var plans []*plan
	for i, r := range f.refs(names, View{}) {
		own := step
		if step == 0 {
			_, own = f.grid(r.entry.Period, from, until)
		} else if step%r.entry.Period != 0 {
			continue
		}
		p := byStep[own]
		if p == nil {
			p = &plan{step: own, grid: grid{first: from - mod(from, own), until: until - mod(until, own)}}
			if p.grid.until < until {
				p.grid.until += own // the bucket under way
			}
			byStep[own] = p
			plans = append(plans, p)
		}
		p.refs = append(p.refs, r)
		p.at = append(p.at, i)
	}
	streams = make([]Stream, len(names))
	for _, p := range plans {
		stored, err := f.stored(p)
		if err != nil {
			return nil, true, err
		}
		for i, r := range p.refs {
			cells, _ := f.cells(p, r, stored)
			own := tags(r.row)
			delete(own, "name")
			streams[p.at[i]] = Stream{Name: r.row, Tags: own, Step: p.step, Cells: slices.Clone(cells)}
			if f.points += len(cells); f.points > e.cfg.MaxPoints {
				return nil, true, refuse("more than %d cells; ask for a shorter range", e.cfg.MaxPoints)
			}
		}
	}
	streams = slices.DeleteFunc(streams, func(s Stream) bool { return s.Name == "" })
	return streams, len(names) > 0, nil
}

// Merge returns the cells of streams in buckets of step seconds, ascending.
func Merge(step int64, streams ...Stream) []archive.Bucket {
	var all []archive.Bucket
	for _, s := range streams {
		all = append(all, s.Cells...)
	}
	for i := range all {
		all[i].Start -= mod(all[i].Start, step)
	}
	slices.SortStableFunc(all, func(x, y archive.Bucket) int {
		switch {
		case x.Start < y.Start:
			return -1
		case x.Start > y.Start:
			return 1
		}
		return 0
	})
	merged := all[:0]
	for i := 0; i < len(all); {
		first := i
		for i++; i < len(all) && all[i].Start == all[first].Start; i++ {
		}
		c, v := merge(all[first:i])
		merged = append(merged, archive.Bucket{Start: all[first].Start, Step: step, Cell: c, Values: v})
	}
	return merged
}

// mod is the rest that is never negative.
func mod(x, y int64) int64 { return ((x % y) + y) % y }
