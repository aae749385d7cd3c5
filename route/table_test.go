package route

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/rules"
)

// routeVector is [name, [destinations]].
type routeVector struct {
	name string
	want []int
}

func (r *routeVector) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&r.name, &r.want})
}

func mustTable(t testing.TB, nodes []Node, routes ...Route) *Table {
	t.Helper()
	table, err := NewTable(nodes, routes)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func sorted(s Set) []int { return s.Append(nil) }

// now resolves a plan with every destination up.
func now(t *Table, p Plan) []int { return sorted(t.Resolve(p, 1000, States{})) }

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestAggregatedHashVectors(t *testing.T) {
	for _, v := range readVectors[ringVector](t, "hashring-aggregated.json") {
		t.Run(v.name(), func(t *testing.T) {
			list, diags := rules.Parse("vector", []byte(strings.Join(v.Rules, "\n")), rules.Options{})
			if len(diags) > 0 || len(list) != len(v.Rules) {
				t.Fatal(diags)
			}
			set, m := rules.NewSet(list), rules.Matcher{}
			c := v.config(t)
			table := mustTable(t, c.Nodes, Route{
				Kinds: Raw, Mode: AggregatedHash, Destinations: upTo(len(c.Nodes)),
				Hash: c.Hash, ReplicationFactor: c.ReplicationFactor, DiverseReplicas: c.DiverseReplicas,
			})
			var places []*Place
			for i := range c.Nodes {
				p, err := NewPlace(c, i)
				if err != nil {
					t.Fatal(err)
				}
				places = append(places, p)
			}
			several := 0
			for _, route := range v.Routes {
				var outputs [][]byte
				for _, o := range set.Match(&m, []byte(route.name)) {
					outputs = append(outputs, o.Output)
				}
				got := now(table, table.Raw([]byte(route.name), outputs))
				if !slices.Equal(got, route.want) {
					t.Errorf("%q goes to %v, want %v", route.name, got, route.want)
				}
				if len(got) > 1 {
					several++
				}
				for _, o := range outputs { // one instance makes it, and is sent the datapoint
					owners := 0
					for i, p := range places {
						if p.Owns(o) {
							owners++
							if !slices.Contains(got, i) {
								t.Errorf("%q: owner %d of %q is not among %v", route.name, i, o, got)
							}
						}
					}
					if owners != 1 {
						t.Errorf("%q has %d owners", o, owners)
					}
				}
			}
			if several == 0 {
				t.Error("no name has outputs with different owners")
			}
		})
	}
}

func TestTableRoutes(t *testing.T) {
	nodes := ringNodes(5)
	prefix := func(s string) func([]byte) bool {
		return func(name []byte) bool { return bytes.HasPrefix(name, []byte(s)) }
	}
	cases := []struct {
		name       string
		routes     []Route
		metric     string
		raw, aggrs []int
	}{
		{"raw and aggregates apart", []Route{
			{Kinds: Raw, Mode: All, Destinations: []int{0, 1}},
			{Kinds: Aggregates, Mode: All, Destinations: []int{3}},
		}, "a.b", []int{0, 1}, []int{3}},
		{"both kinds", []Route{{Kinds: Both, Mode: All, Destinations: []int{4}}}, "a.b", []int{4}, []int{4}},
		{"all that match", []Route{
			{Kinds: Both, Match: prefix("a."), Mode: All, Destinations: []int{2}},
			{Kinds: Both, Match: prefix("b."), Mode: All, Destinations: []int{3}},
			{Kinds: Both, Mode: All, Destinations: []int{0, 2}},
		}, "a.b", []int{0, 2}, []int{0, 2}},
		{"the first that matches", []Route{
			{Kinds: Both, Match: prefix("b."), Mode: All, Destinations: []int{3}, Stop: true},
			{Kinds: Both, Match: prefix("a."), Mode: All, Destinations: []int{2}, Stop: true},
			{Kinds: Both, Mode: All, Destinations: []int{0}},
		}, "a.b", []int{2}, []int{2}},
		{"a route of the other kind stops nothing", []Route{
			{Kinds: Aggregates, Mode: All, Destinations: []int{1}, Stop: true},
			{Kinds: Both, Mode: All, Destinations: []int{0}},
		}, "a.b", []int{0}, []int{1}},
		{"no match", []Route{{Kinds: Both, Match: prefix("b."), Mode: All, Destinations: []int{1}}}, "a.b", nil, nil},
		{"failover takes the first", []Route{{Kinds: Both, Mode: Failover, Destinations: []int{3, 1}}}, "a.b", []int{3}, []int{3}},
		{"several choices", []Route{
			{Kinds: Both, Mode: Failover, Destinations: []int{3, 1}},
			{Kinds: Raw, Mode: Failover, Destinations: []int{0, 3}, Stop: true},
			{Kinds: Both, Mode: Failover, Destinations: []int{4}},
		}, "a.b", []int{0, 3}, []int{3, 4}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			table := mustTable(t, nodes, c.routes...)
			if got := now(table, table.Raw([]byte(c.metric), nil)); !slices.Equal(got, c.raw) {
				t.Errorf("raw goes to %v, want %v", got, c.raw)
			}
			if got := now(table, table.Aggregate([]byte(c.metric))); !slices.Equal(got, c.aggrs) {
				t.Errorf("the aggregate goes to %v, want %v", got, c.aggrs)
			}
		})
	}
}

