package archive

import (
	"slices"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

// Record is a cell to be kept. It is the caller's again when Keep returns.
type Record struct {
	// Series is whose cell it is. Seen is not read.
	Series store.Series
	Start  int64 // a multiple of the series' period, Unix seconds
	Cell   *cell.Cell
	Values *cell.Values // may be nil
	// CoarseOnly says that the cell is not all of the bucket but what came in for
	// one that Covers calls Coarse. It is merged into the windows that cover it.
	CoarseOnly bool
}

// maxName bounds names, so that a record fits into the journal.
const maxName = 64 << 10

// Keep takes a closed bucket, in place of what is held of it, and returns whether it
// does: what no tier shows any more, or none can hold, is dropped. It does not wait for
// the store or the disk; call Commit before anything relies on it.
func (a *Archive) Keep(r *Record) bool {
	now := a.cfg.Now()
	period := r.Series.Period
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stats.Kept++
	if !valid(r) {
		a.stats.Dropped[Invalid]++
		return false
	}
	if a.outlived(r, now) {
		a.stats.Dropped[TooOld]++
		return false
	}
	p := &a.pending
	p.arena.scratch = cell.AppendBinary(p.arena.scratch[:0], r.Cell, r.Values)
	if recordBound(&r.Series, len(p.arena.scratch)) > maxPayload {
		a.stats.Dropped[Invalid]++
		return false
	}
	data := p.arena.add(p.arena.scratch)
	s := r.Series
	s.Seen = r.Start
	e := p.entry(&s)
	if r.CoarseOnly {
		p.putDelta(e, delta{period: period, start: r.Start, data: data})
	} else {
		if p.put(e, pcell{step: period, start: r.Start, data: data}) {
			a.stats.Replaced++
		}
		if a.journal != nil {
			a.journal.fresh = a.journal.fresh.join(span{r.Start, r.Start + period})
		}
	}
	a.meetPeriod(period)
	if p.bytes > a.cfg.MaxPending/2 {
		select {
		case a.wake <- struct{}{}:
		default:
		}
		a.evict()
	}
	a.compact()
	return true
}

// valid tells whether a store takes the cell.
func valid(r *Record) bool {
	period, n := r.Series.Period, len(r.Series.Name)
	return period > 0 && period <= store.MaxStep && r.Start%period == 0 &&
		r.Start >= -store.MaxTime && r.Start <= store.MaxTime && n > 0 && n <= maxName
}

// outlived tells whether no tier shows what is to be kept.
func (a *Archive) outlived(r *Record, now float64) bool {
	period := r.Series.Period
	if !r.CoarseOnly && !expired(r.Start, period, a.chain.native(period), now) {
		return false
	}
	for i := range a.chain.windows {
		w := &a.chain.windows[i]
		if w.Step > period && w.Step%period == 0 && !expired(floor(r.Start, w.Step), w.Step, w.Retention, now) {
			return false
		}
	}
	return true
}

// meetPeriod makes a period known; mu is held.
func (a *Archive) meetPeriod(period int64) {
	if slices.Contains(a.view.Load().native, period) {
		return
	}
	a.publish(func(v *view) {
		v.native = append(slices.Clone(v.native), period)
		slices.Sort(v.native)
	})
}

// evict drops the oldest cells beyond MaxPending, but for those that are on their
// way to the store; mu is held.
func (a *Archive) evict() {
	p := &a.pending
	if p.bytes <= a.cfg.MaxPending {
		return
	}
	first := func(list []item) []item {
		for len(list) > 0 && p.bytes > a.cfg.MaxPending {
			a.drop(list[0], QueueFull)
			list = list[1:]
		}
		return list
	}
	p.parked = first(p.parked)
	q := &p.queue
	q.dropped = max(q.dropped, q.taken)
	for ; q.dropped < q.end() && p.bytes > a.cfg.MaxPending; q.dropped++ {
		a.drop(q.at(q.dropped), QueueFull)
	}
	p.late = first(p.late)
	a.saveLost()
}

// dropSegment drops what a restart would need a segment for; mu is held. Its cells
// are the oldest of those that are journaled.
func (a *Archive) dropSegment(s *segment) {
	p := &a.pending
	for _, list := range [...][]item{p.parked, p.late, p.queue.from(p.queue.head)} {
		for _, it := range list {
			if s.live == 0 {
				break
			}
			a.dropFrom(it, s)
		}
	}
	a.saveLost()
	s.live = 0 // the rest is of cells that have been replaced since
}

// dropFrom drops it if it was journaled to s. What is on its way to the store stays,
// but not in the journal.
func (a *Archive) dropFrom(it item, s *segment) {
	if i := it.e.delta(it.seq); i >= 0 && it.e.deltas[i].seg == s {
		a.drop(it, JournalFull)
		return
	}
	i := it.e.cell(it.seq)
	if i < 0 {
		return
	}
	c := &it.e.cells[i]
	if c.seg == s && !c.flying {
		a.drop(it, JournalFull)
		return
	}
	for _, x := range []**segment{&c.seg, &c.older} {
		if *x == s {
			s.live--
			*x = nil
		}
	}
	for k := range c.consumed {
		if c.consumed[k].seg == s {
			s.live--
			c.consumed[k].seg = nil
		}
	}
}

// drop gives a pending cell up, unless it is on its way to the store; mu is held.
func (a *Archive) drop(it item, why Reason) {
	p, e := &a.pending, it.e
	if i := e.cell(it.seq); i >= 0 && !e.cells[i].flying {
		c := &e.cells[i]
		if why != TooOld {
			a.lost = a.lost.add(span{c.start, c.start + c.step})
		}
		p.remove(e, i)
	} else if i := e.delta(it.seq); i >= 0 {
		e.deltas[i].seg.release(1)
		p.removeDelta(e, i)
	} else {
		return
	}
	a.stats.Dropped[why]++
	if why != TooOld && !a.losing {
		a.losing = true
		a.cfg.Logger.Error("cells are dropped before the store has them, the oldest first", "reason", why.String(), "pending_bytes", p.bytes)
	}
	p.leave(e)
}

// saveLost makes the lost spans known; mu is held.
func (a *Archive) saveLost() {
	if slices.Equal(a.view.Load().lost, a.lost) {
		return
	}
	a.publish(func(v *view) { v.lost = a.lost })
	if a.journal != nil {
		a.journal.st.lost, a.journal.dirty = a.lost, true
	}
}

// discard drops all that is pending; mu is held.
func (a *Archive) discard(why Reason) {
	p := &a.pending
	for _, list := range [...][]item{p.parked, p.late, p.queue.from(p.queue.base)} {
		for _, it := range list {
			a.drop(it, why)
		}
	}
}
