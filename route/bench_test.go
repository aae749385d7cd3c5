package route

import (
	"fmt"
	"testing"
)

func benchNames() (names [][]byte, total int64) {
	for i := range 1024 {
		n := fmt.Appendf(nil, "servers.web%04d.applications.apache.requests.p99", i)
		names, total = append(names, n), total+int64(len(n))
	}
	return names, total / 1024
}

func BenchmarkRingGet(b *testing.B) {
	names, size := benchNames()
	for _, h := range []HashType{CarbonCH, FNV1aCH, MMH3CH} {
		for _, n := range []int{4, 64} {
			for _, replicas := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/%d/replicas=%d", h, n, replicas), func(b *testing.B) {
					r := mustRing(b, RingConfig{ringNodes(n), h, replicas, true})
					b.ReportAllocs()
					b.SetBytes(size)
					dst, found := make([]int, 0, 8), 0
					for i := 0; b.Loop(); i++ {
						dst = r.Get(dst[:0], names[i%len(names)])
						found += len(dst)
					}
					if found != b.N*replicas {
						b.Fatalf("%d owners of %d names", found, b.N)
					}
				})
			}
		}
	}
}

func BenchmarkNewRing(b *testing.B) {
	for _, n := range []int{4, 64, MaxDestinations} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			nodes := ringNodes(n)
			for b.Loop() {
				mustRing(b, RingConfig{Nodes: nodes})
			}
		})
	}
}

func BenchmarkTable(b *testing.B) {
	names, _ := benchNames()
	outputs := [][]byte{[]byte("aggregates.apache.requests"), []byte("aggregates.total.requests")}
	for _, mode := range []Mode{All, Hash, AggregatedHash, Failover, RoundRobin} {
		for _, n := range []int{4, 64} {
			table := mustTable(b, ringNodes(n), Route{Kinds: Both, Mode: mode, Destinations: upTo(n)})
			states := States{}.Down(0)
			b.Run(fmt.Sprintf("plan/%s/%d", mode, n), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if p := table.Raw(names[i%len(names)], outputs); p == (Plan{}) {
						b.Fatal("no plan")
					}
				}
			})
			b.Run(fmt.Sprintf("resolve/%s/%d", mode, n), func(b *testing.B) {
				b.ReportAllocs()
				p := table.Raw(names[0], outputs)
				for b.Loop() {
					if s := table.Resolve(p, 1000, states); s == (Set{}) {
						b.Fatal("no destination")
					}
				}
			})
		}
	}
}

// TestNoAllocations covers what runs for every name or row.
func TestNoAllocations(t *testing.T) {
	name, outputs := []byte("servers.web01.cpu"), [][]byte{[]byte("all.cpu"), []byte("web.cpu")}
	dst := make([]int, 0, 8)
	p, err := NewPlace(RingConfig{ringNodes(64), CarbonCH, 3, true}, 3)
	if err != nil {
		t.Fatal(err)
	}
	table := mustTable(t, ringNodes(64),
		Route{Kinds: Raw, Mode: AggregatedHash, Destinations: upTo(64), ReplicationFactor: 3},
		Route{Kinds: Raw, Mode: RoundRobin, Destinations: upTo(64)})
	states, found := States{}.Down(1), 0
	if n := testing.AllocsPerRun(100, func() {
		dst = p.ring.Get(dst[:0], name)
		if p.Owns(name) {
			found++
		}
		set := table.Resolve(table.Raw(name, outputs), 1000, states)
		found += set.Len()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if found == 0 || len(dst) != 3 {
		t.Error("nothing was found")
	}
}
