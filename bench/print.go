package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/report"
	"github.com/coalesce-metrics/coalesce/bench/internal/system"
)

// print writes the results as Markdown.
func (b *bench) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %s.\n", time.Now().UTC().Format("2006-01-02"), machine())
	for _, s := range append(append([]*system.System{}, b.own...), b.peers...) {
		fmt.Fprintf(w, "%s: %s.\n", s.Name, s.Version)
	}
	fmt.Fprintf(w, "Over loopback; generator, sink and system share the machine, whose load was %s before. Medians.\n", b.loadBefore)
	if len(b.rows) > 0 {
		fmt.Fprintf(w, "\nBuckets of %d s; \"ratio\" compares CPU ns/pt with the first row of the load:\n\n", b.period)
		report.Table(w, b.rows)
	}
	if len(b.comparisons) > 0 {
		fmt.Fprintln(w)
		report.Pairs(w, b.comparisons)
	}
	if spooled := report.Spooled(b.rows); len(spooled) > 0 {
		fmt.Fprint(w, "\nTo the disk, and from there:\n\n")
		report.Spools(w, spooled)
	}
	if kept := report.WithStore(b.rows); len(kept) > 0 {
		fmt.Fprint(w, "\nCells in the store:\n\n")
		report.Stores(w, kept)
	}
	if len(b.cellRows) > 0 {
		fmt.Fprint(w, "\nCells to and from a store, CPU time of a server included:\n\n")
		report.Cells(w, b.cellRows)
	}
	if len(b.latencies) > 0 {
		fmt.Fprint(w, "\nQueries, one after the other:\n\n")
		report.Latencies(w, b.latencies)
	}
	if len(b.posted) > 0 {
		fmt.Fprint(w, "\nMeasurements over HTTP:\n\n")
		report.Posts(w, b.posted)
	}
	if many := report.WithManyMetrics(b.rows); len(many) > 0 {
		fmt.Fprint(w, "\nResident memory with many metrics:\n\n")
		report.Memory(w, many)
	}
	if len(b.counted) > 0 {
		fmt.Fprint(w, "\nConservation, by rules that count (where all is forwarded, by the lines of each metric):\n\n")
		fmt.Fprint(w, "| load | system | points sent | points counted | sent again |\n|---|---|--:|--:|--:|\n")
		for _, line := range b.counted {
			fmt.Fprintln(w, line)
		}
	}
	b.printNotes(w)
}

func (b *bench) printNotes(w io.Writer) {
	fmt.Fprintln(w)
	for _, group := range b.groups {
		for _, wl := range group {
			fmt.Fprintf(w, "- %s: %s", wl.Name, wl.About)
			for _, r := range b.rows {
				if r.Workload == wl.Name && len(r.Runs) > 0 && len(b.own) > 0 && r.System == b.own[0].Name {
					fmt.Fprintf(w, "; generator and sink took %.0f ns/pt", report.HarnessNs(r.Runs))
					break
				}
			}
			fmt.Fprintln(w, ".")
		}
	}
	for _, x := range b.extras {
		fmt.Fprintf(w, "- %s: %s.\n", x.name, x.about)
	}
	for _, n := range b.notes {
		fmt.Fprintf(w, "- %s.\n", n)
	}
	for _, f := range b.failures {
		fmt.Fprintf(w, "- **Failed**: %s.\n", f)
	}
}

// machine describes what the bench runs on.
func machine() string {
	var kernel, model string
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = strings.TrimSpace(string(b))
	}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, rest, _ := strings.Cut(string(b), "model name")
		line, _, _ := strings.Cut(rest, "\n")
		model = strings.Trim(line, "\t :")
	}
	return fmt.Sprintf("%d CPUs (%s), Linux %s, %s %s/%s", runtime.NumCPU(), model, kernel, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// loadAverage is how many threads wanted to run in the last one, five and fifteen minutes.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	if err != nil || len(f) < 3 {
		return "unknown"
	}
	return strings.Join(f[:3], " ")
}
