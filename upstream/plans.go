package upstream

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/coalesce-metrics/coalesce/route"
)

const (
	minSlots = 1 << 16 // names remembered, 16 bytes each
	maxSlots = 1 << 22
	planWays = 4       // slots that a name may be in
	planBits = 24      // of a word that hold the number of a plan
	maxPlans = 1 << 16 // different plans, and sets
)

// plans remembers where names go. A hash of at least 116 bits with seeds drawn at
// random stands for a name. It is read without locks.
type plans struct {
	seeds [2]maphash.Seed
	slots []planSlot
	used  atomic.Int64  // slots
	clock atomic.Uint32 // chooses who leaves

	plans numbering[route.Plan, plan]
	sets  numbering[route.Set, []*destination]
}

// planSlot holds a name's hash and the number of its plan: b has a part of the hash
// and the number; a the rest of the hash, with b mixed in, so that halves of two
// names never pass for one.
type planSlot struct{ a, b atomic.Uint64 }

// plan is a route.Plan and what came of it.
type plan struct {
	of     route.Plan
	fixed  bool
	set    uint32        // if fixed
	latest atomic.Uint64 // else the version of the states and the set, for new timestamps
}

func newPlans(slots int) *plans {
	return &plans{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		slots: make([]planSlot, slots),
	}
}

// nameHash stands for the name of a row of a class.
type nameHash struct{ a, b uint64 }

func (p *plans) hash(class int, name []byte) nameHash {
	h := nameHash{maphash.Bytes(p.seeds[0], name), maphash.Bytes(p.seeds[1], name)}
	if class == otherClass {
		h.a = ^h.a
	}
	return h
}

// ways returns the slots that a name may be in.
func (p *plans) ways(h nameHash) []planSlot {
	at := h.b * planWays & uint64(len(p.slots)-1)
	return p.slots[at : at+planWays]
}

// touch has the processor fetch the slots of h.
func (p *plans) touch(h nameHash) uint64 { return p.ways(h)[0].b.Load() }

// find returns the plan of a name; ok is false when it is not known.
func (p *plans) find(h nameHash) (id uint32, ok bool) {
	ways := p.ways(h)
	for i := range ways {
		w := ways[i].b.Load()
		if w>>planBits == h.b>>planBits && ways[i].a.Load()^w == h.a && w != 0 {
			return uint32(w & (1<<planBits - 1)), true
		}
	}
	return 0, false
}

// keep remembers the plan of a name that find did not know.
func (p *plans) keep(h nameHash, id uint32) {
	ways := p.ways(h)
	to := &ways[p.clock.Add(1)%planWays]
	for i := range ways {
		if ways[i].b.Load() == 0 {
			to = &ways[i]
			p.used.Add(1)
			break
		}
	}
	w := h.b>>planBits<<planBits | uint64(id)
	to.a.Store(h.a ^ w)
	to.b.Store(w)
}

// renewed returns what is to take the place of p: something larger or emptier, or
// p. Names are planned anew then.
func (p *plans) renewed() *plans {
	switch n := len(p.slots); {
	case p.used.Load() > int64(n/4*3) && n < maxSlots:
		return newPlans(2 * n)
	case p.plans.len() >= maxPlans || p.sets.len() >= maxPlans:
		return newPlans(n)
	}
	return p
}

// numbering numbers values from 1 on.
type numbering[K comparable, V any] struct {
	mu  sync.Mutex // guards ids and additions to all
	ids map[K]uint32
	all atomic.Pointer[[]*V] // by number; elements never change
}

func (n *numbering[K, V]) len() int {
	if all := n.all.Load(); all != nil {
		return len(*all)
	}
	return 0
}

func (n *numbering[K, V]) at(id uint32) *V { return (*n.all.Load())[id] }

// number returns the number of k; make gives the value of a new one.
func (n *numbering[K, V]) number(k K, make func() *V) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if id, ok := n.ids[k]; ok {
		return id
	}
	var all []*V
	if old := n.all.Load(); old != nil {
		all = *old
	} else {
		n.ids = map[K]uint32{}
		all = append(all, nil)
	}
	id := uint32(len(all))
	all = append(all, make()) // readers of the old slice do not look behind its end
	n.ids[k] = id
	n.all.Store(&all)
	return id
}
