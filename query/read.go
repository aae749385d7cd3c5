package query

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/cell"
)

// path returns the series of a path over a range.
func (f *fetch) path(path string, from, until int64) ([]*Series, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	refs, err := f.resolve(path, from, until)
	if err != nil || len(refs) == 0 {
		return nil, err
	}
	plans, err := f.plan(refs, max(from, minTime), min(until, maxTime))
	if err != nil {
		return nil, err
	}
	all := make([]*Series, len(refs))
	for _, p := range plans {
		stored, err := f.stored(p)
		if err != nil {
			return nil, err
		}
		for i, r := range p.refs {
			cells, method := f.cells(p, r, stored)
			all[p.at[i]] = &Series{
				Name: r.name(), Path: path, Tags: tags(r.row),
				Start: p.grid.first, End: p.grid.end, Step: p.grid.step,
				Values:       p.grid.values(cells, r.view, method),
				Consolidate:  r.view.merging(method),
				XFilesFactor: f.request.XFilesFactor,
			}
		}
	}
	return all, nil
}

// cells returns what is stored and held of a series, ascending, and the method
// that is read from it. The cells may be those of other series, too, and must not
// be changed.
func (f *fetch) cells(p *plan, r ref, stored map[string][]archive.Bucket) ([]archive.Bucket, cell.Method) {
	cells, found := f.held(p, r, stored[r.entry.Series])
	method := r.entry.Method
	if len(found) == 0 {
		return cells, method
	}
	held := make([]archive.Bucket, len(found))
	var news []aggregator.Bucket // those that the archive has not got as they are
	for i, h := range found {
		if h.Method != 0 {
			method = h.Method // of the rule as it is now
		}
		held[i] = archive.Bucket{Start: h.Start, Step: h.Period, Cell: h.Cell, Values: h.Values}
		if !h.Kept {
			news = append(news, h)
		}
	}
	cells, _ = f.refine(r.entry.Series, cells, news)
	whole := held[:0]
	for i, h := range found {
		if !h.Part || f.complete(&held[i], cells) {
			whole = append(whole, held[i])
		}
	}
	return overlay(cells, whole), method
}

// held returns what is held of a series, and the stored cells in so much detail that
// complete finds what it needs. All of that is read before what is held, because what
// has come late goes from here to there.
func (f *fetch) held(p *plan, r ref, stored []archive.Bucket) ([]archive.Bucket, []aggregator.Bucket) {
	for {
		found, _ := f.engine.cfg.Held(r.row, p.grid.first, p.grid.until)
		var late []aggregator.Bucket
		for _, h := range found {
			if h.Part && !h.Kept {
				late = append(late, h)
			}
		}
		refined, changed := f.refine(r.entry.Series, stored, late)
		if !changed {
			return stored, found
		}
		stored = refined
	}
}

// refine puts the cells of a held bucket's own period in the place of longer ones in
// which it starts, where these are to be made anew of it.
func (f *fetch) refine(series string, cells []archive.Bucket, news []aggregator.Bucket) (refined []archive.Bucket, changed bool) {
	if len(news) == 0 || f.engine.cfg.Archive == nil {
		return cells, false
	}
	for _, c := range cells {
		i := slices.IndexFunc(news, func(h aggregator.Bucket) bool {
			return h.Period < c.Step && h.Start >= c.Start && h.Start < c.Start+c.Step
		})
		if i < 0 {
			refined = append(refined, c)
			continue
		}
		finer, ok := f.finer(series, news[i].Period, c)
		if !ok {
			refined = append(refined, c) // better than less
			continue
		}
		refined = append(refined, finer...)
		changed = true
	}
	return refined, changed
}

// finer returns the cells of a period that a longer one is made of, and whether that
// is all of it: some may have expired, or have come in with another period.
func (f *fetch) finer(series string, period int64, long archive.Bucket) ([]archive.Bucket, bool) {
	kept := f.engine.cfg.Archive.Tiers(period)[0].Retention
	if float64(long.Start) <= f.now-float64(kept) {
		return nil, false
	}
	all, err := f.engine.cfg.Archive.Cells(f.ctx, []string{series}, period, long.Start, long.Start+long.Step)
	if err != nil || len(all) != 1 {
		return nil, false
	}
	var count int64
	for _, c := range all[0] {
		count += c.Cell.Count
	}
	return all[0], count >= long.Cell.Count
}

// complete adds to what has come late for a bucket what is stored of it, and says
// whether that is all. The store has been read before, so that it cannot have both.
func (f *fetch) complete(b *archive.Bucket, stored []archive.Bucket) bool {
	i := slices.IndexFunc(stored, func(s archive.Bucket) bool { return s.Start == b.Start && s.Step == b.Step })
	if i >= 0 {
		b.Cell, b.Values = merge([]archive.Bucket{stored[i], *b})
	}
	return i >= 0 || !f.incomplete
}

