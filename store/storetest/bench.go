package storetest

import (
	"fmt"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

// Bench measures a store: writing, reading 100 series of 1440 cells, and scanning.
func Bench(b *testing.B, open func(t testing.TB) store.Store) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("write/series=%d", n), func(b *testing.B) { benchWrite(b, open(b), n) })
	}
	b.Run("read", func(b *testing.B) { benchRead(b, open(b)) })
	b.Run("scan", func(b *testing.B) { benchScan(b, open(b)) })
}

// cycle returns what n series have at a start.
func cycle(b *testing.B, n int, start int64) store.Write {
	w := batch(n, 60, start)
	for i := range w.Series {
		var c cell.Cell
		for k := range 3 {
			c.Add(float64((i*7+int(start/60)*13+k*101)%997)/8, float64(start+int64(k)))
		}
		w.Series[i].Cells[0].Data = cell.AppendBinary(nil, &c, nil)
	}
	return w
}

func benchWrite(b *testing.B, s store.Store, n int) {
	defer s.Close()
	start := int64(0)
	for b.Loop() {
		b.StopTimer()
		w := cycle(b, n, start)
		b.StartTimer()
		if err := s.Write(b.Context(), w); err != nil {
			b.Fatal(err)
		}
		start += 60
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "cells/s")
	stats, err := s.Stats(b.Context())
	if err != nil || stats.Series != int64(n) {
		b.Fatalf("%+v, %v", stats, err)
	}
	b.ReportMetric(float64(stats.Bytes)/float64(n*b.N), "bytes/cell")
}

// fill writes 1440 starts of n series.
func fill(b *testing.B, s store.Store, n int) {
	for start := int64(0); start < 1440*60; start += 60 {
		if err := s.Write(b.Context(), cycle(b, n, start)); err != nil {
			b.Fatal(err)
		}
	}
}

func benchRead(b *testing.B, s store.Store) {
	defer s.Close()
	fill(b, s, 1000)
	var names []string
	for i := range 100 {
		names = append(names, name(i*10))
	}
	for b.Loop() {
		cells := 0
		err := s.Read(b.Context(), names, 60, 0, 1440*60, func(int, store.Cell) error {
			cells++
			return nil
		})
		if err != nil || cells != 100*1440 {
			b.Fatal(cells, err)
		}
	}
	b.ReportMetric(100*1440*float64(b.N)/b.Elapsed().Seconds(), "cells/s")
}

// benchScan measures a roll-up: all series of 15 minutes.
func benchScan(b *testing.B, s store.Store) {
	defer s.Close()
	fill(b, s, 1000)
	from := int64(0)
	for b.Loop() {
		cells := 0
		err := s.Scan(b.Context(), 60, from, from+900, func(*store.Series, store.Cell) error {
			cells++
			return nil
		})
		if err != nil || cells != 1000*15 {
			b.Fatal(cells, err)
		}
		from = (from + 900) % (1440 * 60)
	}
	b.ReportMetric(1000*15*float64(b.N)/b.Elapsed().Seconds(), "cells/s")
}
