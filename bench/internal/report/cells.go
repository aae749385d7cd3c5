package report

import (
	"fmt"
	"io"
)

// A CellRun is what writing cells to a store took, and reading them.
type CellRun struct {
	Cells     int64
	ReadCells int64 // that Read is of
	Write     Phase // of all cells
	Scan      Phase // of all cells in one go
	Read      Phase // of all cells of some series
	Bytes     int64 // that the store takes; 0: not known
}

// A CellRow is a store with its runs.
type CellRow struct {
	Store string
	Runs  []CellRun
}

// Cells writes one line for each row. Rates are by the clock, and so by the disk.
func Cells(w io.Writer, rows []*CellRow) {
	header(w, "store", "runs", "cells", "written kcells/s", "range", "CPU µs/cell", "range", "scanned kcells/s", "read kcells/s", "bytes/cell")
	for _, r := range rows {
		if len(r.Runs) == 0 {
			line(w, r.Store, "0", "-", "failed", "-", "-", "-", "-", "-", "-")
			continue
		}
		of := func(f func(CellRun) float64) summary { return spread(r.Runs, f) }
		rate := func(cells func(CellRun) int64, phase func(CellRun) Phase) summary {
			return of(func(r CellRun) float64 { return float64(cells(r)) / 1000 / phase(r).Time.Seconds() })
		}
		all := func(r CellRun) int64 { return r.Cells }
		write := rate(all, func(r CellRun) Phase { return r.Write })
		cpu := of(func(r CellRun) float64 { return float64(r.Write.CPU) / 1000 / float64(r.Cells) })
		scan, read, bytes := "-", "-", "-"
		if r.Runs[0].ReadCells > 0 {
			scan = number(rate(all, func(r CellRun) Phase { return r.Scan }).median)
			read = number(rate(func(r CellRun) int64 { return r.ReadCells }, func(r CellRun) Phase { return r.Read }).median)
			bytes = fmt.Sprintf("%.0f", of(func(r CellRun) float64 { return float64(r.Bytes) / float64(r.Cells) }).median)
		}
		line(w, r.Store,
			fmt.Sprint(len(r.Runs)), fmt.Sprint(r.Runs[0].Cells),
			number(write.median), fmt.Sprintf("%s–%s", number(write.min), number(write.max)),
			number(cpu.median), fmt.Sprintf("%s–%s", number(cpu.min), number(cpu.max)),
			scan, read, bytes)
	}
}
