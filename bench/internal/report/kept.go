package report

import (
	"fmt"
	"io"
	"time"
)

// Kept is what was kept of the datapoints of a run.
type Kept struct {
	Cells int64 // that came in, those made of them not counted
	Bytes int64 // of the store's file after an orderly stop
	// Later is the CPU time from when the last row has arrived until all cells are
	// in the store. It is part of the run's.
	Later time.Duration
}

// WithStore returns those rows whose cells were kept.
func WithStore(rows []*Row) (kept []*Row) {
	for _, r := range rows {
		if len(r.Runs) > 0 && r.Runs[0].Kept != nil {
			kept = append(kept, r)
		}
	}
	return kept
}

// Stores writes one line for each row, which must be one of WithStore.
func Stores(w io.Writer, rows []*Row) {
	header(w, "load", "system", "runs", "cells", "MiB of the store", "CPU ms after the last row", "range")
	for _, r := range rows {
		of := func(f func(Run) float64) summary { return spread(r.Runs, f) }
		later := of(func(r Run) float64 { return float64(r.Kept.Later.Milliseconds()) })
		line(w, r.Workload, r.System,
			fmt.Sprint(len(r.Runs)),
			fmt.Sprintf("%.0f", of(func(r Run) float64 { return float64(r.Kept.Cells) }).median),
			number(of(func(r Run) float64 { return mib(r.Kept.Bytes) }).median),
			fmt.Sprintf("%.0f", later.median), fmt.Sprintf("%.0f–%.0f", later.min, later.max))
	}
}
