package aggregator

import (
	"cmp"
	"slices"

	"github.com/coalesce-metrics/coalesce/cell"
)

// Bucket is a copy of one held bucket, with what the lanes hold of it.
type Bucket struct {
	Start  int64 // Unix seconds
	Period int64 // seconds
	Method cell.Method
	Cell   cell.Cell
	Values *cell.Values // nil where the output needs none, or began to when the bucket was open
	Open   bool         // not yet emitted
	// Part says that this is only what has come late: the Archive has the rest.
	Part bool
	// Kept says that the Archive has it as it is, or cannot have it.
	Kept bool
}

// Value is the bucket's number as its rule makes it.
func (b *Bucket) Value() float64 { return b.Method.Value(&b.Cell, b.Values) }

// Buckets returns the buckets held of a row whose start is at or after from and
// before until, ascending, and whether the row is known at all. The open bucket
// is among them. One that is too old to be emitted again is not, nor one that
// another output may have emitted, until it is known. It waits for lanes that are
// held.
func (a *Aggregator) Buckets(row string, from, until int64) ([]Bucket, bool) {
	a.mu.RLock()
	c := a.claims[row]
	var outs []*output
	var feeds [][]*feed
	if c != nil {
		outs = slices.Clone(c.contenders)
		for _, o := range outs {
			feeds = append(feeds, o.feeds)
		}
	}
	a.mu.RUnlock()
	var found []Bucket
	for i, o := range outs {
		found = append(found, a.copyBuckets(o, feeds[i], c, from, until)...)
	}
	slices.SortFunc(found, func(x, y Bucket) int { return cmp.Compare(x.Start, y.Start) })
	return found, c != nil
}

// copyBuckets holds all lanes, so that no part is moved to the bucket between
// looking at one and the other.
func (a *Aggregator) copyBuckets(o *output, feeds []*feed, c *claim, from, until int64) []Bucket {
	for _, l := range a.lanes {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var method cell.Method
	for _, r := range o.rows {
		if r.claim == c {
			method = r.method
		}
	}
	var found []Bucket
	for start, b := range o.buckets {
		if start < from || start >= until || c.at(start) != o || !b.readable() {
			continue
		}
		v := Bucket{Start: start, Period: o.spec.period, Method: method, Cell: b.cell, Open: !b.closed, Part: b.recall != atHand}
		v.Values = b.values.Clone()
		replaced := false
		for _, l := range a.lanes {
			for _, f := range feeds {
				replaced = l.look(f, start, &v) || replaced
			}
		}
		if v.Values.Len() != v.Cell.Count {
			v.Values = nil // held only since a rule asked for it
		}
		v.Kept = b.kept == v.Cell.Count && !b.unkept && !replaced || b.part != nil
		if v.Cell.Count > 0 {
			found = append(found, v)
		}
	}
	return found
}

// readable says whether the bucket, with what the archive has of it, is what has
// been emitted of it and more. The caller holds out.mu.
func (b *bucket) readable() bool {
	switch {
	case b.recall == atHand:
	case b.out.spec.replace:
		return false // what is stored stands until it is known which is later
	case b.out.mayBeOthers(b.start):
		return false // the archive may have the rest as another output's
	}
	return !b.silent
}

// look adds a lane's part of a bucket to a copy and leaves the lane as it is. It
// says whether that took the place of what was there.
func (l *Lane) look(f *feed, start int64, v *Bucket) (replaced bool) {
	add := func(s *slot) {
		if f.out.spec.replace {
			_, changed := supersede(&v.Cell, &s.cell)
			replaced = replaced || changed
			return
		}
		v.Cell.Merge(&s.cell)
		if s.values != nil {
			if v.Values == nil {
				v.Values = new(cell.Values)
			}
			v.Values.Merge(s.values)
		}
	}
	if int(f.num) < len(l.slots) {
		if s := &l.slots[f.num]; s.span != 0 && s.gen == f.gen && s.start == start {
			add(s)
		}
	}
	if s := l.others[otherKey{f.num, start}]; s != nil && s.gen == f.gen {
		add(s)
	}
	return replaced
}
