// Package route tells which destinations a name goes to.
//
// A Table makes a Plan from a name once, by pattern and hash; Resolve turns the Plan
// into a Set of destinations whenever a row is sent, by which of them are up. Nothing
// here does input or output, keeps time or starts a goroutine.
package route

import (
	"fmt"
	"strings"
)

// Kind is a set of kinds of rows.
type Kind uint8

// The kinds of rows, and both of them.
const (
	Raw        Kind = 1 << iota // datapoints that are passed on as received
	Aggregates                  // rows of outputs, own metrics included
	Both       = Raw | Aggregates
)

// Mode is how a Route chooses among its destinations.
type Mode string

// The modes.
const (
	All            Mode = "all"             // each of them
	Hash           Mode = "hash"            // the owners of the name in a hash ring
	AggregatedHash Mode = "aggregated-hash" // the owners of every output that a raw datapoint feeds
	Failover       Mode = "failover"        // the first that is up, in the order given
	RoundRobin     Mode = "round-robin"     // one that is up, another for each name, in equal shares
)

const modes = "accepted: all, hash, aggregated-hash, failover, round-robin"

// Route sends the names that it matches to some destinations.
type Route struct {
	// Kinds are the kinds of rows that the route takes.
	Kinds Kind
	// Match reports whether the route takes a name; nil takes every name. It must be
	// safe for concurrent use, give one name the same answer always, and not keep it.
	Match func(name []byte) bool
	// Mode is how the destinations are chosen.
	Mode Mode
	// Destinations are indexes into the nodes of the Table, each at most once. Hash
	// rings are built and Failover chooses in their order.
	Destinations []int
	// Hash, ReplicationFactor and DiverseReplicas are those of RingConfig. Only the
	// modes Hash and AggregatedHash have them.
	Hash              HashType
	ReplicationFactor int
	DiverseReplicas   bool
	// Stop keeps a name that the route takes from the routes behind it.
	Stop bool
}

// Bounds of a Table.
const (
	MaxRoutes  = 1024 // routes of a Table
	MaxChoices = 64   // routes with mode Failover or RoundRobin among them
)

// Table holds routes in order. It is immutable and may be shared.
type Table struct {
	routes  []tableRoute
	choices []choice
}

