package archive

import (
	"cmp"
	"slices"

	"github.com/coalesce-metrics/coalesce/store"
)

// pending is what the store does not have yet. Guarded by Archive.mu.
type pending struct {
	entries map[string]*entry
	free    []*entry // empty, for use again
	parked  []item   // that wait for another try, and are not in the queue any more
	late    []item   // deltas, in the queue or not
	queue   queue
	seq     uint64 // the last one given
	arena   arena
	cells   int64 // with deltas
	bytes   int64
}

// entry is the pending cells of a series.
type entry struct {
	series store.Series
	cells  []pcell // ascending by step and start
	deltas []delta // in order of arrival
	// refusals is how often the store refused the series and took others; until
	// parkedUntil it is not tried again.
	refusals    int
	parkedUntil float64
	// dropped marks what is no entry, but stands in the queue for a series that was
	// dropped.
	dropped bool
}

// pcell is a pending cell: all of it, replacing what the store has.
type pcell struct {
	step, start int64
	data        []byte   // immutable
	seq         uint64   // tells it from what it replaces and from what replaces it
	seg         *segment // where it was journaled last; nil if it was not
	// older is the segment of what it replaced. It must stay until this one is
	// journaled or in the store.
	older    *segment
	consumed []consumed // the deltas in it, until it is journaled
	flying   bool       // in a batch on its way to the store
}

// delta is something to be merged into a cell that has to be read first.
type delta struct {
	period, start int64
	data          []byte
	seq           uint64
	id            uint64 // in the journal
	seg           *segment
}

type consumed struct {
	id  uint64
	seg *segment
}

// What a cell and an entry take beside their data and name, about.
const (
	cellOverhead  = 128
	entryOverhead = 256
)

func (c *pcell) size() int64 { return int64(len(c.data)) + cellOverhead }
func (d *delta) size() int64 { return int64(len(d.data)) + cellOverhead }
func (e *entry) size() int64 { return int64(len(e.series.Name)) + entryOverhead }

func (p *pending) init() { p.entries = make(map[string]*entry) }

// entry returns the entry of a series, brought up to date.
func (p *pending) entry(s *store.Series) *entry {
	e := p.entries[s.Name]
	if e == nil {
		if n := len(p.free); n > 0 {
			e, p.free = p.free[n-1], p.free[:n-1]
		} else {
			e = new(entry)
		}
		methods := e.series.Methods
		e.series = *s
		if e.series.Methods = methods; !slices.Equal(methods, s.Methods) {
			e.series.Methods = slices.Clone(s.Methods)
		}
		p.entries[s.Name] = e
		p.bytes += e.size()
		return e
	}
	if s.Period != e.series.Period || e.series.Periods != nil {
		e.meetPeriod(s.Period, s.Seen)
	}
	e.series.Input = s.Input
	e.series.Seen = max(e.series.Seen, s.Seen)
	if !slices.Equal(e.series.Methods, s.Methods) {
		e.series.Methods = slices.Clone(s.Methods)
	}
	return e
}

// meetPeriod notes that a cell of a period comes that begins at start. What is late may
// have an earlier one than the series has.
func (e *entry) meetPeriod(period, start int64) {
	s := &e.series
	if s.Periods != nil {
		s.Period, s.Periods = s.Periods.Meet(s.Period, period, start)
		return
	}
	first := min(start, s.Seen)
	for i := range e.cells {
		if c := &e.cells[i]; c.step == s.Period {
			first = min(first, c.start)
		}
	}
	if start < s.Seen { // the later one has come first
		s.Period, s.Periods = s.Periods.Meet(period, s.Period, s.Seen)
	} else {
		s.Period, s.Periods = s.Periods.Meet(s.Period, period, start)
	}
	s.Periods = s.Periods.Since(first)
}

// maxFree bounds the entries kept for use again.
const maxFree = 1 << 17

