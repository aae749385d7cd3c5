package route

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ringNodes returns n nodes with distinct hosts and instances.
func ringNodes(n int) []Node {
	nodes := make([]Node, n)
	for i := range nodes {
		nodes[i] = Node{fmt.Sprintf("10.0.%d.%d", i/200, i%200), 2004, strconv.Itoa(i), true}
	}
	return nodes
}

func mustParse(t testing.TB, list []string) []Node {
	t.Helper()
	var nodes []Node
	for _, s := range list {
		n, err := ParseNode(s)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func mustRing(t testing.TB, c RingConfig) *Ring {
	t.Helper()
	r, err := NewRing(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type ringVector struct {
	HashType          HashType `json:"hash_type"`
	Destinations      []string
	ReplicationFactor int      `json:"replication_factor"`
	DiverseReplicas   bool     `json:"diverse_replicas"`
	RingLen           int      `json:"ring_len"`
	RingFirst         [][2]int `json:"ring_first"`
	RingLast          [][2]int `json:"ring_last"`
	RingSHA256        string   `json:"ring_sha256"`
	Rules             []string
	Routes            []routeVector
}

func (v *ringVector) config(t testing.TB) RingConfig {
	return RingConfig{mustParse(t, v.Destinations), v.HashType, v.ReplicationFactor, v.DiverseReplicas}
}

func (v *ringVector) name() string {
	return fmt.Sprintf("%s,%s,%d,%t", v.HashType, strings.Join(v.Destinations, ","), v.ReplicationFactor, v.DiverseReplicas)
}

func TestRingVectors(t *testing.T) {
	for _, v := range readVectors[ringVector](t, "hashring.json") {
		t.Run(v.name(), func(t *testing.T) {
			r := mustRing(t, v.config(t))
			points := make([][2]int, len(r.pos))
			var text []string
			for i := range r.pos {
				points[i] = [2]int{int(r.pos[i]), int(r.owner[i])}
				text = append(text, fmt.Sprint(r.pos[i], r.owner[i]))
			}
			if len(points) != v.RingLen {
				t.Fatalf("%d points, want %d", len(points), v.RingLen)
			}
			if got := points[:len(v.RingFirst)]; !slices.Equal(got, v.RingFirst) {
				t.Errorf("first points %v, want %v", got, v.RingFirst)
			}
			if got := points[len(points)-len(v.RingLast):]; !slices.Equal(got, v.RingLast) {
				t.Errorf("last points %v, want %v", got, v.RingLast)
			}
			if sum := sha256.Sum256([]byte(strings.Join(text, "\n"))); hex.EncodeToString(sum[:]) != v.RingSHA256 {
				t.Errorf("sum of the points %x, want %s", sum, v.RingSHA256)
			}
			if len(v.Routes) == 0 {
				t.Fatal("no routes")
			}
			for _, route := range v.Routes {
				if got := r.Get(nil, []byte(route.name)); !slices.Equal(got, route.want) {
					t.Errorf("%q goes to %v, want %v", route.name, got, route.want)
				}
			}
		})
	}
}

// naiveRing is carbon's algorithm as the specification tells it, with lists.
type naiveRing struct {
	config RingConfig
	points [][2]int
}

func naiveHash(h HashType, b []byte) int {
	switch h {
	case FNV1aCH:
		f := fnv.New32a()
		f.Write(b)
		return int(f.Sum32()>>16 ^ f.Sum32()&0xffff)
	case MMH3CH:
		return int(mmh3Hash(b)) // has published values of its own
	}
	sum := md5.Sum(b)
	n, _ := strconv.ParseUint(hex.EncodeToString(sum[:])[:4], 16, 16)
	return int(n)
}

func newNaive(c RingConfig) *naiveRing {
	r := &naiveRing{config: c}
	for i, n := range c.Nodes {
		for j := range 100 {
			// The names of the test need no escapes.
			key, instance := fmt.Sprintf("('%s', None):%d", n.Host, j), "None"
			if n.HasInstance {
				key, instance = fmt.Sprintf("('%s', '%s'):%d", n.Host, n.Instance, j), n.Instance
			}
			if c.Hash == FNV1aCH {
				key = fmt.Sprintf("%d-%s", j, instance)
			}
			pos := naiveHash(c.Hash, []byte(key))
			for slices.ContainsFunc(r.points, func(p [2]int) bool { return p[0] == pos }) {
				pos++
			}
			r.points = append(r.points, [2]int{pos, i})
		}
	}
	slices.SortFunc(r.points, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	return r
}

func (r *naiveRing) get(name string) (dests []int) {
	var nodes []int
	if len(r.config.Nodes) == 1 {
		nodes = append(nodes, 0)
	}
	h := naiveHash(r.config.Hash, []byte(name))
	start := slices.IndexFunc(r.points, func(p [2]int) bool { return p[0] >= h })
	start = max(start, 0)
	walk := append(slices.Clone(r.points[start:]), r.points[:start]...)
	seen := map[int]bool{}
	for _, p := range walk[:len(walk)-1] {
		if !seen[p[1]] && len(seen) < len(r.config.Nodes) {
			seen[p[1]] = true
			nodes = append(nodes, p[1])
		}
	}
	hosts := map[string]bool{}
	for i, n := range nodes {
		host := r.config.Nodes[n].Host
		switch {
		case !r.config.DiverseReplicas && i == r.config.ReplicationFactor:
			return dests
		case r.config.DiverseReplicas && hosts[host]:
			continue
		}
		dests = append(dests, n)
		if hosts[host] = true; r.config.DiverseReplicas && len(hosts) >= r.config.ReplicationFactor {
			return dests
		}
	}
	return dests
}

func TestRingAgainstNaive(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 60 {
		c := RingConfig{
			Hash:              []HashType{CarbonCH, FNV1aCH, MMH3CH}[rnd.IntN(3)],
			ReplicationFactor: 1 + rnd.IntN(6),
			DiverseReplicas:   rnd.IntN(2) == 0,
		}
		hosts, instances := 1+rnd.IntN(6), rnd.IntN(4) // instances are shared between hosts: fnv1a_ch collides
		for h := range hosts {
			host := fmt.Sprintf("cache-%d.example.com", h)
			if instances == 0 || rnd.IntN(4) == 0 {
				c.Nodes = append(c.Nodes, Node{Host: host, Port: 2004})
			}
			for i := range instances {
				c.Nodes = append(c.Nodes, Node{host, 2004 + i, string(rune('a' + i)), true})
			}
		}
		rnd.Shuffle(len(c.Nodes), func(i, j int) { c.Nodes[i], c.Nodes[j] = c.Nodes[j], c.Nodes[i] })
		fast, slow := mustRing(t, c), newNaive(c)
		for i, p := range slow.points {
			if int(fast.pos[i]) != p[0] || int(fast.owner[i]) != p[1] {
				t.Fatalf("%+v: point %d is %d %d, want %v", c, i, fast.pos[i], fast.owner[i], p)
			}
		}
		for range 300 {
			name := fmt.Sprintf("servers.web%03d.cpu.%d", rnd.IntN(500), rnd.IntN(1000))
			want := slow.get(name)
			if got := fast.Get(nil, []byte(name)); !slices.Equal(got, want) {
				t.Fatalf("%+v: %s goes to %v, want %v", c, name, got, want)
			}
		}
	}
}

// TestRingWraps asks for names beyond the last point, and for positions beyond the
// 16 bits of the hash.
func TestRingWraps(t *testing.T) {
	instance := "" // one with a point close to the end
	for i := 0; fnv1aHash([]byte("7-"+instance)) < math.MaxUint16-10; i++ {
		instance = strconv.Itoa(i)
	}
	c := RingConfig{Hash: FNV1aCH}
	for i := range 30 { // equal instances: their points run on behind each other
		c.Nodes = append(c.Nodes, Node{fmt.Sprintf("h%d", i), 1, instance, true})
	}
	r, slow := mustRing(t, c), newNaive(RingConfig{c.Nodes, c.Hash, 1, false})
	if last := r.pos[len(r.pos)-1]; last <= math.MaxUint16 {
		t.Fatalf("last position %d: the case shows nothing", last)
	}
	wrapped := 0
	few := mustRing(t, RingConfig{Nodes: ringNodes(2)})
	slowFew := newNaive(RingConfig{ringNodes(2), CarbonCH, 1, false})
	for i := range 5000 {
		name := fmt.Sprintf("a.b.c%d", i)
		if got, want := r.Get(nil, []byte(name)), slow.get(name); !slices.Equal(got, want) {
			t.Fatalf("%s: %v, want %v", name, got, want)
		}
		if got, want := few.Get(nil, []byte(name)), slowFew.get(name); !slices.Equal(got, want) {
			t.Fatalf("%s: %v, want %v", name, got, want)
		}
		if carbonHash([]byte(name)) > few.pos[len(few.pos)-1] {
			wrapped++
		}
	}
	if wrapped == 0 {
		t.Error("no name was hashed behind the last point")
	}
}

func TestRingShares(t *testing.T) {
	const names = 40_000
	for _, n := range []int{2, 4, 8, 16} {
		r := mustRing(t, RingConfig{Nodes: ringNodes(n)})
		got := make([]int, n)
		for i := range names {
			got[r.Get(nil, fmt.Appendf(nil, "servers.web%d.cpu.user", i))[0]]++
		}
		for i, c := range got {
			if share := float64(c) * float64(n) / names; share < 0.6 || share > 1.5 {
				t.Errorf("destination %d of %d gets %.2f of its share", i, n, share)
			}
		}
	}
}

// TestRingRemoval: the last node's points are placed behind all others, so its names
// and no other move when it leaves.
func TestRingRemoval(t *testing.T) {
	for _, h := range []HashType{CarbonCH, FNV1aCH, MMH3CH} {
		before := mustRing(t, RingConfig{Nodes: ringNodes(9), Hash: h})
		after := mustRing(t, RingConfig{Nodes: ringNodes(8), Hash: h})
		moved := 0
		for i := range 20_000 {
			name := fmt.Appendf(nil, "servers.web%d.cpu.user", i)
			a, b := before.Get(nil, name)[0], after.Get(nil, name)[0]
			if a == 8 {
				moved++
			} else if a != b {
				t.Fatalf("%s: %s moved from %d to %d", h, name, a, b)
			}
		}
		if moved == 0 {
			t.Errorf("%s: no name moved", h)
		}
	}
}

func TestNewRingErrors(t *testing.T) {
	two := ringNodes(2)
	for name, c := range map[string]struct {
		config RingConfig
		want   []string
	}{
		"no nodes":   {RingConfig{}, []string{"at least one"}},
		"too many":   {RingConfig{Nodes: ringNodes(MaxDestinations + 1)}, []string{"513", "512"}},
		"hash":       {RingConfig{Nodes: two, Hash: "md5"}, []string{`"md5"`, "carbon_ch, fnv1a_ch, mmh3_ch"}},
		"factor":     {RingConfig{Nodes: two, ReplicationFactor: -1}, []string{"-1", "1 or more"}},
		"one triple": {RingConfig{Nodes: mustParse(t, []string{"h:1:a", "h:1:a"})}, []string{`"h:1:a"`}},
		"other port": {RingConfig{Nodes: mustParse(t, []string{"h:1", "g:1", "h:2"})}, []string{`"h:1"`, `"h:2"`, "instance"}},
		"not UTF-8":  {RingConfig{Nodes: []Node{{Host: "h\xff", Port: 1}}}, []string{`"h\xff:1"`, "UTF-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewRing(c.config)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %s", err, want)
				}
			}
		})
	}
}

func TestNewRingAccepts(t *testing.T) {
	for name, c := range map[string]RingConfig{
		"more replicas than nodes":    {Nodes: ringNodes(2), ReplicationFactor: 9},
		"no instance beside instance": {Nodes: mustParse(t, []string{"h:1", "h:1:", "h:1:None"})},
		"as many as there may be":     {Nodes: ringNodes(MaxDestinations)},
	} {
		if _, err := NewRing(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	zero, one := mustRing(t, RingConfig{Nodes: ringNodes(3)}), mustRing(t, RingConfig{ringNodes(3), CarbonCH, 1, false})
	if got, want := zero.Get(nil, []byte("a.b")), one.Get(nil, []byte("a.b")); !slices.Equal(got, want) {
		t.Errorf("defaults: %v, want %v", got, want)
	}
}

func TestPlace(t *testing.T) {
	c := RingConfig{ringNodes(5), CarbonCH, 2, true}
	slow := newNaive(c)
	for self := range c.Nodes {
		p, err := NewPlace(c, self)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			name := fmt.Sprintf("aggregates.app%d.requests", i)
			if got, want := p.Owns([]byte(name)), slices.Contains(slow.get(name), self); got != want {
				t.Fatalf("node %d owns %s: %t, want %t", self, name, got, want)
			}
		}
	}
	for _, self := range []int{-1, 5} {
		if _, err := NewPlace(c, self); err == nil || !strings.Contains(err.Error(), "0 to 4") {
			t.Errorf("place %d: error %v", self, err)
		}
	}
	if _, err := NewPlace(RingConfig{}, 0); err == nil {
		t.Error("an empty ring is accepted")
	}
}
