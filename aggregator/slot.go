package aggregator

import (
	"math"

	"github.com/coalesce-metrics/coalesce/cell"
)

// slot is a lane's part of one bucket of one feed. A span of 0 marks an empty one.
type slot struct {
	start  int64
	span   uint32 // the period; long periods do not take the fast way
	gen    uint16
	values *cell.Values
	cell   cell.Cell
}

type otherKey struct {
	num   uint32
	start int64
}

// oldest is the least second that buckets are kept for; below it starts would
// not be exact as float64.
const oldest = -1 << 53

// slot finds or begins the lane's part of the bucket that a datapoint of time t
// belongs to. Where the datapoint belongs to the output that this one follows,
// or the output has just left, it returns the feed to go on with.
func (l *Lane) slot(f *feed, t float64) (*slot, Drop, *feed) {
	switch {
	case t > l.limit || t > -oldest:
		return nil, TooNew, nil
	case !(t >= oldest): // so that NaN is no time either
		return nil, TooOld, nil
	}
	sec := int64(math.Floor(t))
	o := f.out
	if o.spec.view != nil {
		s, reason := l.viewSlot(f)
		return s, reason, nil
	}
	o.mu.Lock()
	if o.hasLeft.Load() {
		o.mu.Unlock()
		if f = l.agg.successor(f); f == nil {
			return nil, OutputsFull, nil
		}
		return nil, added, f
	}
	if owner, reason := o.ownerAt(sec); owner != o {
		o.mu.Unlock()
		if l.agg.reclaim(f) {
			return nil, added, f
		}
		if owner == nil {
			return nil, reason, nil
		}
		by := f.rules
		if owner.spec.replace {
			if !f.measured() {
				return nil, Conflict, nil
			}
			// Which is later is known within one feed only.
			if st := owner.rule.Load(); st != nil {
				by = []*ruleState{st}
			}
		}
		f, reason = l.agg.feedTo(owner, by)
		return nil, reason, f
	}
	start, reason := l.agg.admit(o, sec, l.now)
	values, until := o.values, o.until(sec)
	o.mu.Unlock()
	if reason != added {
		return nil, reason, nil
	}
	s := l.place(f, start)
	if s.span == 0 {
		s.start, s.gen = start, f.gen
		s.span = uint32(min(min(until, start+o.spec.period)-start, math.MaxUint32))
		if values {
			s.values = new(cell.Values)
		}
	}
	return s, added, nil
}

// place returns the slot for a bucket: the feed's own if the bucket is the
// newest, else one among the others.
func (l *Lane) place(f *feed, start int64) *slot {
	if int(f.num) >= len(l.slots) {
		grown := make([]slot, max(int(f.num)+1, 2*len(l.slots), 64))
		copy(grown, l.slots)
		l.slots = grown
	}
	s := &l.slots[f.num]
	if s.span != 0 && s.start == start {
		return s
	}
	key := otherKey{f.num, start}
	if o := l.others[key]; o != nil {
		return o
	}
	switch {
	case s.span == 0:
	case start > s.start:
		// The older bucket moves aside; its stragglers are few.
		old := *s
		l.others[otherKey{f.num, s.start}] = &old
		*s = slot{}
	default:
		s = &slot{}
		l.others[key] = s
	}
	return s
}

// takeOut moves what the lane has of b by way of f to b, and returns how many datapoints
// that is. The caller holds l.mu and out.mu.
func (l *Lane) takeOut(f *feed, b *bucket) (n int64) {
	var replaced int64
	if int(f.num) < len(l.slots) {
		s := &l.slots[f.num]
		if s.span != 0 && s.gen == f.gen && s.start == b.start {
			n = s.cell.Count
			replaced = b.absorb(&s.cell, s.values)
			*s = slot{}
		}
	}
	if len(l.others) > 0 {
		key := otherKey{f.num, b.start}
		if s := l.others[key]; s != nil && s.gen == f.gen {
			n += s.cell.Count
			replaced += b.absorb(&s.cell, s.values)
			delete(l.others, key)
		}
	}
	l.count.replaced += uint64(replaced)
	return n
}
