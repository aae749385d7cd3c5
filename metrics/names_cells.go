package metrics

import (
	"github.com/coalesce-metrics/coalesce/archive"
)

// Names are the names that can be found by patterns and tags.
type Names struct {
	Held, Limit int
	Refused     uint64
}

// Collected are the values of a protocol that package ingest does not know.
type Collected struct {
	Listener, Protocol string
	Accepted, Refused  uint64
}

// cells reads one number of the archive.
func cells[N int | int64](value func(a *archive.Stats) N) func(*snapshot, sample) {
	return func(s *snapshot, emit sample) {
		if s.Archive != nil {
			emit(float64(value(&s.archive)))
		}
	}
}

var cellFamilies = []family{{
	name: "cells_found_total", kind: counter,
	help: "Cells that an earlier run had left in the journal.",
	read: cells(func(a *archive.Stats) int64 { return a.Found }),
}, {
	name: "cells_kept_total", kind: counter, series: as("cellsKept"),
	help: "Cells of closed and amended buckets given to the archive; with those found, the sum of pending, written, replaced and dropped ones.",
	read: cells(func(a *archive.Stats) int64 { return a.Kept }),
}, {
	name: "cells_pending", kind: gauge, series: as("cellsPending"),
	help: "Cells that are not in the store yet.",
	read: cells(func(a *archive.Stats) int64 { return a.Pending }),
}, {
	name: "cells_written_total", kind: counter, series: as("cellsWritten"),
	help: "Cells that the store has taken.",
	read: cells(func(a *archive.Stats) int64 { return a.Written }),
}, {
	name: "cells_replaced_total", kind: counter,
	help: "Cells replaced by a later state of their bucket before they were written.",
	read: cells(func(a *archive.Stats) int64 { return a.Replaced }),
}, {
	name: "cells_dropped_total", kind: counter, labels: []string{"reason"}, series: func(labels []string) string { return "cells." + byReason(labels) },
	help: "Cells that did not get into the store, by reason.",
	read: func(s *snapshot, emit sample) {
		if s.Archive == nil {
			return
		}
		for r, n := range s.archive.Dropped {
			emit(float64(n), archive.Reason(r).String())
		}
	},
}, {
	name: "cells_pending_bytes", kind: gauge,
	help: "Memory of pending cells.",
	read: cells(func(a *archive.Stats) int64 { return a.PendingBytes }),
}, {
	name: "cells_pending_bytes_limit", kind: gauge,
	help: "Memory that pending cells may take (store.pending).",
	read: cells(func(a *archive.Stats) int64 { return a.PendingLimit }),
}, {
	name: "journal_ok", kind: gauge,
	help: "1 while the journal can be written to; 0 also where there is none.",
	read: cells(func(a *archive.Stats) int64 { return flag[int64](a.JournalOK) }),
}, {
	name: "journal_bytes", kind: gauge,
	help: "Size of the journal.",
	read: cells(func(a *archive.Stats) int64 { return a.JournalBytes }),
}, {
	name: "journal_bytes_limit", kind: gauge,
	help: "Size that the journal may have (store.journal).",
	read: cells(func(a *archive.Stats) int64 { return a.JournalLimit }),
}, {
	name: "journal_written_bytes_total", kind: counter,
	help: "Bytes written to the journal.",
	read: cells(func(a *archive.Stats) int64 { return a.JournaledBytes }),
}, {
	name: "journal_errors_total", kind: counter, series: as("journalErrors"),
	help: "Failures of the disk under the journal.",
	read: cells(func(a *archive.Stats) int64 { return a.JournalErrors }),
}, {
	name: "journal_torn_bytes_total", kind: counter,
	help: "Bytes at the end of the journal that a crash had left unfinished.",
	read: cells(func(a *archive.Stats) int64 { return a.TornBytes }),
}, {
	name: "store_ok", kind: gauge, series: as("storeOk"),
	help: "1 while the store takes what is written to it.",
	read: cells(func(a *archive.Stats) int64 { return flag[int64](a.StoreOK) }),
}, {
	name: "store_errors_total", kind: counter, series: as("storeErrors"),
	help: "Failures of the store.",
	read: cells(func(a *archive.Stats) int64 { return a.StoreErrors }),
}, {
	name: "store_writes_total", kind: counter,
	help: "Batches that the store has taken.",
	read: cells(func(a *archive.Stats) int64 { return a.Writes }),
}, {
	name: "store_refused_series_total", kind: counter,
	help: "Times that the store would not take a series, but took others.",
	read: cells(func(a *archive.Stats) int64 { return a.Refused }),
}, {
	name: "store_write_seconds", kind: gauge,
	help: "How long the last round of writing took.",
	read: func(s *snapshot, emit sample) {
		if s.Archive != nil {
			emit(s.archive.WriteSeconds)
		}
	},
}, {
	name: "store_forgotten_series_total", kind: counter,
	help: "Series that left the store because nothing is kept of them any more.",
	read: cells(func(a *archive.Stats) int64 { return a.Forgotten }),
}, {
	name: "store_expiries_total", kind: counter,
	help: "Times that old cells were dropped from the store.",
	read: cells(func(a *archive.Stats) int64 { return a.Expiries }),
}, {
	name: "store_damaged_cells_total", kind: counter,
	help: "Cells found in the store that cannot be read.",
	read: cells(func(a *archive.Stats) int64 { return a.Damaged }),
}, {
	name: "window_cells_total", kind: counter,
	help: "Cells of windows made of finer ones.",
	read: cells(func(a *archive.Stats) int64 { return a.Rolled }),
}, {
	name: "window_cells_amended_total", kind: counter,
	help: "Cells of windows made again because a finer one had changed.",
	read: cells(func(a *archive.Stats) int64 { return a.Amended }),
}, {
	name: "window_cells_stale_total", kind: counter,
	help: "Cells of windows that could not be made again, because finer ones have been expired in part.",
	read: cells(func(a *archive.Stats) int64 { return a.Stale }),
}, {
	name: "windows_lag_seconds", kind: gauge, series: as("windowsLag"),
	help: "By how much the slowest window is late.",
	read: func(s *snapshot, emit sample) {
		if s.Archive != nil {
			emit(s.archive.MarksLag)
		}
	},
}, {
	name: "names", kind: gauge,
	help: "Names that can be found by patterns and tags.",
	read: func(s *snapshot, emit sample) {
		if s.Catalog != nil {
			emit(float64(s.catalog.Held))
		}
	},
}, {
	name: "names_limit", kind: gauge,
	help: "Names that there can be (store.names).",
	read: func(s *snapshot, emit sample) {
		if s.Catalog != nil {
			emit(float64(s.catalog.Limit))
		}
	},
}, {
	name: "names_refused_total", kind: counter,
	help: "Times that a name could not be made known for want of room; its values are kept, but not found.",
	read: func(s *snapshot, emit sample) {
		if s.Catalog != nil {
			emit(float64(s.catalog.Refused))
		}
	},
}}