// leave forgets e if nothing of it is pending.
func (p *pending) leave(e *entry) {
	if len(e.cells)+len(e.deltas) > 0 {
		return
	}
	methods := e.series.Methods
	delete(p.entries, e.series.Name)
	p.bytes -= e.size()
	*e = entry{cells: e.cells[:0], deltas: e.deltas[:0]}
	e.series.Methods = methods // mostly the next one has the same
	if len(p.free) < maxFree && cap(e.cells) <= 16 && cap(e.deltas) <= 16 {
		p.free = append(p.free, e)
	}
}

// find returns where the cell of step and start is, or would be.
func (e *entry) find(step, start int64) (i int, found bool) {
	if n := len(e.cells); n == 0 || step == e.cells[n-1].step && start > e.cells[n-1].start {
		return n, false
	}
	return slices.BinarySearchFunc(e.cells, start, func(c pcell, start int64) int {
		return cmp.Or(cmp.Compare(c.step, step), cmp.Compare(c.start, start))
	})
}

// put makes c the pending cell of its step and start, and tells whether it replaced
// another.
func (p *pending) put(e *entry, c pcell) (replaced bool) {
	p.seq++
	c.seq = p.seq
	p.queue.push(item{e, c.seq})
	p.bytes += c.size()
	i, found := e.find(c.step, c.start)
	if !found {
		e.cells = slices.Insert(e.cells, i, c)
		p.cells++
		return false
	}
	old := &e.cells[i]
	p.bytes -= old.size()
	if c.older = old.seg; c.older == nil {
		c.older = old.older
	}
	c.consumed = append(old.consumed, c.consumed...)
	*old = c
	return true
}

// putDelta adds d.
func (p *pending) putDelta(e *entry, d delta) {
	p.seq++
	d.seq = p.seq
	if d.id == 0 {
		d.id = d.seq
	}
	p.queue.push(item{e, d.seq})
	p.late = append(p.late, item{e, d.seq})
	p.bytes += d.size()
	p.cells++
	e.deltas = append(e.deltas, d)
}

// remove takes cell i out of e, which nothing in the journal is needed for any more.
func (p *pending) remove(e *entry, i int) {
	c := &e.cells[i]
	c.settle()
	p.bytes -= c.size()
	p.cells--
	if i == 0 { // the oldest, of maybe many
		*c = pcell{}
		e.cells = e.cells[1:]
		return
	}
	e.cells = slices.Delete(e.cells, i, i+1)
}

// settle gives up what the journal holds for c.
func (c *pcell) settle() {
	c.seg.release(1)
	c.journaled(nil)
}

// journaled notes that all of c is in seg, and that what it stands for need not be
// anywhere else.
func (c *pcell) journaled(seg *segment) {
	c.older.release(1)
	for _, d := range c.consumed {
		d.seg.release(1)
	}
	c.seg, c.older, c.consumed = seg, nil, nil
}

// removeDelta takes delta i out of e. Its segment is still held for it.
func (p *pending) removeDelta(e *entry, i int) {
	p.bytes -= e.deltas[i].size()
	p.cells--
	e.deltas = slices.Delete(e.deltas, i, i+1)
}

// cell returns which cell of e has that seq, or -1. Mostly it is the first or the
// last one.
func (e *entry) cell(seq uint64) int {
	n := len(e.cells)
	switch {
	case n == 0:
		return -1
	case e.cells[0].seq == seq:
		return 0
	case e.cells[n-1].seq == seq:
		return n - 1
	}
	return slices.IndexFunc(e.cells, func(c pcell) bool { return c.seq == seq })
}

// delta returns which delta of e has that seq, or -1.
func (e *entry) delta(seq uint64) int {
	return slices.IndexFunc(e.deltas, func(d delta) bool { return d.seq == seq })
}

// item is a place in the queue. It is stale if its entry has nothing with that seq.
type item struct {
	e   *entry
	seq uint64
}