// TestTableHash uses a ring over some of the nodes, in another order.
func TestTableHash(t *testing.T) {
	nodes, dests := ringNodes(8), []int{6, 2, 5, 1}
	nodes[2].Host = nodes[6].Host
	for _, diverse := range []bool{false, true} {
		c := RingConfig{Hash: FNV1aCH, ReplicationFactor: 2, DiverseReplicas: diverse}
		for _, d := range dests {
			c.Nodes = append(c.Nodes, nodes[d])
		}
		slow := newNaive(c)
		r := Route{
			Kinds: Raw, Mode: Hash, Destinations: dests,
			Hash: FNV1aCH, ReplicationFactor: 2, DiverseReplicas: diverse,
		}
		other := r
		other.Kinds, other.Mode = Aggregates, AggregatedHash
		table := mustTable(t, nodes, r, other)
		for i := range 500 {
			name := fmt.Sprintf("servers.web%d", i)
			var want []int
			for _, n := range slow.get(name) {
				want = append(want, dests[n])
			}
			slices.Sort(want)
			raw := table.Raw([]byte(name), [][]byte{[]byte("not.looked.at")})
			if got := now(table, raw); !slices.Equal(got, want) {
				t.Fatalf("%s goes to %v, want %v", name, got, want)
			}
			if got := now(table, table.Aggregate([]byte(name))); !slices.Equal(got, want) {
				t.Fatalf("aggregate %s goes to %v, want %v", name, got, want)
			}
			if set, whole := raw.Fixed(); !whole || !slices.Equal(sorted(set), want) {
				t.Fatalf("%s: fixed set %v, %t", name, sorted(set), whole)
			}
		}
	}
}

// TestRoundRobinIsStable compares with a naive rendezvous: rows that were spooled by
// an earlier process must find the destination that it chose.
func TestRoundRobinIsStable(t *testing.T) {
	hash := func(s string) uint64 {
		h := fnv.New64a()
		h.Write([]byte(s))
		return stir(h.Sum64())
	}
	nodes := ringNodes(6)
	table := mustTable(t, nodes, Route{Kinds: Both, Mode: RoundRobin, Destinations: upTo(6)})
	for i := range 2000 {
		name := fmt.Sprintf("servers.web%d.cpu.user", i)
		best, most := 0, uint64(0)
		for d, n := range nodes {
			if score := stir(hash(n.String()) + hash(name)%4096); score > most {
				best, most = d, score
			}
		}
		if got := now(table, table.Aggregate([]byte(name))); !slices.Equal(got, []int{best}) {
			t.Fatalf("%s goes to %v, want %d", name, got, best)
		}
	}
}

func TestRoundRobinShares(t *testing.T) {
	const names = 40_000
	for _, n := range []int{1, 2, 3, 4, 8} {
		table := mustTable(t, ringNodes(n), Route{Kinds: Both, Mode: RoundRobin, Destinations: upTo(n)})
		got := make([]int, n)
		for i := range names {
			p := table.Raw(fmt.Appendf(nil, "servers.web%d.cpu.user", i), nil)
			set := table.Resolve(p, 1000, States{})
			if set.Len() != 1 {
				t.Fatalf("%d destinations", set.Len())
			}
			got[sorted(set)[0]]++
		}
		for i, c := range got {
			if share := float64(c) * float64(n) / names; share < 0.85 || share > 1.15 {
				t.Errorf("destination %d of %d gets %.2f of its share", i, n, share)
			}
		}
	}
}

