package aggregator

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/coalesce-metrics/coalesce/rules"
)

// refView has the rows of a view by their tags, each as text.
type refView struct {
	rule     *rules.Rule
	rows     map[string]*refViewRow
	overflow *refViewRow
}

// refViewRow has all values of a row.
type refViewRow struct {
	view          *rules.View
	tags          []string
	began         float64
	values, times []float64
	counts        []int64
	rough         bool
}

func (v *refView) all() []*refViewRow {
	var all []*refViewRow
	for _, r := range v.rows {
		all = append(all, r)
	}
	if v.overflow != nil {
		all = append(all, v.overflow)
	}
	return all
}

// buckets is how many rows have got anything.
func (v *refView) buckets() (n int) {
	for _, r := range v.all() {
		if len(r.values) > 0 {
			n++
		}
	}
	return n
}

func (m *reference) viewRows() int {
	n := len(m.leaving.all())
	for _, v := range m.views {
		n += len(v.all())
	}
	return n
}

// setViews begins and ends views by the rules.
func (m *reference) setViews() {
	old := m.views
	m.views = map[string]*refView{}
	for _, r := range m.set.Rules() {
		if r.View == nil {
			continue
		}
		v := old[r.View.ID]
		if v == nil || v.rule.ID != r.ID {
			v = &refView{rule: r, rows: map[string]*refViewRow{}}
		}
		m.views[r.View.ID] = v
	}
	for id, v := range old {
		if m.views[id] != v {
			if m.leaving.rows == nil {
				m.leaving.rows = map[string]*refViewRow{}
			}
			for _, r := range v.all() {
				m.leaving.rows[fmt.Sprint(len(m.leaving.rows))] = r
			}
		}
	}
}

// viewRow returns the row of a view for a series, or nil if there is no room.
func (m *reference) viewRow(r *rules.Rule, name string) (row *refViewRow) {
	tags := make([]string, len(r.View.Columns))
	for _, tag := range strings.Split(name, ";")[1:] {
		key, value, _ := strings.Cut(tag, "=")
		if i := slices.Index(r.View.Columns, key); i >= 0 {
			tags[i] = value
		}
	}
	v, key := m.views[r.View.ID], strings.Join(tags, ";")
	over := v.rows[key] == nil && len(v.rows) == r.View.MaxRows
	if row = v.rows[key]; over {
		row = v.overflow
	}
	if row != nil {
		return row
	}
	if len(m.outputs)+m.viewRows() >= m.cfg.MaxOutputs {
		return nil
	}
	row = &refViewRow{view: r.View, tags: tags, counts: make([]int64, len(r.View.Bounds)+1)}
	if over {
		row.tags, v.overflow = nil, row
	} else {
		v.rows[key] = row
	}
	return row
}

// add counts x, or says why not.
func (r *refViewRow) add(m *reference, x *arrival) Drop {
	if r == nil {
		return OutputsFull
	}
	sum := x.mean() * float64(len(x.values))
	for _, v := range []float64{sum, slices.Min(x.values), slices.Max(x.values), x.values[len(x.values)-1]} {
		switch {
		case math.IsInf(v, 0):
			return NotFinite
		case r.view.Integral && v != math.Round(v) && (v != x.mean() || len(x.values) == 1):
			return NotIntegral
		}
	}
	switch {
	case x.time > m.now+m.cfg.Future || x.time > 1<<53:
		return TooNew
	case x.time < -1<<53:
		return TooOld
	case len(r.values) == 0 && m.held() >= m.cfg.MaxBuckets:
		return BucketsFull
	}
	if len(r.values) == 0 {
		r.began = m.now
	}
	for range x.values {
		r.times = append(r.times, x.last)
	}
	r.values = append(r.values, x.values...)
	m.ended += len(x.values)
	mean := x.mean()
	i := sort.Search(len(r.view.Bounds), func(i int) bool { return mean < r.view.Bounds[i] })
	r.counts[i] += int64(len(x.values))
	r.rough = r.rough || len(x.values) > 1
	return added
}

// readViews compares all rows.
func (m *reference) readViews() {
	for id, v := range m.views {
		got := m.a.ViewRows(id)
		i := 0
		for _, want := range v.all() {
			if len(want.values) == 0 {
				continue
			}
			i++
			j := slices.IndexFunc(got, func(r ViewRow) bool {
				return slices.Equal(r.Tags, want.tags) && r.Overflow == (want == v.overflow)
			})
			if j < 0 {
				m.failf("view %q has no row %q", id, want.tags)
				return
			}
			want.compare(m, &got[j])
		}
		if i != len(got) {
			m.failf("view %q has the rows %+v, want %d", id, got, i)
		}
	}
	if rows := m.a.ViewRows("unknown"); rows != nil {
		m.failf("an unknown view has rows")
	}
}

func (r *refViewRow) compare(m *reference, got *ViewRow) {
	for _, method := range []string{"count", "sum", "min", "max", "avg", "stddev", "last"} {
		x := map[string]float64{"count": float64(got.Cell.Count), "sum": got.Cell.Total(), "min": got.Cell.Min, "max": got.Cell.Max,
			"avg": got.Cell.Mean(), "stddev": got.Cell.Stddev(), "last": got.Cell.Last}[method]
		if right := evaluate(method, r.values, r.times); !slices.ContainsFunc(right, func(v float64) bool { return close6(v, x) }) {
			m.failf("row %q of view %q: %s is %v, want one of %v", r.tags, r.view.ID, method, x, right)
		}
	}
	switch {
	case len(r.view.Bounds) == 0 && got.Counts != nil:
		m.failf("row %q of view %q counts %v", r.tags, r.view.ID, got.Counts)
	case len(r.view.Bounds) > 0 && (!slices.Equal(got.Counts, r.counts) || got.Approximate != r.rough):
		m.failf("row %q of view %q counts %v, about %v, want %v, %v", r.tags, r.view.ID, got.Counts, got.Approximate, r.counts, r.rough)
	case got.Began != r.began:
		m.failf("row %q of view %q began at %v, want %v", r.tags, r.view.ID, got.Began, r.began)
	}
}

// close6 is same for what the naive way makes less exact.
func close6(x, y float64) bool { return math.Abs(x-y) <= 1e-6*max(math.Abs(x), 1) }
