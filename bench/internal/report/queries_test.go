package report

import (
	"strings"
	"testing"
	"time"
)

func TestCells(t *testing.T) {
	run := func(cpu, took time.Duration) CellRun {
		return CellRun{Cells: 100_000, ReadCells: 10_000, Bytes: 5_000_000, Write: Phase{cpu, took},
			Scan: Phase{Time: 200 * time.Millisecond}, Read: Phase{Time: 10 * time.Millisecond}}
	}
	whole := CellRun{Cells: 1000, Write: Phase{5 * time.Millisecond, 10 * time.Millisecond}}
	var out strings.Builder
	Cells(&out, []*CellRow{
		{Store: "quick", Runs: []CellRun{run(time.Second, time.Second), run(3*time.Second, 2*time.Second), run(2*time.Second, 4*time.Second)}},
		{Store: "whole", Runs: []CellRun{whole}},
		{Store: "broken"},
	})
	want := `| store | runs | cells | written kcells/s | range | CPU µs/cell | range | scanned kcells/s | read kcells/s | bytes/cell |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
| quick | 3 | 100000 | 50.0 | 25.0–100 | 20.0 | 10.0–30.0 | 500 | 1000 | 50 |
| whole | 1 | 1000 | 100 | 100–100 | 5.00 | 5.00–5.00 | - | - | - |
| broken | 0 | - | failed | - | - | - | - | - | - |
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestStores(t *testing.T) {
	kept := func(cells int64, later time.Duration) Run {
		return Run{Points: 1000, Kept: &Kept{Cells: cells, Bytes: 3 << 19, Later: later}}
	}
	var out strings.Builder
	Stores(&out, WithStore([]*Row{
		{Workload: "W1", System: "coalesce", Runs: []Run{{Points: 1000}}},
		{Workload: "W1+store", System: "coalesce", Runs: []Run{kept(100, 0), kept(200, 20*time.Millisecond), kept(200, 10*time.Millisecond)}},
		{Workload: "W1+store", System: "broken"},
	}))
	want := `| load | system | runs | cells | MiB of the store | CPU ms after the last row | range |
|---|---|--:|--:|--:|--:|--:|
| W1+store | coalesce | 3 | 200 | 1.50 | 10 | 0–20 |
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestLatencies(t *testing.T) {
	l := &Latency{System: "coalesce", What: "find a.*", Answer: "7 names", Bytes: 1536, First: 30 * time.Millisecond, CPU: 200 * time.Millisecond}
	for i := range 100 { // 1 to 100 ms, in no order
		l.Each = append(l.Each, time.Duration(i*37%100+1)*time.Millisecond)
	}
	var out strings.Builder
	Latencies(&out, []*Latency{l, {System: "other", What: "x"}})
	want := "| system | question | answer | KiB | answers | first ms | least ms | median ms | 95 % ms | 99 % ms | longest ms | CPU ms |\n" +
		"|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n" +
		"| coalesce | `find a.*` | 7 names | 1.50 | 100 | 30.0 | 1.00 | 50.0 | 95.0 | 99.0 | 100 | 2.00 |\n" +
		"| other | `x` |  | 0.00 | 0 | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 |\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if l.Median() != 50*time.Millisecond {
		t.Errorf("median %v", l.Median())
	}
}
