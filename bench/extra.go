package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
)

// An extra is a measurement that is no workload.
type extra struct {
	name    string
	about   string
	measure func(*bench, context.Context)
}

// extras lists them in the order in which they are made, after the workloads.
func extras() []extra {
	return []extra{
		{"cells", "5 000 series written to each store, a bucket in each batch, as the archive does; " +
			"\"archive, sqlite\" is the way through the journal, the store and all windows", (*bench).measureCells},
		{"find", "names found by glob among a million metrics that are kept, over HTTP", (*bench).measureFind},
		{"render", "100 series of 24 h at 1 min, sent as history, then read from SQLite by a daemon that was killed and started again, over HTTP",
			(*bench).measureRender},
		{"measurements", "1 000 series of one metric with three tags each, over HTTP in batches of 1 000 by two clients, cells kept in SQLite; " +
			"\"plain\" are kept as they come, \"aggregated\" are added up by 10 s in the daemon", (*bench).measureMeasurements},
	}
}

// everything names all workloads, variants and extras that are measured unless told.
func everything() string {
	names := []string{workload.Default()}
	for _, x := range extras() {
		names = append(names, x.name)
	}
	return strings.Join(names, ",")
}

// choose returns the workloads and the extras of the comma-separated names.
func choose(names string) (groups [][]*workload.Workload, chosen []extra, err error) {
	var rest, known []string
	wanted := strings.Split(names, ",")
	for _, x := range extras() {
		known = append(known, x.name)
		if slices.Contains(wanted, x.name) {
			chosen = append(chosen, x)
		}
	}
	for _, n := range wanted {
		if !slices.Contains(known, n) {
			rest = append(rest, n)
		}
	}
	if len(rest) == 0 {
		return nil, chosen, nil
	}
	if groups, err = workload.Select(strings.Join(rest, ",")); err != nil {
		return nil, nil, fmt.Errorf("%w,%s", err, strings.Join(known, ","))
	}
	return groups, chosen, nil
}
