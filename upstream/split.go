package upstream

import (
	"math"
	"time"

	"github.com/coalesce-metrics/coalesce/route"
)

// numArenas bounds the blocks that are being filled at a time, for each class.
const numArenas = 32

// maxStaged bounds the memory of the buffers that a splitter keeps, in bytes.
const maxStaged = 1 << 20

// splitter gathers lines by the set of destinations that they go to.
type splitter struct {
	stages  []stage // by number of the set
	staged  int     // capacity of their buffers
	fetched uint64  // so that fetching is not optimised away
	touched []uint32
	outputs [][]byte
	pending [splitLines]pendingLine
}

// splitLines is how many lines are looked up together, so that the waits for memory
// overlap.
const splitLines = 32

// pendingLine is a line that is being looked up.
type pendingLine struct {
	line []byte
	name int // its length
	hash nameHash
}

// stage holds lines that go to one set of destinations.
type stage struct {
	buf   []byte
	lines int
}

// split sends each line to where the routes say.
func (u *Upstream) split(lines []byte, kind Kind) {
	if u.choices {
		u.routing.RLock()
		defer u.routing.RUnlock()
	}
	p := u.plans.Load()
	s, _ := u.splitters.Get().(*splitter)
	if s == nil {
		s = new(splitter)
	}
	class := classOf(kind)
	newest := int64(math.MinInt64)
	for len(lines) > 0 {
		var n int
		n, lines = s.look(p, class, lines)
		for i := range n {
			l := &s.pending[i]
			pl := u.planOf(p, s, class, l.line[:l.name], l.hash)
			set := pl.set
			if !pl.fixed {
				stamp := stampOf(l.line)
				newest = max(newest, stamp)
				set = u.resolve(p, pl, stamp)
			}
			s.add(set, l.line)
		}
	}
	u.noteStamp(newest)
	for _, id := range s.touched {
		st := &s.stages[id]
		u.deliver(&u.arenas[class][id%numArenas], *p.sets.at(id), st.buf, st.lines, kind)
		st.buf, st.lines = st.buf[:0], 0
	}
	s.touched = s.touched[:0]
	if s.staged > maxStaged {
		clear(s.stages)
		s.staged = 0
	}
	clear(s.pending[:])
	u.splitters.Put(s)
	if next := p.renewed(); next != p {
		u.plans.CompareAndSwap(p, next)
	}
}

// look makes the next lines pending, and returns the others.
func (s *splitter) look(p *plans, class int, lines []byte) (n int, rest []byte) {
	for n < splitLines && len(lines) > 0 {
		l := &s.pending[n]
		size := lineLen(lines)
		l.line, lines = lines[:size], lines[size:]
		l.name = nameLen(l.line)
		l.hash = p.hash(class, l.line[:l.name])
		n++
	}
	for i := range n {
		s.fetched ^= p.touch(s.pending[i].hash)
	}
	return n, lines
}

// add puts a line to those of its set.
func (s *splitter) add(set uint32, line []byte) {
	for int(set) >= len(s.stages) {
		s.stages = append(s.stages, stage{})
	}
	st := &s.stages[set]
	if st.lines == 0 {
		s.touched = append(s.touched, set)
	}
	before := cap(st.buf)
	st.buf = append(st.buf, line...)
	s.staged += cap(st.buf) - before
	st.lines++
}

// planOf returns the plan of a name.
func (u *Upstream) planOf(p *plans, s *splitter, class int, name []byte, h nameHash) *plan {
	id, ok := p.find(h)
	if ok {
		return p.plans.at(id)
	}
	s.outputs = s.outputs[:0]
	if class == rawClass && u.asks {
		s.outputs = u.cfg.Outputs(s.outputs, name)
	}
	made := u.router.plan(class, name, s.outputs)
	clear(s.outputs)
	id = p.plans.number(made, func() *plan {
		pl := &plan{of: made}
		var set route.Set
		if set, pl.fixed = made.Fixed(); pl.fixed {
			pl.set = u.setOf(p, set)
		}
		return pl
	})
	p.keep(h, id)
	return p.plans.at(id)
}

// setOf returns the number of a set of destinations.
func (u *Upstream) setOf(p *plans, set route.Set) uint32 {
	return p.sets.number(set, func() *[]*destination {
		to := u.members(&set)
		return &to
	})
}

// members returns the destinations in set.
func (u *Upstream) members(set *route.Set) (to []*destination) {
	for i, d := range u.dests {
		if set.Has(i) {
			to = append(to, d)
		}
	}
	return to
}

// resolve returns the number of the set that a row goes to by which destinations are
// up; routing is held.
func (u *Upstream) resolve(p *plans, pl *plan, stamp int64) uint32 {
	if stamp >= u.settled {
		if w := pl.latest.Load(); w>>32 == uint64(u.version) {
			return uint32(w)
		}
	}
	id := u.setOf(p, u.router.table.Resolve(pl.of, stamp, u.states))
	if stamp >= u.settled {
		pl.latest.Store(uint64(u.version)<<32 | uint64(id))
	}
	return id
}

// noteStamp notes the newest timestamp among rows that were resolved.
func (u *Upstream) noteStamp(t int64) {
	for {
		old := u.newest.Load()
		if t <= old || u.newest.CompareAndSwap(old, t) {
			return
		}
	}
}

// maxFuture is how far ahead of the clock a timestamp may be to be heeded when a
// destination returns: it takes newer ones only.
const maxFuture = 10 * time.Minute
