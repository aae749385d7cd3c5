// Package series remembers what becomes of each metric name, so that a known
// name costs one lookup.
package series

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Ref is what a name leads to, as the owner of the Table encodes it. 0 is no Ref.
type Ref uint64

// shardBits is the number of bits of Hash.B that choose a shard. Shards keep the
// pauses of growing and evicting short, and writers apart.
const shardBits = 6

// firstSlots is the size of a shard's first slot array.
const firstSlots = 64

// slot is one name. a is written last and decides whether the slot is taken; a
// and b never change in one slot array, so that readers need no lock. Two slots
// share a cache line and none straddles one.
type slot struct {
	a, b    atomic.Uint64
	ref     atomic.Uint64
	version atomic.Uint32 // written after ref, read before it
	seen    atomic.Uint32
}

type shard struct {
	slots atomic.Pointer[[]slot]
	mu    sync.Mutex // for writers; guards used and the taking of slots
	used  int
	_     [40]byte // shards are written by different cores
}

// Table maps names to Refs. Reading takes no lock; a name that is just being
// moved may be missed for a moment, which its reader cannot tell from a new one.
// When the table is full, the names that were idle longest leave first.
type Table struct {
	shards  [1 << shardBits]shard
	limit   int // names per shard
	evicted atomic.Uint64
}

// NewTable returns an empty table for up to max names. The bound is kept for
// each of its 64 shards apart, so that some names may leave when the table is
// nearly full.
func NewTable(max int) *Table {
	t := &Table{limit: max>>shardBits + 1}
	for i := range t.shards {
		s := make([]slot, firstSlots)
		t.shards[i].slots.Store(&s)
	}
	return t
}

func (t *Table) shard(h Hash) *shard { return &t.shards[h.B>>(64-shardBits)] }

// Get returns the Ref of a name and the version it was stored with, or 0. now is
// a coarse clock that orders names by when they were last seen.
func (t *Table) Get(h Hash, now uint32) (ref Ref, version uint32) {
	slots := *t.shard(h).slots.Load()
	mask := uint64(len(slots) - 1)
	for i := h.A & mask; ; i = (i + 1) & mask {
		s := &slots[i]
		switch s.a.Load() {
		case h.A:
			if s.b.Load() != h.B {
				continue
			}
			if s.seen.Load() != now {
				s.seen.Store(now)
			}
			version = s.version.Load()
			return Ref(s.ref.Load()), version
		case 0:
			return 0, 0
		}
	}
}

// Touch asks for the first slot of every name, so that the memory arrives
// together when Get follows. No branch depends on what it reads, which is what
// lets the waits overlap.
func (t *Table) Touch(hs []Hash) (sum uint64) {
	for _, h := range hs {
		slots := *t.shard(h).slots.Load()
		sum ^= slots[h.A&uint64(len(slots)-1)].a.Load()
	}
	return sum
}

// Put stores or replaces the Ref of a name, unless that of a later version is there: what
// Get returns to somebody of the later version is then not of an earlier one, even while
// another stores it.
func (t *Table) Put(h Hash, ref Ref, version, now uint32) {
	sh := t.shard(h)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slots := *sh.slots.Load()
	s := find(slots, h)
	if s.a.Load() == 0 {
		if sh.used >= t.limit {
			slots = t.evict(sh, slots, now)
			s = find(slots, h)
		} else if (sh.used+1)*4 > len(slots)*3 {
			slots = sh.move(slots, len(slots)*2, func(*slot) bool { return true })
			s = find(slots, h)
		}
		sh.used++
	} else if int32(s.version.Load()-version) > 0 {
		return
	}
	s.ref.Store(uint64(ref))
	s.version.Store(version)
	s.seen.Store(now)
	s.b.Store(h.B)
	s.a.Store(h.A)
}

// Len returns how many names the table holds.
func (t *Table) Len() int {
	n := 0
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		n += sh.used
		sh.mu.Unlock()
	}
	return n
}

// Evicted returns how many names had to leave for others so far.
func (t *Table) Evicted() uint64 { return t.evicted.Load() }

// find returns the slot of a name, or the free one where it belongs.
func find(slots []slot, h Hash) *slot {
	mask := uint64(len(slots) - 1)
	for i := h.A & mask; ; i = (i + 1) & mask {
		s := &slots[i]
		if a := s.a.Load(); a == 0 || a == h.A && s.b.Load() == h.B {
			return s
		}
	}
}

// ahead is by how much more than now a name may have been seen, by somebody whose
// clock was read a little later. A name that is further ahead was seen by a clock that
// has been set back, and not since.
const ahead = 16

// evict makes room: a quarter of the shard's names leave, those seen longest
// ago. It costs a handful of copied slots for each name that enters later.
func (t *Table) evict(sh *shard, slots []slot, now uint32) []slot {
	// Ages by power of two are fine enough to rank by.
	var ages [33]int
	age := func(s *slot) int {
		switch d := int32(now - s.seen.Load()); {
		case d >= 0:
			return bits.Len32(uint32(d))
		case d >= -ahead:
			return 0
		}
		return len(ages) - 1
	}
	for i := range slots {
		if slots[i].a.Load() != 0 {
			ages[age(&slots[i])]++
		}
	}
	leave, limit := max(sh.used/4, 1), 32
	for sum := 0; limit > 0; limit-- {
		if sum += ages[limit]; sum >= leave {
			break
		}
	}
	// All older than limit go, and of those at the limit as many as are needed.
	before := sh.used
	older := 0
	for a := limit + 1; a < len(ages); a++ {
		older += ages[a]
	}
	atLimit := leave - older
	size := len(slots)
	slots = sh.move(slots, size, func(s *slot) bool {
		a := age(s)
		if a == limit && atLimit > 0 {
			atLimit--
			return false
		}
		return a <= limit
	})
	t.evicted.Add(uint64(before - sh.used))
	return slots
}

// move publishes a new slot array of the given size with the slots to keep.
// Readers of the old one lose at most a mark of having been seen.
func (sh *shard) move(old []slot, size int, keep func(*slot) bool) []slot {
	slots := make([]slot, size)
	sh.used = 0
	for i := range old {
		o := &old[i]
		if o.a.Load() == 0 || !keep(o) {
			continue
		}
		h := Hash{o.a.Load(), o.b.Load()}
		s := find(slots, h)
		s.ref.Store(o.ref.Load())
		s.version.Store(o.version.Load())
		s.seen.Store(o.seen.Load())
		s.b.Store(h.B)
		s.a.Store(h.A)
		sh.used++
	}
	sh.slots.Store(&slots)
	return slots
}
