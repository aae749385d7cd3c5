package route

import "math"

// slots is how many shares a RoundRobin route deals out. Names of one slot stay
// together, so that Plans are few.
const slots = 4096

func slotOf(name []byte) uint16 { return uint16(nameHash(name) % slots) }

// choice is a route that gives each row to one of its destinations.
type choice struct {
	dests []int
	seeds []uint64 // RoundRobin: by index in dests; nil: in order
	best  []uint16 // RoundRobin: by slot, the index in dests that comes first
}

func newChoice(nodes []Node, r Route) choice {
	c := choice{dests: append([]int(nil), r.Destinations...)}
	if r.Mode == Failover {
		return c
	}
	for _, d := range c.dests {
		c.seeds = append(c.seeds, nameHash(nodes[d].String()))
	}
	c.best = make([]uint16, slots)
	for slot := range c.best {
		for i := range c.dests {
			if c.before(uint16(slot), i, int(c.best[slot])) {
				c.best[slot] = uint16(i)
			}
		}
	}
	return c
}

// before reports whether dests[i] is a better candidate for slot than dests[j]: by
// order, or by rendezvous hashing, which deals the slots of a destination that is
// down evenly to the others and moves no other slot.
func (c *choice) before(slot uint16, i, j int) bool {
	if c.seeds == nil {
		return i < j
	}
	a, b := stir(c.seeds[i]+uint64(slot)), stir(c.seeds[j]+uint64(slot))
	return a > b || a == b && i < j
}

// pick returns the destination for a row of slot with timestamp ts: the first
// candidate that is up for ts; else the one that has been up longest; else, with all
// of them down, the first.
func (c *choice) pick(slot uint16, ts int64, s States) int {
	ts = min(ts, down-1)
	best := 0
	if c.best != nil {
		best = int(c.best[slot])
	}
	since := max(s.at(c.dests[best]), ts)
	if since == ts {
		return c.dests[best]
	}
	for i, d := range c.dests {
		// Whoever is up for ts counts as up since ts, and comes before all others.
		if x := max(s.at(d), ts); x < since || x == since && c.before(slot, i, best) {
			best, since = i, x
			if since == ts && c.seeds == nil {
				break
			}
		}
	}
	return c.dests[best]
}

// States says which destinations are up, and since which timestamp. It is an
// immutable value: Up and Down return a changed copy. The zero value has all of
// them up.
type States struct{ since []int64 }

// down is the since of a destination that is down.
const down = math.MaxInt64

// Down returns s with destination d down: a row is given to it only where no other
// candidate is up. d must be from 0 to MaxDestinations-1.
func (s States) Down(d int) States { return s.set(d, down) }

// Up returns s with destination d, if it is down, up for rows with timestamps from
// since on, in Unix seconds. Later values of an older row go on to where its first
// ones went. For that, since must be later than the timestamp of any row that was
// resolved before; it is raised above the since of every other destination, so that
// they return one after the other.
func (s States) Up(d int, since int64) States {
	if s.IsUp(d) {
		return s
	}
	for _, other := range s.since {
		if other != down {
			since = max(since, other+1)
		}
	}
	return s.set(d, min(since, down-1))
}

// IsUp reports whether destination d is up for rows of any timestamp.
func (s States) IsUp(d int) bool { return s.at(d) != down }

func (s States) set(d int, since int64) States {
	all := make([]int64, max(d+1, len(s.since)))
	for i := range all {
		all[i] = s.at(i)
	}
	all[d] = since
	return States{all}
}

func (s States) at(d int) int64 {
	if d < len(s.since) {
		return s.since[d]
	}
	return math.MinInt64
}

// Resolve returns the destinations of a row with timestamp ts, in whole Unix seconds,
// whose name has plan p. For one name and timestamp a Failover or RoundRobin route
// keeps to one destination until that goes down, provided that all callers change to
// new States at once.
func (t *Table) Resolve(p Plan, ts int64, s States) Set {
	set := p.fixed
	for i := range t.choices {
		if p.choices>>i&1 != 0 {
			set.Add(t.choices[i].pick(p.slot, ts, s))
		}
	}
	return set
}
