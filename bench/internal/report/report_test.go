package report

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/check"
)

func run(points int64, cpu time.Duration, v check.Verdict) Run {
	return Run{Points: points, CPU: cpu, Input: 2 * time.Second, Peak: 64 << 20, Verdict: v}
}

func TestTable(t *testing.T) {
	good := check.Verdict{Exact: 2, Buckets: 2}
	rows := []*Row{
		{Workload: "W1", System: "coalesce", Runs: []Run{
			run(10_000_000, 2*time.Second, good), run(10_000_000, 4*time.Second, good), run(10_000_000, 3*time.Second, good)}},
		{Workload: "W1", System: "slow", Rate: 100, Runs: []Run{
			run(1000, 6*time.Millisecond, check.Verdict{Exact: 1, Buckets: 2, Loss: .25}),
			run(1000, 8*time.Millisecond, check.Verdict{Exact: 0, Buckets: 2, Loss: -.5})}},
		{Workload: "W5", System: "coalesce", Runs: []Run{run(10_000_000, time.Second, check.Verdict{Loss: 1e-7})}},
		{Workload: "W5", System: "broken"},
	}
	var b strings.Builder
	Table(&b, rows)
	want := `| load | system | runs | points | CPU s | CPU ns/pt | range | kpts/s | peak RSS MiB | loss % | exact buckets | ratio |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
| W1 | coalesce | 3 | 10000000 | 3.0 | 300 | 200–400 | 5000 | 64 | 0 | 6/6 | 1 |
| W1 | slow | 2 | 1000 | 0.0 | 7000 | 6000–8000 | paced | 64 | -50.000 | 1/4 | 23.3 |
| W5 | coalesce | 1 | 10000000 | 1.0 | 100 | 100–100 | 5000 | 64 | 1e-05 | - | 1 |
| W5 | broken | 0 | - | - | failed | - | - | - | - | - | - |
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestMemory(t *testing.T) {
	runs := []Run{{Metrics: 1_000_000, NameBytes: 50_000_000, Idle: 10 << 20, After: 210 << 20, Peak: 220 << 20}}
	var b strings.Builder
	Memory(&b, WithManyMetrics([]*Row{
		{Workload: "W1", Runs: []Run{{Metrics: 10}}},
		{Workload: "W2", System: "coalesce", Runs: runs},
		{Workload: "W2", System: "broken"},
	}))
	// 200 MiB = 209 715 200 bytes; less the names 159 715 200, for a million metrics.
	want := `| load | system | metrics | idle MiB | after MiB | peak MiB | bytes per metric beyond its name | range |
|---|---|--:|--:|--:|--:|--:|--:|
| W2 | coalesce | 1000000 | 10 | 210 | 220 | 160 | 160–160 |
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestPairs(t *testing.T) {
	a := []Run{run(1000, 1000, check.Verdict{}), run(1000, 2000, check.Verdict{}), run(1000, 1000, check.Verdict{})}
	b := []Run{run(1000, 900, check.Verdict{}), run(1000, 2200, check.Verdict{}), run(500, 400, check.Verdict{})}
	var out strings.Builder
	Pairs(&out, []Comparison{{What: "W1, new", Against: "W1, old", A: a, B: b}})
	want := `| what | against | pairs | CPU ratio | range | pair by pair | peak RSS ratio | range |
|---|---|--:|--:|--:|---|--:|--:|
| W1, new | W1, old | 3 | 0.900 | 0.800–1.100 | 0.900 1.100 0.800 | 1.000 | 1.000–1.000 |
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestSpools(t *testing.T) {
	spooled := func(write, drain time.Duration) Run {
		return Run{Points: 1_000_000, Spool: &Spool{Bytes: 64 << 20,
			Write: Phase{CPU: write, Time: 500 * time.Millisecond},
			Drain: Phase{CPU: drain, Time: 250 * time.Millisecond}}}
	}
	var out strings.Builder
	Spools(&out, Spooled([]*Row{
		{Workload: "W5", Runs: []Run{{Points: 1}}},
		{Workload: "W5+spool", System: "coalesce", Runs: []Run{
			spooled(200*time.Millisecond, 50*time.Millisecond), spooled(180*time.Millisecond, 60*time.Millisecond),
			spooled(150*time.Millisecond, 70*time.Millisecond)}},
		{Workload: "W5+spool", System: "broken"},
	}))
	want := `| load | system | what | runs | rows | MiB | CPU ns/row | range | krows/s | range | MiB/s |
|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|
| W5+spool | coalesce | write | 3 | 1000000 | 64 | 180 | 150–200 | 2000 | 2000–2000 | 128 |
| W5+spool | coalesce | drain | 3 | 1000000 | 64 | 60 | 50–70 | 4000 | 4000–4000 | 256 |
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestSummarise(t *testing.T) {
	tests := map[string]struct {
		in   []float64
		want summary
	}{
		"one":  {[]float64{3}, summary{3, 3, 3}},
		"odd":  {[]float64{9, 1, 2}, summary{2, 1, 9}},
		"even": {[]float64{4, 1, 2, 9}, summary{3, 1, 9}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := summarise(tt.in); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
	if !math.IsNaN(summarise(nil).median) {
		t.Error("the median of nothing is a number")
	}
}
