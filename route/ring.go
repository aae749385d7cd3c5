package route

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// pointsPerNode is how many points carbon gives each node.
const pointsPerNode = 100

// RingConfig describes a consistent-hash ring. The order of Nodes matters: points
// that collide move on in that order.
type RingConfig struct {
	// Nodes are told apart by host and instance; the port is no part of that.
	Nodes []Node
	// Hash is the hash type; empty is CarbonCH, as in carbon.
	Hash HashType
	// ReplicationFactor is how many nodes own a name, at least 1; 0 is 1. Where it
	// exceeds the nodes or hosts, each of them owns every name.
	ReplicationFactor int
	// DiverseReplicas places the replicas of a name on distinct hosts, as carbon
	// does unless told otherwise. There are never more of them than hosts then.
	DiverseReplicas bool
}

// Ring tells which nodes own a name, bit by bit as carbon's ConsistentHashRing does.
// It is immutable and may be shared.
type Ring struct {
	hash     func([]byte) int64
	pos      []int64  // where the points are, ascending
	owner    []uint16 // the node of each point
	group    []uint16 // by node: no two owners of a name share a group
	groups   int
	replicas int
	diverse  bool
}

// NewRing builds the ring. Errors name what is wrong with the configuration; c.Nodes
// is not kept.
func NewRing(c RingConfig) (*Ring, error) {
	switch {
	case len(c.Nodes) == 0:
		return nil, fmt.Errorf("a hash ring needs at least one destination")
	case len(c.Nodes) > MaxDestinations:
		return nil, fmt.Errorf("%d destinations are more than %d", len(c.Nodes), MaxDestinations)
	case c.ReplicationFactor < 0:
		return nil, fmt.Errorf("replication factor %d: accepted: 1 or more", c.ReplicationFactor)
	}
	if err := checkNodes(c.Nodes); err != nil {
		return nil, err
	}
	r := &Ring{replicas: max(c.ReplicationFactor, 1), diverse: c.DiverseReplicas}
	switch c.Hash {
	case "", CarbonCH:
		r.hash = carbonHash
	case FNV1aCH:
		r.hash = fnv1aHash
	case MMH3CH:
		r.hash = mmh3Hash
	default:
		return nil, fmt.Errorf("hash type %q: %s", c.Hash, hashTypes)
	}
	r.place(c.Nodes, c.Hash == FNV1aCH)
	r.groupBy(c.Nodes)
	return r, nil
}

// checkNodes finds nodes that a ring cannot hold: carbon hashes text, and takes nodes
// of one host and instance for one.
func checkNodes(nodes []Node) error {
	type identity struct {
		host, instance string
		has            bool
	}
	first := make(map[identity]Node, len(nodes))
	for _, n := range nodes {
		if !utf8.ValidString(n.Host) || !utf8.ValidString(n.Instance) {
			return fmt.Errorf("destination %q is not UTF-8", n)
		}
		id := identity{n.Host, n.Instance, n.HasInstance}
		if other, dup := first[id]; dup {
			return fmt.Errorf("destinations %q and %q have one host and instance, which a hash ring cannot tell apart;"+
				" accepted: a distinct instance behind the port, like %q", other, n, n.withInstance("b"))
		}
		first[id] = n
	}
	return nil
}

func (n Node) withInstance(s string) Node {
	n.Instance, n.HasInstance = s, true
	return n
}

// place puts the points of all nodes on the ring.
func (r *Ring) place(nodes []Node, byInstance bool) {
	type point struct {
		pos   int64
		owner uint16
	}
	points := make([]point, 0, len(nodes)*pointsPerNode)
	next := make(map[int64]int64, cap(points)) // a taken position → one that may be free
	var text []byte
	for i, n := range nodes {
		for j := range pointsPerNode {
			if byInstance {
				text = appendInstanceKey(text[:0], n, j)
			} else {
				text = appendTupleKey(text[:0], n, j)
			}
			pos := firstFree(next, r.hash(text))
			next[pos] = pos + 1
			points = append(points, point{pos, uint16(i)})
		}
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.pos, b.pos) })
	r.pos, r.owner = make([]int64, len(points)), make([]uint16, len(points))
	for i, p := range points {
		r.pos[i], r.owner[i] = p.pos, p.owner
	}
}

// firstFree returns the first position from pos on that next does not hold. It
// shortens the paths it walks: nodes that share an instance collide in every point.
func firstFree(next map[int64]int64, pos int64) int64 {
	free := pos
	for n, taken := next[free]; taken; n, taken = next[free] {
		free = n
	}
	for pos != free {
		pos, next[pos] = next[pos], free
	}
	return free
}

// appendTupleKey writes what carbon's "%s:%d" % ((host, instance), i) does.
func appendTupleKey(dst []byte, n Node, i int) []byte {
	dst = append(dst, '(')
	dst = appendRepr(dst, n.Host)
	dst = append(dst, ", "...)
	if n.HasInstance {
		dst = appendRepr(dst, n.Instance)
	} else {
		dst = append(dst, "None"...)
	}
	dst = append(dst, "):"...)
	return strconv.AppendInt(dst, int64(i), 10)
}

// appendInstanceKey writes what carbon hashes for fnv1a_ch.
func appendInstanceKey(dst []byte, n Node, i int) []byte {
	dst = strconv.AppendInt(dst, int64(i), 10)
	dst = append(dst, '-')
	if n.HasInstance {
		return append(dst, n.Instance...)
	}
	return append(dst, "None"...)
}

// groupBy numbers the hosts if replicas are diverse, else the nodes.
func (r *Ring) groupBy(nodes []Node) {
	r.group = make([]uint16, len(nodes))
	hosts := make(map[string]uint16, len(nodes))
	for i, n := range nodes {
		if !r.diverse {
			r.group[i] = uint16(i)
			continue
		}
		g, known := hosts[n.Host]
		if !known {
			g = uint16(len(hosts))
			hosts[n.Host] = g
		}
		r.group[i] = g
	}
	r.groups = len(nodes)
	if r.diverse {
		r.groups = len(hosts)
	}
}

// Get appends the indexes of the nodes that own name to dst, in carbon's order. As in
// carbon, a single node appears twice where two or more replicas are wanted that need
// not be diverse. dst belongs to the caller.
func (r *Ring) Get(dst []int, name []byte) []int {
	i, _ := slices.BinarySearch(r.pos, r.hash(name))
	if i == len(r.pos) {
		i = 0
	}
	if r.replicas == 1 {
		return append(dst, int(r.owner[i]))
	}
	return r.walk(dst, i)
}

// walk collects owners from point i on. Like carbon it never looks at the point
// before i, even where that is the only one of a node.
func (r *Ring) walk(dst []int, i int) []int {
	if len(r.group) == 1 && !r.diverse {
		return append(dst, 0, 0)
	}
	var seen Set
	left := min(r.replicas, r.groups)
	for range len(r.pos) - 1 {
		node := int(r.owner[i])
		if g := int(r.group[node]); !seen.Has(g) {
			seen.Add(g)
			dst = append(dst, node)
			if left--; left == 0 {
				break
			}
		}
		if i++; i == len(r.pos) {
			i = 0
		}
	}
	return dst
}

// Owns reports whether node is among the owners of name.
func (r *Ring) Owns(node int, name []byte) bool {
	var buf [8]int
	return slices.Contains(r.Get(buf[:0], name), node)
}
