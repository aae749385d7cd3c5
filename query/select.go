package query

import (
	"context"
	"slices"
)

// Selection is series of one metric that a request reads, within the bounds of one
// request and piece by piece. It belongs to one goroutine, and must be closed.
type Selection struct {
	// Known says that there are series of the metric, selected or not.
	Known bool

	fetch  fetch
	outer  context.Context
	cancel context.CancelFunc
	refs   []ref
	tags   []map[string]string // of the refs
	shown  int                 // series, or groups of them
}

// Pick says which series of a metric are selected, by their tags, which are without
// "name". Its zero value takes all.
type Pick struct {
	// Take takes series; nil takes all.
	Take func(tags map[string]string) bool
	// Group, if it is there, returns the tags that a series is yielded with, nil to
	// leave it out, and what tells its group from others. It is for those who combine
	// groups as they are yielded: to the bounds of a request, a group is a series and
	// a series a point.
	Group func(tags map[string]string) (shown map[string]string, key string)
}

// Select finds the series whose name, without its tags, is metric and which are
// picked. What is wrong with the request is an *[Error].
func (e *Engine) Select(ctx context.Context, metric string, pick Pick) (*Selection, error) {
	limited, cancel := context.WithTimeout(ctx, e.cfg.Timeout)
	s := &Selection{
		fetch: fetch{engine: e, ctx: limited, request: &Request{}, now: e.cfg.Now()},
		outer: ctx, cancel: cancel,
	}
	names := e.cfg.Catalog.ByName(metric)
	s.Known = len(names) > 0
	groups := map[string]map[string]string{}
	for i, name := range names {
		if i%1024 == 0 && limited.Err() != nil {
			cancel()
			return nil, s.fetch.overdue(ctx, limited.Err())
		}
		own := tags(name)
		delete(own, "name")
		if pick.Take != nil && !pick.Take(own) {
			continue
		}
		entry, ok := e.cfg.Catalog.Get(name)
		if !ok { // it has just gone
			continue
		}
		if pick.Group == nil {
			s.shown++
		} else {
			tags, key := pick.Group(own)
			if tags == nil {
				continue
			}
			if own = groups[key]; own == nil {
				own = tags
				groups[key] = tags
			}
			s.shown = len(groups)
			s.fetch.points++
		}
		if err := s.fetch.bounded(s.shown, metric); err != nil {
			cancel()
			return nil, err
		}
		s.refs = append(s.refs, ref{row: name, entry: entry})
		s.tags = append(s.tags, own)
	}
	return s, nil
}

// bounded tells whether the series and points of a metric are too many.
func (f *fetch) bounded(series int, metric string) error {
	if most := f.engine.cfg.MaxSeries; series > most {
		return refuse("more than %d series of %.200q; ask for some of them by their tags", most, metric)
	}
	if most := f.engine.cfg.MaxPoints; f.points > most {
		return refuse("more than %d series of %.200q to be combined; ask for some of them by their tags", most, metric)
	}
	return nil
}

// Len returns how many series there are.
func (s *Selection) Len() int { return len(s.refs) }

// Shown returns how many groups they make, or where there are none, how many there
// are.
func (s *Selection) Shown() int { return s.shown }

// Close ends the reading. A second Close does nothing.
func (s *Selection) Close() { s.cancel() }

// chunk is how many cells are read at a time, if every bucket has one.
const chunk = 1 << 18

// Cells yields the series, in no order, each once, with the cells that start at or
// after from and before until. These bounds are aligned outwards to the longest step
// of the cells, which step chooses by the period in which they come in; where it is 0,
// they are left out. The names and tags of the streams are not to be
// changed. What is wrong with the request is an *[Error].
func (s *Selection) Cells(step func(period int64) int64, from, until int64, yield func(Stream)) error {
	f := &s.fetch
	for _, p := range s.plans(step, from, until) {
		expected := (p.grid.until-p.grid.first)/p.steps[0] + 1
		some := int(max(1, chunk/expected))
		for first := 0; first < len(p.refs); first += some {
			part := *p
			part.refs = p.refs[first:min(first+some, len(p.refs))]
			stored, err := f.stored(&part)
			if err != nil {
				return f.overdue(s.outer, err)
			}
			for i, r := range part.refs {
				cells, _ := f.cells(&part, r, stored)
				if f.points += len(cells); f.points > f.engine.cfg.MaxPoints {
					return refuse("more than %d cells; ask for a shorter range, or for fewer series by their tags", f.engine.cfg.MaxPoints)
				}
				yield(Stream{Name: r.row, Tags: s.tags[p.at[first+i]], Step: p.steps[len(p.steps)-1], Cells: slices.Clone(cells)})
			}
		}
	}
	return nil
}

// plans sorts the series by the steps of their cells.
func (s *Selection) plans(step func(period int64) int64, from, until int64) []*plan {
	bySteps := map[int64][]*plan{} // by the first
	byPeriods := planned{}
	var plans []*plan
	for i, r := range s.refs {
		had := s.fetch.periods(&r, from, until)
		p := byPeriods.find(had)
		if p == nil {
			p = &plan{steps: s.fetch.stepsOf(had, step)}
			if len(p.steps) > 0 {
				same := bySteps[p.steps[0]]
				if k := slices.IndexFunc(same, func(x *plan) bool { return slices.Equal(x.steps, p.steps) }); k >= 0 {
					p = same[k]
				} else {
					p.grid = aligned(slices.Max(p.steps), from, until)
					bySteps[p.steps[0]] = append(same, p)
					plans = append(plans, p)
				}
			}
			byPeriods.add(had, p)
		}
		p.refs = append(p.refs, r)
		p.at = append(p.at, i)
	}
	return plans
}

// stepsOf returns the steps that are chosen for some periods, without those that are 0.
func (f *fetch) stepsOf(had []int64, step func(period int64) int64) []int64 {
	var some, steps []int64
	for _, period := range had {
		if own := step(period); own != 0 {
			some, steps = append(some, period), append(steps, own)
		}
	}
	return distinct(f.apart(some, steps))
}

// aligned returns a range aligned outwards to a step, with the bucket under way.
func aligned(step, from, until int64) grid {
	g := grid{first: from - mod(from, step), until: until - mod(until, step)}
	if g.until < until {
		g.until += step
	}
	return g
}

// finest returns the step of the finest cells that are kept since from.
func (s *Selection) finest(period, from int64) int64 { return s.fetch.finest(period, from) }