// TestRoundRobinRemoval: whether a destination is down or taken out of the
// configuration, only its names move, to all of the others.
func TestRoundRobinRemoval(t *testing.T) {
	nodes := ringNodes(5)
	table := mustTable(t, nodes, Route{Kinds: Both, Mode: RoundRobin, Destinations: upTo(5)})
	without := mustTable(t, nodes, Route{Kinds: Both, Mode: RoundRobin, Destinations: []int{4, 3, 1, 0}})
	down := States{}.Down(2)
	to := make([]int, 5)
	for i := range 10_000 {
		name := fmt.Appendf(nil, "servers.web%d.cpu.user", i)
		p := table.Aggregate(name)
		a, b := sorted(table.Resolve(p, 1000, States{}))[0], sorted(table.Resolve(p, 1000, down))[0]
		if c := now(without, without.Aggregate(name))[0]; c != b {
			t.Fatalf("%s goes to %d with destination 2 down, to %d without it", name, b, c)
		}
		if a != 2 && a != b {
			t.Fatalf("%s moved from %d to %d", name, a, b)
		}
		if a == 2 {
			to[b]++
		}
	}
	for i, n := range to {
		if (n < 300) != (i == 2) {
			t.Errorf("destination %d took over %d names", i, n)
		}
	}
}

func TestStates(t *testing.T) {
	table := mustTable(t, ringNodes(3), Route{Kinds: Both, Mode: Failover, Destinations: []int{2, 0, 1}})
	p := table.Aggregate([]byte("a.b"))
	check := func(when string, s States, ts int64, want int) {
		t.Helper()
		if got := sorted(table.Resolve(p, ts, s)); !slices.Equal(got, []int{want}) {
			t.Errorf("%s: a row of %d goes to %v, want %d", when, ts, got, want)
		}
	}
	var s States
	check("at first", s, math.MinInt64, 2)
	check("at first", s, math.MaxInt64, 2)
	old := s
	s = s.Down(2)
	check("first down", s, 100, 0)
	check("first down", s, math.MaxInt64, 0)
	check("an older value", old, 100, 2)
	s = s.Up(2, 200)
	check("first back", s, 199, 0)
	check("first back", s, 200, 2)
	if again := s.Up(2, 500); !again.IsUp(2) {
		t.Error("up twice is down")
	} else {
		check("up again changes nothing", again, 200, 2)
	}
	s = s.Down(0)
	check("second down", s, 199, 1)
	check("second down", s, 200, 2)
	s = s.Down(1)
	check("two down", s, 199, 2)
	check("two down", s.Down(2), 200, 2)
	s = s.Up(0, 100) // too early: raised behind 200
	check("the one that is up longer keeps it", s, 199, 2)
	check("the one that is up longer keeps it", s.Down(2), 199, 0)
	if s.IsUp(1) || !s.IsUp(0) || !s.IsUp(2) || !s.IsUp(7) {
		t.Error("IsUp is wrong")
	}
	check("at the end of time", States{}.Down(2).Up(2, math.MaxInt64), math.MaxInt64, 2)
}

// TestChoiceSticks is the promise of Resolve under random outages: a name and
// timestamp changes its destination only when that was down then or has been since, and
// is not given to one that is down while another candidate is up.
func TestChoiceSticks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	type key struct {
		name int
		ts   int64
	}
	for _, mode := range []Mode{Failover, RoundRobin} {
		const n = 4
		table := mustTable(t, ringNodes(n), Route{Kinds: Both, Mode: mode, Destinations: []int{2, 0, 3, 1}})
		var s States
		type given struct {
			dest, outage int
			up           bool
		}
		var outages [n]int
		last, moved, newest := map[key]given{}, 0, int64(0)
		for step := range 100_000 {
			if d := rnd.IntN(n); rnd.IntN(50) == 0 {
				if s.IsUp(d) {
					s = s.Down(d)
					outages[d]++
				} else {
					s = s.Up(d, newest+1)
				}
			}
			k := key{rnd.IntN(20), int64(step/100) + rnd.Int64N(20) - 10}
			p := table.Aggregate(fmt.Appendf(nil, "name%d", k.name))
			got := sorted(table.Resolve(p, k.ts, s))[0]
			if !s.IsUp(got) && (s.IsUp(0) || s.IsUp(1) || s.IsUp(2) || s.IsUp(3)) {
				t.Fatalf("%s: %v goes to %d, which is down: %v", mode, k, got, s)
			}
			if before, known := last[k]; known && before.dest != got {
				if before.up && outages[before.dest] == before.outage {
					t.Fatalf("%s: %v moved from %d, which was up, to %d: %v", mode, k, before.dest, got, s)
				}
				moved++
			}
			last[k], newest = given{got, outages[got], s.IsUp(got)}, max(newest, k.ts)
		}
		if moved == 0 {
			t.Error("nothing moved")
		}
	}
}

