package aggregator

import (
	"fmt"
	"slices"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

// apiRules are n rules as they are made over HTTP. The first of them sum what a
// workload sends.
func apiRules(tb testing.TB, n int) []*rules.Rule {
	tb.Helper()
	var list []*rules.Rule
	for i := range n {
		r, err := rules.Compile(rules.Rule{
			File: "api", Output: fmt.Sprintf("all.<env>.<app>.requests%03d", i), Pattern: fmt.Sprintf("<env>.applications.<app>.*.requests%03d.count", i),
			Period: 60, Methods: []cell.Method{cell.Avg}, Forward: true, Percentiles: true, ForwardViews: true,
		}, rules.Options{Prefix: "aggregates.", Strict: true})
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// A known name costs the same with ten rules made over HTTP and with ten thousand.
func BenchmarkLaneAPIRules(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("%d-rules", n), func(b *testing.B) {
			w := workload{types: 10, apps: 10, servers: 100}
			a := benchAggregator(b, 1, "", false)
			a.SetRules(rules.NewSet(apiRules(b, n)))
			lines := w.lines()
			feedLines(a, lines, w.types*w.apps*w.servers)
			before := a.Stats()
			b.ReportAllocs()
			b.ResetTimer()
			done := feedLines(a, lines, b.N)
			b.StopTimer()
			if s := a.Stats(); s.Added-before.Added != uint64(done) {
				b.Fatalf("%d of %d datapoints were added", s.Added-before.Added, done)
			}
		})
	}
}

// Names seen for the first time, by the number of rules made over HTTP.
func BenchmarkNewNamesAPIRules(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("%d-rules", n), func(b *testing.B) {
			w := workload{types: 10, apps: 10, servers: b.N/100 + 1}
			a := benchAggregator(b, 1, "", false)
			a.SetRules(rules.NewSet(apiRules(b, n)))
			lines := w.lines()
			b.ReportAllocs()
			b.ResetTimer()
			feedLines(a, lines, b.N)
		})
	}
}

// One rule more, and one less, among ten thousand when a million names are known:
// what the change itself takes, and the next datapoint of a name that it does not
// concern.
func BenchmarkRuleChange(b *testing.B) {
	const n = 10_000
	list := apiRules(b, n+1)
	w := workload{types: 100, apps: 100, servers: 100}
	a := benchAggregator(b, 1, "", false)
	a.SetRules(rules.NewSet(list[:n]))
	lines := w.lines()
	names := w.types * w.apps * w.servers
	feedLines(a, lines, names)
	b.Run("index", func(b *testing.B) {
		for b.Loop() {
			rules.NewSet(list)
		}
	})
	for _, change := range []string{"set", "catch-up"} {
		b.Run(change, func(b *testing.B) {
			before := a.Stats().Learned
			sets := [2]*rules.Set{rules.NewSet(list), rules.NewSet(slices.Clone(list[:n]))}
			if change == "set" {
				for i := range b.N {
					a.SetRules(sets[i%2])
				}
				b.StopTimer()
				a.SetRules(sets[1])
				feedLines(a, lines, names)
				return
			}
			for done, i := 0, 0; done < b.N; i++ {
				b.StopTimer()
				a.SetRules(sets[i%2])
				b.StartTimer()
				done += feedLines(a, lines, min(names, b.N-done))
			}
			if now := a.Stats().Learned; now != before {
				b.Fatalf("%d names were matched anew", now-before)
			}
		})
	}
}
