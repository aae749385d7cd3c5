package catalog

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
)

const million = 1_000_000

// shapes of names, each a million of them.
var corpora = []struct {
	name string
	make func(i int) string
}{
	{"hosts", func(i int) string { // 100 000 hosts with 10 names each, 5 nodes
		return fmt.Sprintf("aggregates.web%05d.%s.all.%s", i/10, [...]string{"cpu", "disk"}[i%2], [...]string{"user", "system", "idle", "wait", "steal"}[i/2%5])
	}},
	{"cube", func(i int) string { return fmt.Sprintf("dc%02d.svc%02d.m%03d", i/10000, i/100%100, i%100) }},
	{"flat", func(i int) string { return fmt.Sprintf("aggregates.all.id-%07d", i*7919%million) }},
	{"tagged", func(i int) string {
		return fmt.Sprintf("cpu.%s;dc=dc%d;host=web%05d", [...]string{"user", "system", "idle", "wait", "steal"}[i%5], i/5%20, i/10)
	}},
}

var filled = map[string]*Catalog{}

// fill returns a catalog with a million names, which is made once.
func fill(tb testing.TB, corpus string) *Catalog {
	if c := filled[corpus]; c != nil {
		return c
	}
	for _, co := range corpora {
		if co.name != corpus {
			continue
		}
		c := New(million)
		for i := range million {
			name := co.make(i)
			if !c.Add(name, Entry{Series: name, Method: cell.Sum, Period: 60}, 1e9) {
				tb.Fatal("full")
			}
		}
		if c.Len() != million {
			tb.Fatalf("%d names", c.Len())
		}
		filled[corpus] = c
		return c
	}
	tb.Fatalf("no corpus %q", corpus)
	return nil
}

// BenchmarkMemory reports what a name costs, beside how long it is.
func BenchmarkMemory(b *testing.B) {
	for _, co := range corpora {
		b.Run(co.name, func(b *testing.B) {
			delete(filled, co.name)
			var before, after runtime.MemStats
			var c *Catalog
			for b.Loop() {
				delete(filled, co.name)
				runtime.GC()
				runtime.ReadMemStats(&before)
				c = fill(b, co.name)
				runtime.GC()
				runtime.ReadMemStats(&after)
			}
			length := 0
			for i := range million {
				length += len(co.make(i))
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/million, "B/name")
			b.ReportMetric(float64(length)/million, "chars/name")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/million, "ns/name")
			runtime.KeepAlive(c)
		})
	}
}

func BenchmarkFind(b *testing.B) {
	cases := []struct {
		corpus, pattern string
		want            int
	}{
		{"cube", "dc42.svc42.m042", 1},
		{"cube", "dc42.svc42.*", 100},
		{"cube", "dc42.*.m042", 100},
		{"cube", "*.svc42.m042", 100},
		{"cube", "*.*.m042", 10000},
		{"cube", "*.svc4*.m04[0-3a-f]", 4000},
		{"cube", "dc{1,2}*.*.*4?", 20000},
		{"cube", "*5*.*5*.*5*", 19 * 19 * 19},
		{"cube", "*[13]*.*[!a-z02-9]?.*[57]", 0},
		{"hosts", "aggregates.*.*", 200000},
		{"hosts", "aggregates.web0*.cpu", 10000},
		{"hosts", "aggregates.*0000.cpu", 10},
		{"hosts", "aggregates.*1234*.{cpu,disk}", 0},
		{"hosts", "aggregates.web123??.*.all.user", 0},
		{"hosts", "aggregates.*[0-9]7[0-9]7*.cpu", 0},
		{"hosts", "**.user", 0},
		{"flat", "aggregates.all.id-0001*", 1000},
		{"flat", "aggregates.all.*0001", 100},
		{"flat", "aggregates.all.*000*", 0},
		{"flat", "aggregates.all.*[02]000*", 0},
	}
	for _, bc := range cases {
		b.Run(bc.corpus+"/"+bc.pattern, func(b *testing.B) {
			c := fill(b, bc.corpus)
			n := 0
			for b.Loop() {
				nodes, err := c.Find(bc.pattern, 0, 0, 0)
				if err != nil {
					b.Fatal(err)
				}
				n = len(nodes)
			}
			if n == 0 || bc.want > 0 && n != bc.want {
				b.Fatalf("%d nodes, want %d", n, bc.want)
			}
			b.ReportMetric(float64(n), "nodes")
		})
	}
}

func BenchmarkFindSeries(b *testing.B) {
	cases := []string{
		"name=cpu.user,host=web00042", "host=~web0004.", "name=cpu.user,dc=dc7", "name=cpu.user,host=~web000.*,dc!=dc3", "name=~cpu,dc=~dc1$,host=~.*99",
	}
	for _, bc := range cases {
		b.Run(bc, func(b *testing.B) {
			c := fill(b, "tagged")
			n := 0
			for b.Loop() {
				names, err := c.FindSeries(b.Context(), strings.Split(bc, ","), 0)
				if err != nil {
					b.Fatal(err)
				}
				n = len(names)
			}
			if n == 0 {
				b.Fatal("none")
			}
			b.ReportMetric(float64(n), "names")
		})
	}
}

// BenchmarkAddKnown adds names again in another order than they came.
func BenchmarkAddKnown(b *testing.B) {
	for _, corpus := range []string{"hosts", "tagged"} {
		b.Run(corpus, func(b *testing.B) {
			c := fill(b, corpus)
			var names []string
			for _, co := range corpora {
				for i := range million {
					if co.name == corpus {
						names = append(names, co.make(i*7919%million))
					}
				}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				name := names[i%million]
				i++
				if !c.Add(name, Entry{Series: name, Method: cell.Sum, Period: 60}, 1e9+int64(i/million)) {
					b.Fatal("full")
				}
			}
		})
	}
}

func BenchmarkIndex(b *testing.B) {
	c := fill(b, "hosts")
	for b.Loop() {
		n := 0
		c.Index(func(string) bool { n++; return true })
		if n != million {
			b.Fatalf("%d names", n)
		}
	}
}

// BenchmarkFindWhileAdding has another goroutine bring names and take them away.
func BenchmarkFindWhileAdding(b *testing.B) {
	c := fill(b, "cube")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			name := fmt.Sprintf("new.a%d.b", i)
			c.Remove(fmt.Sprintf("new.a%d.b", i-1))
			c.Add(name, Entry{Series: name, Method: cell.Sum, Period: 60}, 1)
		}
	})
	for b.Loop() {
		if nodes, err := c.Find("*.svc42.m042", 0, 0, 0); err != nil || len(nodes) != 100 {
			b.Fatal(len(nodes), err)
		}
	}
	close(stop)
	wg.Wait()
}
