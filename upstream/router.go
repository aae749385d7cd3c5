package upstream

import (
	"fmt"

	"github.com/coalesce-metrics/coalesce/route"
)

// Router tells which destinations a row goes to. It is immutable and may be shared.
type Router struct {
	n     int
	table *route.Table // nil without routes
	fixed [numClasses]constant
}

// constant is where all rows of a class go, whatever their names, if there is such
// a place.
type constant struct {
	ok bool
	to route.Set
}

// Rows are routed by class: raw rows, and all others.
const (
	rawClass = iota
	otherClass
	numClasses
)

func classOf(k Kind) int {
	if k == Raw {
		return rawClass
	}
	return otherClass
}

// NewRouter returns the router of Config.Destinations and Config.Routes. Of the
// destinations, the addresses matter. What is wrong with a route is a [route.Error].
func NewRouter(destinations []Destination, routes []route.Route) (*Router, error) {
	r := &Router{n: len(destinations)}
	if len(routes) == 0 {
		var all route.Set
		if r.n > route.MaxDestinations {
			return nil, fmt.Errorf("%d destinations; accepted: at most %d", r.n, route.MaxDestinations)
		}
		for i := range destinations {
			all.Add(i)
		}
		r.fixed = [numClasses]constant{{true, all}, {true, all}}
		return r, nil
	}
	nodes, err := nodesOf(destinations, routes)
	if err != nil {
		return nil, err
	}
	if r.table, err = route.NewTable(nodes, routes); err != nil {
		return nil, err
	}
	r.fixed = [numClasses]constant{constantOf(route.Raw, routes), constantOf(route.Aggregates, routes)}
	return r, nil
}

// nodesOf returns the destinations as a route.Table wants them: no two alike. Those
// that differ only in scheme cannot be told apart by a hash ring.
func nodesOf(destinations []Destination, routes []route.Route) ([]route.Node, error) {
	nodes := make([]route.Node, len(destinations))
	first := make(map[route.Node]int, len(destinations))
	twin := make(map[int]int)
	for i, d := range destinations {
		nodes[i] = d.node()
		if j, dup := first[nodes[i]]; dup {
			twin[i], twin[j] = j, i
			nodes[i] = route.Node{Host: d.String()}
		}
		first[nodes[i]] = i
	}
	for i, r := range routes {
		if r.Mode != route.Hash && r.Mode != route.AggregatedHash {
			continue
		}
		for _, d := range r.Destinations {
			if j, dup := twin[d]; dup {
				return nil, &route.Error{Route: i, Err: fmt.Errorf("destinations %q and %q have one host, port and instance, which a hash ring cannot tell apart; accepted: a distinct instance",
					destinations[d], destinations[j])}
			}
		}
	}
	return nodes, nil
}

// constantOf finds out where all rows of a class go.
func constantOf(kind route.Kind, routes []route.Route) (c constant) {
	for _, r := range routes {
		if r.Kinds&kind == 0 {
			continue
		}
		if r.Match != nil || r.Mode != route.All {
			return constant{}
		}
		for _, d := range r.Destinations {
			c.to.Add(d)
		}
		if r.Stop {
			break
		}
	}
	c.ok = true
	return c
}

// Destinations appends to dst the indexes of the destinations that a row called name
// goes to while all of them are up and it is of recent time, ascending. outputs
// are those of Config.Outputs; they matter for raw rows.
func (r *Router) Destinations(dst []int, name []byte, kind Kind, outputs [][]byte) []int {
	if c := r.fixed[classOf(kind)]; c.ok {
		return c.to.Append(dst)
	}
	p := r.plan(classOf(kind), name, outputs)
	set := r.table.Resolve(p, 0, route.States{})
	return set.Append(dst)
}

func (r *Router) plan(class int, name []byte, outputs [][]byte) route.Plan {
	if class == rawClass {
		return r.table.Raw(name, outputs)
	}
	return r.table.Aggregate(name)
}

// anyOf returns the destinations that a route of the given kinds and one of the modes
// may choose; without modes, any mode.
func anyOf(routes []route.Route, kinds route.Kind, modes ...route.Mode) (s route.Set) {
	for _, r := range routes {
		fits := len(modes) == 0
		for _, m := range modes {
			fits = fits || r.Mode == m
		}
		if fits && r.Kinds&kinds != 0 {
			for _, d := range r.Destinations {
				s.Add(d)
			}
		}
	}
	return s
}
