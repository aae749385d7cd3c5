package aggregator

import (
	"math"
	"slices"
)

// settleAll decides anew who makes what.
func (m *reference) settleAll() {
	for _, o := range m.outputs {
		m.retime(o)
	}
	for _, r := range m.rows {
		m.settle(r)
	}
	for _, o := range m.outputs {
		m.begin(o)
	}
}

// settle gives a row to the output that comes first in the file. It begins behind
// all buckets of those that had it before.
func (m *reference) settle(r *refRow) {
	holder := r.reigns[len(r.reigns)-1].out
	winner := holder
	for _, o := range m.outputs {
		if p := m.position(o); slices.Contains(o.rows, r.name) && p != gone && (winner.left || p < m.position(winner)) {
			winner = o
		}
	}
	if winner == holder {
		return
	}
	end := int64(math.MinInt64)
	for _, x := range r.reigns {
		end = max(end, x.out.lastEnd())
	}
	from := end
	if end != math.MinInt64 {
		from = ceil(end, winner.spec.period)
	}
	r.reigns = slices.DeleteFunc(r.reigns, func(x refReign) bool { return x.from >= from })
	m.handed++
	if n := len(r.reigns); n > 0 && r.reigns[n-1].out == winner {
		return
	}
	r.reigns = append(r.reigns, refReign{from, winner})
}

// nobody makes what nobody may make.
var nobody = &refOutput{left: true, inherited: noSpan, spec: &spec{period: 1}}

// begin: an output that comes into force takes nothing between its latest bucket
// and the last of its new rows to become free.
func (m *reference) begin(o *refOutput) {
	comes := !o.began
	o.began = m.position(o) != gone
	if !comes || !o.began {
		return
	}
	since := o.lastEnd()
	from := since
	for _, name := range o.rows {
		reigns := m.rows[name].reigns
		if last := reigns[len(reigns)-1]; last.out == o {
			from = max(from, last.from)
		}
	}
	for _, name := range o.rows {
		r := m.rows[name]
		if last := r.reigns[len(r.reigns)-1]; last.out == o && last.from < from && since < from {
			// Who has the row before goes on until from.
			if last.from < since {
				r.reigns = append(r.reigns, refReign{since, nobody})
			} else if r.reigns = r.reigns[:len(r.reigns)-1]; len(r.reigns) == 0 {
				r.reigns = []refReign{{always, nobody}}
			}
			r.reigns = append(r.reigns, refReign{from, o})
		}
	}
}

// owner finds the output that takes the datapoints of a second: o, or the one
// whose rows it takes over later.
func (m *reference) owner(o *refOutput, sec int64) (*refOutput, Drop) {
	for _, row := range o.rows {
		if m.rows[row].at(sec) == o {
			return o, added
		}
	}
	reason := Conflict
	for _, row := range o.rows {
		r := m.rows[row]
		comes := slices.ContainsFunc(r.reigns, func(x refReign) bool { return x.out == o && x.from > sec })
		if !comes {
			continue
		}
		if before := r.at(sec); !before.left {
			return before, added
		}
		reason = TooOld
	}
	return nil, reason
}
