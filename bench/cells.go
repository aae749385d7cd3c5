package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/coalesce-metrics/coalesce/bench/internal/cells"
	"github.com/coalesce-metrics/coalesce/bench/internal/report"
)

// cellRuns is how often each store is measured.
const cellRuns = 3

// What is written: to a store alone, so long that SQLite moves cells to where they stay,
// and by the archive, more than a bucket of its longest step.
var (
	cellPlan    = cells.Plan{Series: 5000, Buckets: 100, Read: 1000}
	archivePlan = cells.Plan{Series: 2500, Buckets: 96}
)

// measureCells measures the stores in turns, and SQLite behind the archive.
func (b *bench) measureCells(ctx context.Context) {
	type kind struct {
		store   string
		measure func(context.Context, *cells.Opened) (report.CellRun, error)
		row     *report.CellRow
	}
	var kinds []*kind
	for _, name := range cells.Stores {
		kinds = append(kinds, &kind{name, cellPlan.Measure, &report.CellRow{Store: name}})
	}
	kinds = append(kinds, &kind{"sqlite", archivePlan.MeasureArchive, &report.CellRow{Store: "archive, sqlite"}})
	for _, k := range kinds {
		b.cellRows = append(b.cellRows, k.row)
	}
	for range min(cellRuns, b.runs) {
		for _, k := range kinds {
			if k.measure == nil || ctx.Err() != nil {
				continue
			}
			r, err := oneStore(ctx, k.store, k.measure)
			switch {
			case errors.Is(err, cells.ErrMissing):
				b.note("store %s is not measured: %v", k.store, err)
				k.measure = nil
			case err != nil:
				b.fail("store %s: %v", k.row.Store, err)
			default:
				k.row.Runs = append(k.row.Runs, r)
				fmt.Fprintf(b.progress, "%-9s %-18s %9d cells  %8.0f ns/cell  %5.2f s CPU  %7.0f kcells/s\n", "cells", k.row.Store,
					r.Cells, float64(r.Write.CPU)/float64(r.Cells), r.Write.CPU.Seconds(), float64(r.Cells)/1000/r.Write.Time.Seconds())
			}
		}
	}
}

func oneStore(ctx context.Context, name string, measure func(context.Context, *cells.Opened) (report.CellRun, error)) (r report.CellRun, err error) {
	o, err := cells.Open(ctx, name)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	return measure(ctx, o)
}