// queue is all that is pending in the order in which it came, with what is stale.
// Places are numbered from the first ever; the cursors are such numbers.
type queue struct {
	items []item
	base  uint64 // number of items[0]

	head      uint64 // what is before it is in the store, parked or dropped
	taken     uint64 // what is before it, from head on, is on its way to the store
	journaled uint64 // what is before it is in the journal or need not be
	dropped   uint64 // what is before it, from taken on, was looked at for dropping
}

func (q *queue) end() uint64          { return q.base + uint64(len(q.items)) }
func (q *queue) at(i uint64) item     { return q.items[i-q.base] }
func (q *queue) push(it item)         { q.items = append(q.items, it) }
func (q *queue) from(i uint64) []item { return q.items[max(i, q.base)-q.base:] }

// trim gives up the places that no cursor needs.
func (q *queue) trim() {
	q.journaled = max(q.journaled, q.head)
	if n := int(q.head - q.base); n > 1024 && n > len(q.items)/2 {
		left := copy(q.items, q.items[n:])
		clear(q.items[left:])
		q.items = q.items[:left]
		q.base = q.head
		if cap(q.items) > 1<<20 && left < cap(q.items)/8 {
			q.items = slices.Clone(q.items)
		}
	}
}

// maxStale is how many places that stand for nothing are left alone.
const maxStale = 4096

// compact gives up the places that stand for nothing, when they are many: while the
// store is away nothing else does, and each Keep takes one; mu is held. It waits for
// what goes by the numbers of places.
func (a *Archive) compact() {
	p := &a.pending
	q := &p.queue
	if len(q.items)+len(p.late)+len(p.parked) <= 4*int(p.cells)+a.stalePlaces ||
		q.taken != q.head || a.journal != nil && a.journal.flight != nil {
		return
	}
	live := make([]uint64, 0, p.cells)
	for _, e := range p.entries {
		for i := range e.cells {
			live = append(live, e.cells[i].seq)
		}
		for i := range e.deltas {
			live = append(live, e.deltas[i].seq)
		}
	}
	slices.Sort(live)
	stale := func(it item) bool {
		_, found := slices.BinarySearch(live, it.seq)
		return !found
	}
	q.keep(func(i uint64, it item) bool {
		return i >= q.head && (!stale(it) || it.e.dropped && i >= q.journaled)
	})
	p.late = slices.DeleteFunc(p.late, stale)
	p.parked = slices.DeleteFunc(p.parked, stale)
	slices.SortFunc(p.parked, func(x, y item) int { return cmp.Compare(x.seq, y.seq) })
	p.parked = slices.CompactFunc(p.parked, func(x, y item) bool { return x.seq == y.seq })
}

// keep gives up the places but those wanted, which keep their order. The number of the
// end stays; nothing may be on its way to the store or the journal.
func (q *queue) keep(want func(i uint64, it item) bool) {
	var kept []item
	journaled, dropped := 0, 0 // how many of these are before the cursors
	for n, it := range q.items {
		i := q.base + uint64(n)
		if !want(i, it) {
			continue
		}
		kept = append(kept, it)
		if i < q.journaled {
			journaled++
		}
		if i < q.dropped {
			dropped++
		}
	}
	base := q.end() - uint64(len(kept))
	q.items, q.base, q.head, q.taken = kept, base, base, base
	q.journaled, q.dropped = base+uint64(journaled), base+uint64(dropped)
}

// arena cuts immutable slices from larger ones.
type arena struct {
	buf     []byte
	scratch []byte // of Keep
}

const arenaBlock = 16 << 10

// add returns a copy of b.
func (a *arena) add(b []byte) []byte {
	if len(b) > arenaBlock/8 {
		return slices.Clone(b)
	}
	if cap(a.buf)-len(a.buf) < len(b) {
		a.buf = make([]byte, 0, arenaBlock)
	}
	n := len(a.buf)
	a.buf = append(a.buf, b...)
	return a.buf[n:len(a.buf):len(a.buf)]
}