// plan is what is read at the same steps.
type plan struct {
	grid  grid
	steps []int64 // of the stored cells, none of which is made of another's
	refs  []ref
	at    []int // where each belongs in the answer
}

// plan chooses grids, and refuses what would be too much before it is read.
func (f *fetch) plan(refs []ref, from, until int64) ([]*plan, error) {
	var plans []*plan
	byPeriod := planned{}
	for i, r := range refs {
		had := f.periods(&r, from, until+1)
		p := byPeriod.find(had)
		if p == nil {
			g, steps := f.grid(had, from, until)
			p = &plan{grid: g, steps: steps}
			byPeriod.add(had, p)
			plans = append(plans, p)
		}
		p.refs = append(p.refs, r)
		p.at = append(p.at, i)
		f.series++
		if points := p.grid.points(); points > f.engine.cfg.MaxPoints-f.points {
			return nil, refuse("more than %d points, with %d of %.200q at %d s each; ask for a shorter range, for fewer series, or set maxDataPoints",
				f.engine.cfg.MaxPoints, points, r.name(), p.grid.step)
		} else {
			f.points += points
		}
	}
	if f.series > f.engine.cfg.MaxSeries {
		return nil, refuse("more than %d series; narrow the patterns", f.engine.cfg.MaxSeries)
	}
	return plans, nil
}

// stored returns the cells that the archive has, by series.
func (f *fetch) stored(p *plan) (map[string][]archive.Bucket, error) {
	if f.engine.cfg.Archive == nil {
		return nil, nil
	}
	names := make([]string, 0, len(p.refs))
	seen := make(map[string]bool, len(p.refs))
	for _, r := range p.refs {
		if !seen[r.entry.Series] {
			seen[r.entry.Series] = true
			names = append(names, r.entry.Series)
		}
	}
	cells, err := f.readAll(names, p)
	if err != nil {
		if f.ctx.Err() != nil || errors.Is(err, context.Canceled) || len(cells) != len(names) {
			return nil, err
		}
		if !f.incomplete {
			f.incomplete = true
			f.engine.cfg.Logger.Warn("a query is answered without what is in the store", "err", err)
		}
	}
	stored := make(map[string][]archive.Bucket, len(names))
	for i, name := range names {
		stored[name] = cells[i]
	}
	return stored, nil
}

// overlay puts held buckets among stored ones; both ascend. A held bucket replaces
// what is stored of it; one that is part of a longer cell already is left out.
func overlay(stored, held []archive.Bucket) []archive.Bucket {
	kept := make([]archive.Bucket, 0, len(stored)+len(held))
	i := 0
	for len(held) > 0 {
		start := held[0].Start
		n := 1 // held buckets with that start, of several periods
		for n < len(held) && held[n].Start == start {
			n++
		}
		for i < len(stored) && stored[i].Start < start {
			kept = append(kept, stored[i])
			i++
		}
		// The cell that covers them, if any, is the last that starts at or before.
		var cover *archive.Bucket
		if i < len(stored) && stored[i].Start == start {
			cover = &stored[i]
		} else if i > 0 {
			cover = &stored[i-1]
		}
		for ; i < len(stored) && stored[i].Start == start; i++ {
			replaced := slices.ContainsFunc(held[:n], func(h archive.Bucket) bool { return h.Step == stored[i].Step })
			if !replaced {
				kept = append(kept, stored[i])
			}
		}
		for _, h := range held[:n] {
			if cover == nil || cover.Step <= h.Step || start >= cover.Start+cover.Step {
				kept = append(kept, h)
			}
		}
		held = held[n:]
	}
	return append(kept, stored[i:]...)
}

// values puts cells, ascending, on the grid. Cells that share a point are merged,
// and the view is read from those.
func (g *grid) values(cells []archive.Bucket, view View, method cell.Method) []float64 {
	values := make([]float64, g.points())
	for i := range values {
		values[i] = nan
	}
	for i := 0; i < len(cells); {
		p := g.point(cells[i].Start)
		first := i
		for i++; i < len(cells) && g.point(cells[i].Start) == p; i++ {
		}
		if p < 0 {
			continue
		}
		c, v := &cells[first].Cell, cells[first].Values
		if i > first+1 {
			var whole cell.Cell
			whole, v = merge(cells[first:i])
			c = &whole
		}
		values[p] = view.Value(c, v, method, g.step)
	}
	return values
}

// merge returns the whole of some cells, with values if all had them.
func merge(cells []archive.Bucket) (whole cell.Cell, values *cell.Values) {
	for i := range cells {
		whole.Merge(&cells[i].Cell)
		if cells[i].Values != nil {
			if values == nil {
				values = new(cell.Values)
			}
			values.Merge(cells[i].Values)
		}
	}
	return whole, values
}

// tags takes a name "name;key=value;…" apart.
func tags(name string) map[string]string {
	first, rest, _ := strings.Cut(name, ";")
	tags := map[string]string{}
	for pair := range strings.SplitSeq(rest, ";") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			tags[key] = value
		}
	}
	tags["name"] = first
	return tags
}
