package aggregator

import (
	"math"
	"slices"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

// ViewRow is a row of a view as it is now.
type ViewRow struct {
	// Tags has the values of the view's columns in their order; where a series has
	// not got the tag, the value is empty. The overflow has none.
	Tags []string
	// Overflow marks the one row that has what is beyond the most rows of its view.
	Overflow bool
	Began    float64 // when the first datapoint came, Unix seconds
	Cell     cell.Cell
	// Counts are the datapoints between the bounds, one more than there are bounds;
	// nil without bounds. Their sum is the Count of Cell.
	Counts []int64
	// Approximate says that some were counted where the mean of several lies.
	Approximate bool
}

// view has the rows of a rule made by rules.NewView. They are outputs that lanes
// add to as to any others, but of one bucket that does not end; they are in none of
// the registers that closing, checkpoints and claims go by. Guarded by
// Aggregator.mu.
type view struct {
	rule     *ruleState
	rows     map[string]*output // by rules.Match.Output
	overflow *output            // nil until there are too many
	left     bool
}

// setViews begins the views of a new set of rules, and ends those that are not in
// it. The caller holds a.mu.
func (a *Aggregator) setViews(rs *ruleSet) {
	old := a.views
	a.views = make(map[string]*view)
	for _, st := range rs.states {
		v := st.rule.View
		if v == nil || a.views[v.ID] != nil {
			continue
		}
		if st.view == nil || st.view.left {
			st.view = &view{rule: st, rows: make(map[string]*output)}
		}
		a.views[v.ID] = st.view
	}
	for id, v := range old {
		if a.views[id] != v {
			a.endView(v)
		}
	}
}

// endView takes the rows of a view out of the registers. Tick does the rest. The
// caller holds a.mu.
func (a *Aggregator) endView(v *view) {
	v.left = true
	rows := v.all()
	for _, o := range rows {
		o.mu.Lock()
		o.hasLeft.Store(true)
		o.mu.Unlock()
		a.feeds.set(o.feeds[0].num, nil)
	}
	a.leaving = append(a.leaving, rows...)
	v.rows, v.overflow = nil, nil
}

// all returns the rows.
func (v *view) all() []*output {
	rows := make([]*output, 0, len(v.rows)+1)
	for _, o := range v.rows {
		rows = append(rows, o)
	}
	if v.overflow != nil {
		rows = append(rows, v.overflow)
	}
	return rows
}

// dismiss takes the rows of ended views out of the lanes, after which their
// numbers may be given to others.
func (a *Aggregator) dismiss() {
	for {
		a.mu.Lock()
		n := min(len(a.leaving), tickBatch)
		some := slices.Clone(a.leaving[:n])
		if a.leaving = a.leaving[n:]; len(a.leaving) == 0 {
			a.leaving = nil
		}
		a.mu.Unlock()
		if n == 0 {
			return
		}
		for _, l := range a.lanes {
			l.mu.Lock()
			for _, o := range some {
				if s := l.rowSlot(o.feeds[0]); s != nil {
					*s = slot{}
				}
			}
			l.mu.Unlock()
		}
		a.mu.Lock()
		for _, o := range some {
			a.free(o.feeds[0])
			o.feeds[0].rules[0].outputs.Add(-1)
			if o.row != nil {
				a.buckets.Add(-1)
			}
		}
		a.viewRows -= n
		a.dropRuleStates()
		a.mu.Unlock()
	}
}

// bindView is bind for a row of a view.
func (a *Aggregator) bindView(to *target) (handle, bool) {
	a.mu.RLock()
	v := to.by.view
	o, missing := v.row(to.name)
	a.mu.RUnlock()
	if missing {
		a.mu.Lock()
		if o, missing = v.row(to.name); missing {
			o = a.newRow(v, to)
		}
		a.mu.Unlock()
		if o == nil {
			return 0, !missing
		}
	}
	if o == nil {
		return 0, true
	}
	f := o.feeds[0]
	return newHandle(f.num, f.gen), true
}

// row returns the row for an output, nil if the view has left, and whether it is
// still to be made. The caller holds Aggregator.mu.
func (v *view) row(output []byte) (o *output, missing bool) {
	if v.left {
		return nil, false
	}
	if o = v.rows[string(output)]; o == nil && len(v.rows) >= v.rule.rule.View.MaxRows {
		o = v.overflow
	}
	return o, o == nil
}

// newRow makes a row, or returns nil where there are too many outputs. The caller
// holds a.mu.
func (a *Aggregator) newRow(v *view, to *target) *output {
	if a.full() {
		return nil
	}
	o := &output{name: string(to.name), spec: to.spec}
	if a.newFeed(o, []*ruleState{v.rule}) == nil {
		return nil
	}
	a.viewRows++
	if len(v.rows) >= to.spec.view.MaxRows {
		v.overflow = o
	} else {
		v.rows[o.name] = o
	}
	return o
}

// refuses says why a cell is not added to an odd output, or added.
func (o *output) refuses(c *cell.Cell) Drop {
	v := o.spec.view
	if v == nil {
		return added
	}
	for _, x := range [...]float64{c.Sum, c.Min, c.Max, c.Last} {
		if x-x != 0 {
			return NotFinite
		}
	}
	if !v.Integral {
		return added
	}
	// The others are the mean where they are not known.
	sum, mean := c.Total(), c.Mean()
	for _, x := range [...]float64{sum, c.Min, c.Max, c.Last} {
		if x != math.Trunc(x) && (x != mean || c.Count == 1) {
			return NotIntegral
		}
	}
	return added
}

// viewSlot is slot for a row of a view, which takes any time that is not too new.
func (l *Lane) viewSlot(f *feed) (*slot, Drop) {
	a, o := l.agg, f.out
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.hasLeft.Load():
		return nil, TooOld
	case o.row == nil && a.buckets.Add(1) > int64(a.cfg.MaxBuckets):
		a.buckets.Add(-1)
		a.stat.full.Add(1)
		return nil, BucketsFull
	case o.row == nil:
		o.row, o.idle = &bucket{out: o}, l.now
	}
	s := l.place(f, 0)
	if s.span == 0 {
		s.gen, s.span = f.gen, math.MaxUint32
		if b := o.spec.view.Bounds; len(b) > 0 {
			s.values = cell.NewBounded(b)
		}
	}
	return s, added
}

