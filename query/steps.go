package query

import (
	"slices"

	"github.com/coalesce-metrics/coalesce/archive"
)

// periods returns those of the cells of a series that may begin within a range, the
// newest last. There is always one.
func (f *fetch) periods(r *ref, from, until int64) []int64 {
	return f.engine.cfg.Catalog.Periods(r.row).Within(r.entry.Period, from, until)
}

// planned finds the plan of series that have had the same periods.
type planned struct {
	one  map[int64]*plan // of those that had one
	more []plannedMore
}

type plannedMore struct {
	had  []int64
	plan *plan
}

func (p *planned) find(had []int64) *plan {
	if len(had) == 1 {
		return p.one[had[0]]
	}
	for _, m := range p.more {
		if slices.Equal(m.had, had) {
			return m.plan
		}
	}
	return nil
}

func (p *planned) add(had []int64, with *plan) {
	if len(had) > 1 {
		p.more = append(p.more, plannedMore{had, with})
		return
	}
	if p.one == nil {
		p.one = map[int64]*plan{}
	}
	p.one[had[0]] = with
}

// grid returns the points of series that come in with some periods, and the steps of
// the stored cells to make them of: for each period the finest kept since from, or where
// points are merged, the coarsest that gives the same.
func (f *fetch) grid(had []int64, from, until int64) (grid, []int64) {
	steps := make([]int64, len(had))
	for i, period := range had {
		steps[i] = f.finest(period, from)
	}
	steps = f.apart(had, steps)
	g := newGrid(from, until, common(steps), f.limit)
	for i, period := range had {
		for _, t := range f.tiers(period) {
			if t.Step > steps[i] && g.step%t.Step == 0 && g.first%t.Step == 0 && f.covers(t, from) {
				steps[i] = t.Step
			}
		}
	}
	return g, distinct(f.apart(had, steps))
}

func (f *fetch) tiers(period int64) []archive.Tier {
	if f.engine.cfg.Archive == nil {
		return nil
	}
	return f.engine.cfg.Archive.Tiers(period)
}

// covers tells whether a tier has all since from.
func (f *fetch) covers(t archive.Tier, from int64) bool {
	return float64(from)+float64(t.Step) >= f.now-float64(t.Retention)
}

// finest returns the finest step in which cells of a period are kept since from.
func (f *fetch) finest(period, from int64) int64 {
	step := period
	for _, t := range f.tiers(period) {
		step = t.Step
		if f.covers(t, from) {
			break
		}
	}
	return step
}

// apart returns the steps such that no cell of one period is part of one that is read
// for another: a window that is read has all that fits into it.
func (f *fetch) apart(had []int64, steps []int64) []int64 {
	for again := len(had) > 1; again; {
		again = false
		for i, period := range had {
			for _, t := range f.tiers(period) {
				if t.Step > steps[i] && slices.Contains(steps, t.Step) {
					steps[i], again = t.Step, true
				}
			}
		}
	}
	return steps
}

// distinct returns the steps, each once.
func distinct(steps []int64) []int64 {
	slices.Sort(steps)
	return slices.Compact(steps)
}

// maxCommon bounds how much longer than the longest of some steps a common one is.
const maxCommon = 6

// common returns the step of points that are made of whole cells of some steps, the
// least that does. Where that is too long it is the last, and cells count where they
// begin.
func common(steps []int64) int64 {
	all, longest := int64(1), slices.Max(steps)
	for _, s := range steps {
		if all = lcm(all, s); all/longest > maxCommon {
			return steps[len(steps)-1]
		}
	}
	return all
}

func lcm(x, y int64) int64 {
	a, b := x, y
	for b != 0 {
		a, b = b, a%b
	}
	return x / a * y
}