func TestNewTableErrors(t *testing.T) {
	nodes := append(ringNodes(2), mustParse(t, []string{"10.0.0.1:2005:1"})...)
	ok := Route{Kinds: Both, Mode: All, Destinations: []int{0}}
	with := func(change func(*Route)) []Route {
		r := ok
		change(&r)
		return []Route{ok, r}
	}
	for name, c := range map[string]struct {
		nodes  []Node
		routes []Route
		want   []string
	}{
		"no nodes":       {nil, []Route{ok}, []string{"no destinations"}},
		"too many nodes": {ringNodes(MaxDestinations + 1), []Route{ok}, []string{"513", "512"}},
		"node twice":     {append(ringNodes(2), ringNodes(1)...), []Route{ok}, []string{`"10.0.0.0:2004:0"`, "twice"}},
		"no routes":      {nodes, nil, []string{"0 routes", "1024"}},
		"too many":       {nodes, slices.Repeat([]Route{ok}, MaxRoutes+1), []string{"1025 routes"}},
		"no kinds":       {nodes, with(func(r *Route) { r.Kinds = 0 }), []string{"route 2", "kinds 0", "both"}},
		"other kinds":    {nodes, with(func(r *Route) { r.Kinds = 4 }), []string{"route 2", "kinds 4"}},
		"no mode":        {nodes, with(func(r *Route) { r.Mode = "" }), []string{"route 2", `mode ""`, "round-robin"}},
		"mode":           {nodes, with(func(r *Route) { r.Mode = "any" }), []string{"route 2", `mode "any"`, modes}},
		"empty":          {nodes, with(func(r *Route) { r.Destinations = nil }), []string{"route 2", "no destinations"}},
		"number":         {nodes, with(func(r *Route) { r.Destinations = []int{3} }), []string{"number 3", "0 to 2"}},
		"negative":       {nodes, with(func(r *Route) { r.Destinations = []int{-1} }), []string{"number -1"}},
		"number twice":   {nodes, with(func(r *Route) { r.Destinations = []int{1, 1} }), []string{"number 1", "twice"}},
		"hash type":      {nodes, with(func(r *Route) { r.Hash = CarbonCH }), []string{`"carbon_ch"`, `"all"`, "aggregated-hash"}},
		"factor":         {nodes, with(func(r *Route) { r.ReplicationFactor = 2 }), []string{"replication factor 2", `"all"`}},
		"diverse":        {nodes, with(func(r *Route) { r.DiverseReplicas = true }), []string{"diverse replicas", `"all"`}},
		"ring": {nodes, with(func(r *Route) { r.Mode, r.Destinations = Hash, []int{1, 2} }),
			[]string{"route 2", `"10.0.0.1:2005:1"`}},
		"choices": {nodes, slices.Repeat([]Route{{Kinds: Both, Mode: Failover, Destinations: []int{0}}}, MaxChoices+1),
			[]string{"route 65", "more than 64"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewTable(c.nodes, c.routes)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %s", err, want)
				}
			}
		})
	}
}

// TestPlansAreFew: a million names need only as many plans as there are slots.
func TestPlansAreFew(t *testing.T) {
	failover := Route{Kinds: Raw, Mode: Failover, Destinations: []int{0, 1}}
	robin := Route{Kinds: Raw, Mode: RoundRobin, Destinations: []int{1, 2, 3}}
	one, both := mustTable(t, ringNodes(4), failover), mustTable(t, ringNodes(4), failover, robin)
	few, more := map[Plan]bool{}, map[Plan]bool{}
	for i := range 20_000 {
		name := fmt.Appendf(nil, "name%d", i)
		few[one.Raw(name, nil)], more[both.Raw(name, nil)] = true, true
	}
	if len(few) != 1 || len(more) > slots {
		t.Errorf("%d and %d plans", len(few), len(more))
	}
}

func TestSet(t *testing.T) {
	var s Set
	want := []int{0, 1, 63, 64, 200, MaxDestinations - 1}
	for _, i := range []int{200, 0, MaxDestinations - 1, 64, 63, 1, 64} {
		s.Add(i)
	}
	if got := sorted(s); !slices.Equal(got, want) || s.Len() != len(want) {
		t.Errorf("got %v with length %d, want %v", got, s.Len(), want)
	}
	for i := range MaxDestinations {
		if s.Has(i) != slices.Contains(want, i) {
			t.Errorf("Has(%d) = %t", i, s.Has(i))
		}
	}
}
