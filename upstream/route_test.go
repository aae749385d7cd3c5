package upstream

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/route"
)

func TestRoutes(t *testing.T) {
	starts := func(re string) func([]byte) bool { return regexp.MustCompile(re).Match }
	lines := "x.a 1 60\ny.b 2 60\nz.c 3 60\n"
	tests := map[string]struct {
		routes   []route.Route
		kind     Kind
		want     map[string]string
		unrouted int64
	}{
		"no routes": {nil, Raw, map[string]string{"a:1": lines, "b:1": lines, "c:1": lines}, 0},
		"all to some": {[]route.Route{{Kinds: route.Both, Mode: route.All, Destinations: []int{0, 2}}}, Raw,
			map[string]string{"a:1": lines, "c:1": lines}, 0},
		"raw here, aggregates there": {[]route.Route{
			{Kinds: route.Raw, Mode: route.All, Destinations: []int{0}},
			{Kinds: route.Aggregates, Mode: route.All, Destinations: []int{1}},
		}, Amendment, map[string]string{"b:1": lines}, 0},
		"own metrics count as aggregates": {[]route.Route{
			{Kinds: route.Aggregates, Mode: route.All, Destinations: []int{1}},
		}, Self, map[string]string{"b:1": lines}, 0},
		"no route for the kind": {[]route.Route{
			{Kinds: route.Aggregates, Mode: route.All, Destinations: []int{1}},
		}, Raw, map[string]string{}, 3},
		"by pattern": {[]route.Route{
			{Kinds: route.Both, Match: starts("^x"), Mode: route.All, Destinations: []int{0}, Stop: true},
			{Kinds: route.Both, Match: starts("^[xy]"), Mode: route.All, Destinations: []int{1}},
			{Kinds: route.Both, Match: starts("^y"), Mode: route.All, Destinations: []int{1, 2}},
		}, Raw, map[string]string{"a:1": "x.a 1 60\n", "b:1": "y.b 2 60\n", "c:1": "y.b 2 60\n"}, 1},
		"a route behind one that stops all": {[]route.Route{
			{Kinds: route.Both, Mode: route.All, Destinations: []int{0}, Stop: true},
			{Kinds: route.Both, Mode: route.All, Destinations: []int{1}},
		}, Raw, map[string]string{"a:1": lines}, 0},
		"failover": {[]route.Route{{Kinds: route.Both, Mode: route.Failover, Destinations: []int{1, 0}}}, Raw,
			map[string]string{"b:1": lines}, 0},
		"by output": {[]route.Route{{Kinds: route.Both, Mode: route.AggregatedHash, Destinations: []int{0, 1, 2}}}, Raw, nil, 0},
	}
	// The owners of outputs x and y, by the ring itself.
	ring, err := route.NewRing(route.RingConfig{Nodes: []route.Node{{Host: "a", Port: 1}, {Host: "b", Port: 1}, {Host: "c", Port: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	byOutput := map[string]string{}
	for i, line := range strings.SplitAfter(lines, "\n")[:3] {
		owners := map[int]bool{}
		for _, out := range []string{"out." + line[:1], "sum." + line[:1]} {
			owners[ring.Get(nil, []byte(out))[0]] = true
		}
		if i == 2 { // feeds nothing
			owners = map[int]bool{ring.Get(nil, []byte("z.c"))[0]: true}
		}
		for d := range owners {
			byOutput[string(rune('a'+d))+":1"] += line
		}
	}
	for name, tt := range tests {
		bubble(t, name, func(t *testing.T) {
			if tt.want == nil {
				tt.want = byOutput
			}
			var f fakeNet
			u := newUpstream(t, "a:1,b:1,c:1", func(c *Config) {
				c.Dial, c.Routes = f.dial, tt.routes
				c.Outputs = func(dst [][]byte, name []byte) [][]byte {
					if name[0] == 'z' {
						return dst
					}
					return append(dst, []byte("out."+string(name[:1])), []byte("sum."+string(name[:1])))
				}
			})
			u.Start()
			u.Send([]byte(lines), 3, tt.kind)
			pass(time.Second)
			got := map[string]string{}
			for _, a := range []string{"a:1", "b:1", "c:1"} {
				if s := f.conn(a, 0).text(); s != "" {
					got[a] = s
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error("received (-want +got):", diff)
			}
			if n := u.Unrouted()[tt.kind]; n != tt.unrouted {
				t.Errorf("%d unrouted, want %d", n, tt.unrouted)
			}
		})
	}
}

// Every name goes where carbon's ring says, whether it is remembered or not, and
// where Router says.
func TestHashRoute(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var f fakeNet
		u := newUpstream(t, "a:1:x,pickle://b:1,c:1,d:1", func(c *Config) {
			c.Dial = f.dial
			c.Destinations[1].Scheme = Plaintext
			c.Routes = []route.Route{{Kinds: route.Both, Mode: route.Hash, Hash: route.FNV1aCH, ReplicationFactor: 2,
				Destinations: []int{0, 1, 2, 3}}}
		})
		ring, err := route.NewRing(route.RingConfig{Hash: route.FNV1aCH, ReplicationFactor: 2, Nodes: []route.Node{
			{Host: "a", Port: 1, Instance: "x", HasInstance: true}, {Host: "b", Port: 1}, {Host: "c", Port: 1}, {Host: "d", Port: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		addrs := []string{"a:1", "b:1", "c:1", "d:1"}
		want := map[string]string{}
		u.Start()
		for round := range 3 {
			var batch bytes.Buffer
			for i := range 1000 {
				line := fmt.Sprintf("servers.%d.cpu %d 60\n", i, round)
				batch.WriteString(line)
				name := fmt.Appendf(nil, "servers.%d.cpu", i)
				owners := ring.Get(nil, name)
				for _, d := range owners {
					want[addrs[d]] += line
				}
				said := u.router.Destinations(nil, name, Raw, nil)
				if len(said) != 2 || !(said[0] == owners[0] && said[1] == owners[1] || said[0] == owners[1] && said[1] == owners[0]) {
					t.Fatalf("Destinations of %s = %v, want %v", name, said, owners)
				}
			}
			u.Send(batch.Bytes(), 1000, Raw)
		}
		pass(time.Second)
		for _, a := range addrs {
			if sorted(f.conn(a, 0).text()) != sorted(want[a]) || want[a] == "" {
				t.Errorf("%s received other lines than the ring says", a)
			}
		}
		made := int64(0)
		for _, s := range u.Stats() {
			made += s.MadeTotal()
		}
		if made != 6000 {
			t.Errorf("made %d, want 6000", made)
		}
	})
}

// sorted sorts lines by name, but keeps the order of those of one name.
func sorted(text string) string {
	byName := map[string]string{}
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, " ")
		byName[name] += line
	}
	return fmt.Sprint(byName)
}

func TestReplan(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var f fakeNet
		out := "first"
		u := newUpstream(t, "a:1,b:1,c:1,d:1,e:1,f:1", func(c *Config) {
			c.Dial = f.dial
			c.Routes = []route.Route{{Kinds: route.Raw, Mode: route.AggregatedHash, Destinations: []int{0, 1, 2, 3, 4, 5}}}
			c.Outputs = func(dst [][]byte, _ []byte) [][]byte { return append(dst, []byte(out)) }
		})
		who := func() (to []int) {
			before := u.Stats()
			u.Send([]byte("m 1 60\n"), 1, Raw)
			for i, s := range u.Stats() {
				if s.MadeTotal() > before[i].MadeTotal() {
					to = append(to, i)
				}
			}
			return to
		}
		first := who()
		for i := 0; ; i++ {
			out = fmt.Sprint("other", i)
			if diff := cmp.Diff(first, who()); diff != "" {
				t.Fatal("a name that is known is asked for again")
			}
			u.Replan()
			if !cmp.Equal(first, who()) {
				return // another owner
			}
			out = "first"
			u.Replan()
		}
	})
}

// Plans are remembered for more names than there is room for, by many senders.
func TestPlansAreBounded(t *testing.T) {
	u := newUpstream(t, "a:1,b:1", func(c *Config) {
		c.QueueDatapoints = 1
		c.Routes = []route.Route{{Kinds: route.Both, Mode: route.RoundRobin, Destinations: []int{0, 1}}}
	})
	var wg sync.WaitGroup
	const senders, each = 4, 3000
	for g := range senders {
		wg.Go(func() {
			for i := range each {
				u.Send(fmt.Appendf(nil, "a.%d 1 60\nb.%d 1 120\nc 2 60\n", i, g), 3, Kind(i%int(NumKinds)))
			}
		})
	}
	wg.Wait()
	if n := u.plans.Load().plans.len(); n > 4097 {
		t.Errorf("%d plans of 4096", n)
	}
	s := u.Stats()
	if got := s[0].MadeTotal() + s[1].MadeTotal(); got != 3*senders*each || s[0].MadeTotal() < got/4 || s[1].MadeTotal() < got/4 {
		t.Errorf("made %d and %d, want about half of %d each", s[0].MadeTotal(), s[1].MadeTotal(), 3*senders*each)
	}
}

func TestPlanTableIsRenewed(t *testing.T) {
	u := newUpstream(t, "a:1,b:1", func(c *Config) {
		c.Routes = []route.Route{{Kinds: route.Both, Mode: route.Hash, Destinations: []int{0, 1}}}
	})
	p := u.plans.Load()
	for i := range maxPlans {
		var s route.Set
		s.Add(i % route.MaxDestinations)
		s.Add(i / route.MaxDestinations)
		s.Add(511 - i%13)
		u.setOf(p, s)
	}
	for i := 0; u.plans.Load() == p && i < 2*maxPlans; i++ {
		u.setOf(p, route.Set{uint64(i), 1})
		u.Send([]byte("m 1 60\n"), 1, Raw)
	}
	if u.plans.Load() == p || u.plans.Load().sets.len() > 2 {
		t.Error("a table with too many sets stays")
	}
}

func TestRoutesAreRefused(t *testing.T) {
	all := []int{0, 1}
	tests := map[string]struct {
		to     string
		routes []route.Route
		want   string
	}{
		"unknown destination": {"a:1,b:1", []route.Route{{Kinds: route.Both, Mode: route.All, Destinations: []int{2}}}, "route 1"},
		"twins in a ring":     {"a:1,udp://a:1", []route.Route{{Kinds: route.Both, Mode: route.Hash, Destinations: all}}, "cannot tell apart"},
		"one twin in a ring":  {"a:1,udp://a:1,b:1", []route.Route{{Kinds: route.Both, Mode: route.Hash, Destinations: []int{1, 2}}}, "cannot tell apart"},
		"outputs not given":   {"a:1,b:1", []route.Route{{Kinds: route.Raw, Mode: route.AggregatedHash, Destinations: all}}, "needs Outputs"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Routes: tt.routes}
			for s := range strings.SplitSeq(tt.to, ",") {
				cfg.Destinations = append(cfg.Destinations, mustParse(t, s))
			}
			if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v, want an error with %q", err, tt.want)
			}
		})
	}
	newUpstream(t, "a:1,udp://a:1,stdout:", func(c *Config) { // no ring
		c.Routes = []route.Route{{Kinds: route.Both, Mode: route.Failover, Destinations: []int{0, 1, 2}}}
	})
}