// Error says what is wrong with one of several routes, and what is accepted.
type Error struct {
	Route int // from 0
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("route %d: %v", e.Route+1, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// tableRoute is a checked Route.
type tableRoute struct {
	kinds   Kind
	match   func([]byte) bool
	stop    bool
	fixed   Set   // All: every destination
	ring    *Ring // Hash, AggregatedHash
	outputs bool  // AggregatedHash
	dests   []int // by node of ring
	choice  int   // index in Table.choices; -1 in other modes
	slots   bool  // RoundRobin: the choice needs the slot of the name
}

// NewTable builds a table over nodes, which Sets refer to by index. A destination
// that has no host and port may be any Node that differs from the others. Neither
// slice is kept. What is wrong with a route is an [Error].
func NewTable(nodes []Node, routes []Route) (*Table, error) {
	switch {
	case len(nodes) == 0:
		return nil, fmt.Errorf("no destinations; accepted: 1 to %d", MaxDestinations)
	case len(nodes) > MaxDestinations:
		return nil, fmt.Errorf("%d destinations; accepted: 1 to %d", len(nodes), MaxDestinations)
	case len(routes) == 0 || len(routes) > MaxRoutes:
		return nil, fmt.Errorf("%d routes; accepted: 1 to %d", len(routes), MaxRoutes)
	}
	seen := make(map[Node]bool, len(nodes))
	for _, n := range nodes {
		if seen[n] {
			return nil, fmt.Errorf("destination %q is there twice; accepted: once each", n)
		}
		seen[n] = true
	}
	t := &Table{routes: make([]tableRoute, 0, len(routes))}
	for i, r := range routes {
		if err := t.add(nodes, r); err != nil {
			return nil, &Error{Route: i, Err: err}
		}
	}
	return t, nil
}

func (t *Table) add(nodes []Node, r Route) error {
	if err := r.check(len(nodes)); err != nil {
		return err
	}
	tr := tableRoute{kinds: r.Kinds, match: r.Match, stop: r.Stop, choice: -1}
	switch r.Mode {
	case All:
		for _, d := range r.Destinations {
			tr.fixed.Add(d)
		}
	case Hash, AggregatedHash:
		c := RingConfig{Hash: r.Hash, ReplicationFactor: r.ReplicationFactor, DiverseReplicas: r.DiverseReplicas}
		for _, d := range r.Destinations {
			c.Nodes = append(c.Nodes, nodes[d])
			tr.dests = append(tr.dests, d)
		}
		var err error
		if tr.ring, err = NewRing(c); err != nil {
			return err
		}
		tr.outputs = r.Mode == AggregatedHash
	case Failover, RoundRobin:
		if len(t.choices) == MaxChoices {
			return fmt.Errorf("mode %q: more than %d routes with mode failover or round-robin", r.Mode, MaxChoices)
		}
		tr.choice, tr.slots = len(t.choices), r.Mode == RoundRobin
		t.choices = append(t.choices, newChoice(nodes, r))
	default:
		return fmt.Errorf("mode %q: %s", r.Mode, modes)
	}
	t.routes = append(t.routes, tr)
	return nil
}

// check checks all but the mode and the ring, for a table of n nodes.
func (r *Route) check(n int) error {
	if r.Kinds == 0 || r.Kinds&^Both != 0 {
		return fmt.Errorf("kinds %d; accepted: raw (1), aggregates (2), both (3)", r.Kinds)
	}
	if len(r.Destinations) == 0 {
		return fmt.Errorf("no destinations; accepted: one or more")
	}
	var seen Set
	for _, d := range r.Destinations {
		if d < 0 || d >= n {
			return fmt.Errorf("destination number %d; accepted: 0 to %d", d, n-1)
		}
		if seen.Has(d) {
			return fmt.Errorf("destination number %d is there twice; accepted: once each", d)
		}
		seen.Add(d)
	}
	if r.Mode == Hash || r.Mode == AggregatedHash {
		return nil
	}
	var given []string
	if r.Hash != "" {
		given = append(given, fmt.Sprintf("hash type %q", r.Hash))
	}
	if r.ReplicationFactor != 0 {
		given = append(given, fmt.Sprintf("replication factor %d", r.ReplicationFactor))
	}
	if r.DiverseReplicas {
		given = append(given, "diverse replicas")
	}
	if len(given) > 0 {
		return fmt.Errorf("%s with mode %q; accepted with: hash, aggregated-hash", strings.Join(given, ", "), r.Mode)
	}
	return nil
}

// Plan is where a name goes, but for what depends on which destinations are up. Plans
// are comparable, and names share few of them, so that a map can keep one copy of each
// that occurs. A Plan means something only to the Table that made it.
type Plan struct {
	fixed   Set    // destinations that get every row
	choices uint64 // bit i: one destination of Table.choices[i] as well
	slot    uint16 // slot of the name, if one of choices needs it
}

// Fixed returns the whole Set of the plan if it is the same whatever is up.
func (p *Plan) Fixed() (Set, bool) { return p.fixed, p.choices == 0 }

// Raw plans a raw datapoint. outputs are the names of the outputs that it feeds, as
// the instances behind an AggregatedHash route name them; only such routes look at
// them. A plan without any destination means that no route takes the name.
func (t *Table) Raw(name []byte, outputs [][]byte) Plan { return t.plan(Raw, name, outputs) }

// Aggregate plans the row of an output. An AggregatedHash route hashes its name.
func (t *Table) Aggregate(name []byte) Plan { return t.plan(Aggregates, name, nil) }

func (t *Table) plan(kind Kind, name []byte, outputs [][]byte) (p Plan) {
	for i := range t.routes {
		r := &t.routes[i]
		if r.kinds&kind == 0 || r.match != nil && !r.match(name) {
			continue
		}
		switch {
		case r.choice >= 0:
			p.choices |= 1 << r.choice
			if r.slots {
				p.slot = slotOf(name)
			}
		case r.ring == nil:
			p.fixed.unite(&r.fixed)
		case r.outputs && len(outputs) > 0:
			for _, o := range outputs {
				r.owners(&p.fixed, o)
			}
		default:
			r.owners(&p.fixed, name)
		}
		if r.stop {
			break
		}
	}
	return p
}

// owners adds the owners of name in the route's ring to s.
func (r *tableRoute) owners(s *Set, name []byte) {
	var buf [8]int
	for _, node := range r.ring.Get(buf[:0], name) {
		s.Add(r.dests[node])
	}
}