// rowSlot returns the lane's part of a row, or nil.
func (l *Lane) rowSlot(f *feed) *slot {
	if int(f.num) < len(l.slots) {
		if s := &l.slots[f.num]; s.span != 0 && s.gen == f.gen {
			return s
		}
	}
	return nil
}

// ViewRows returns the rows of the view with an ID, in the order of their tags and
// the overflow last; those that nothing has been added to are left out. It returns
// nil where no rule makes the view. It waits for lanes that are held.
func (a *Aggregator) ViewRows(id string) []ViewRow {
	a.mu.RLock()
	v := a.views[id]
	if v == nil {
		a.mu.RUnlock()
		return nil
	}
	outs, overflow, rule := v.all(), v.overflow, v.rule.rule
	a.mu.RUnlock()
	rows := make([]ViewRow, 0, len(outs))
	for some := range slices.Chunk(outs, tickBatch) {
		for _, l := range a.lanes {
			l.mu.Lock()
			for _, o := range some {
				a.foldRow(l, o)
			}
			l.mu.Unlock()
		}
		for _, o := range some {
			if r, ok := o.copyRow(rule); ok {
				if o == overflow {
					r.Tags, r.Overflow = nil, true
				}
				rows = append(rows, r)
			}
		}
	}
	slices.SortFunc(rows, func(x, y ViewRow) int {
		switch {
		case x.Overflow:
			return 1
		case y.Overflow:
			return -1
		}
		return slices.Compare(x.Tags, y.Tags)
	})
	return rows
}

// foldRow moves a lane's part of a row to the row. The slot stays, so that the
// lane goes on quickly. The caller holds l.mu.
func (a *Aggregator) foldRow(l *Lane, o *output) {
	f := o.feeds[0]
	s := l.rowSlot(f)
	if s == nil || s.cell.Count == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	a.credit(f, s.cell.Count, false)
	if o.row.values == nil && s.values != nil {
		o.row.values = cell.NewBounded(o.spec.view.Bounds)
	}
	o.row.absorb(&s.cell, s.values)
	s.cell = cell.Cell{}
	if s.values != nil {
		s.values.Reset()
	}
}

// copyRow returns the row as it has been folded, and whether it has anything.
func (o *output) copyRow(r *rules.Rule) (ViewRow, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.row
	if b == nil || b.cell.Count == 0 {
		return ViewRow{}, false
	}
	return ViewRow{
		Tags: rules.ViewTags(r, []byte(o.name)), Began: o.idle, Cell: b.cell,
		Counts: slices.Clone(b.values.Counts()), Approximate: b.values.Approximate(),
	}, true
}
