package archive

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
)

func benchMemory() store.Store { return memory.New(memory.Options{MaxBytes: 8 << 30}) }

// benchWorld has records of n series at their first bucket.
func benchWorld(b *testing.B, s store.Store, n int, journal bool) (*world, []Record) {
	w := newWorld(b, s, func(cfg *Config) {
		cfg.MaxPending, cfg.MaxJournal = 8<<30, 8<<30
		if !journal {
			cfg.Dir = ""
		}
	})
	records := make([]Record, n)
	for i := range records {
		var c cell.Cell
		for k := range 20 {
			c.Add(float64(i%100*k), epoch+float64(k)/3)
		}
		records[i] = Record{
			Series: store.Series{Name: fmt.Sprintf("aggregates.host%05d.requests.count", i), Methods: []cell.Method{cell.Sum}, Period: 10},
			Start:  epoch, Cell: &c,
		}
	}
	return w, records
}

// BenchmarkKeep is the price of a closed bucket to the aggregator.
func BenchmarkKeep(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		for _, journal := range []bool{false, true} {
			b.Run(fmt.Sprintf("series=%d/journal=%v", n, journal), func(b *testing.B) {
				w, records := benchWorld(b, benchMemory(), n, journal)
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					r := &records[i%n]
					w.a.Keep(r)
					r.Start += 10
					if i%1024 == 1023 {
						w.a.Commit()
					}
					if i%n == n-1 {
						b.StopTimer()
						w.now += 10
						w.a.Commit()
						w.a.cycle(b.Context())
						b.StartTimer()
					}
				}
				b.StopTimer()
				if st := w.a.Stats(); st.Kept != int64(b.N) || st.DroppedTotal() != 0 {
					b.Fatalf("%+v", st)
				}
			})
		}
	}
}

// BenchmarkCycle writes the cells of 15 minutes of 100 000 series in three windows,
// one bucket of each at a time, of which changed come in. windows.md 8.5: the cost of
// a changed cell stays the same.
func BenchmarkCycle(b *testing.B) {
	const n = 100_000
	for _, changed := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("changed=%d", changed), func(b *testing.B) {
			w, records := benchWorld(b, openSQLite(b, filepath.Join(b.TempDir(), "store")), n, true)
			round := func(part []Record) {
				for i := range part {
					w.a.Keep(&part[i])
				}
				w.a.Commit()
			}
			for k := range int64(12) { // so that all are known
				for i := range records {
					records[i].Start = epoch + 10*k
				}
				round(records)
				w.now += 10
				w.a.cycle(b.Context())
			}
			w.now += 1800
			w.a.cycle(b.Context()) // and rolled up
			cells := 0
			b.ResetTimer()
			for i := range b.N {
				b.StopTimer()
				part := records[i*changed%n:][:changed]
				for k := range part {
					part[k].Start = floor(int64(w.now), 10)
				}
				round(part)
				cells += len(part)
				w.now += 10
				b.StartTimer()
				w.a.cycle(b.Context())
			}
			b.StopTimer()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(cells), "ns/cell")
			if st := w.a.Stats(); st.Pending != 0 || !st.StoreOK {
				b.Fatalf("%+v", st)
			}
		})
	}
}

// BenchmarkAmend is the price of a cell that has two coarser ones made again.
func BenchmarkAmend(b *testing.B) {
	const n = 1000
	w, records := benchWorld(b, benchMemory(), n, true)
	for k := range int64(200) {
		for i := range records {
			records[i].Start = epoch + 10*k
			w.a.Keep(&records[i])
		}
		w.a.Commit()
		w.now += 10
		w.a.cycle(b.Context())
	}
	b.ResetTimer()
	for i := range b.N {
		r := &records[i%n]
		r.Start = epoch + 10*int64(i%90)
		w.a.Keep(r)
		if i%n == n-1 || i == b.N-1 {
			w.a.Commit()
			w.a.cycle(b.Context())
		}
	}
	b.StopTimer()
	if st := w.a.Stats(); st.Amended < int64(b.N)/2 {
		b.Fatalf("%+v", st)
	}
}
