package spool

import (
	"fmt"
	"strings"
	"testing"
)

// batchOf returns lines of about 60 bytes, size bytes in all or a little less.
func batchOf(size int) (lines []byte, n int) {
	var b strings.Builder
	for {
		line := fmt.Sprintf("servers.web%03d.cpu.%d.percent-user %d.25 1763811000\n", n%1000, n%16, n%100)
		if b.Len()+len(line) > size {
			return []byte(b.String()), n
		}
		b.WriteString(line)
		n++
	}
}

func benchSpool(b *testing.B, forced bool) *Spool {
	opt := Options{MaxBytes: 256 << 20}
	if !forced {
		opt.files = &unforced
	}
	s := mustOpen(b, b.TempDir(), opt)
	b.Cleanup(func() { mustClose(b, s) })
	return s
}

func perLine(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/line")
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{60, 4 << 10, 64 << 10} {
		for _, forced := range []bool{true, false} {
			b.Run(fmt.Sprintf("bytes=%d/forced=%v", size, forced), func(b *testing.B) {
				s := benchSpool(b, forced)
				lines, n := batchOf(size)
				b.SetBytes(int64(len(lines)))
				b.ReportAllocs()
				for b.Loop() {
					if got, err := s.Append(lines, 0); got != n || err != nil {
						b.Fatal(got, err)
					}
				}
				perLine(b, n)
			})
		}
	}
}

// BenchmarkDrain reads and acknowledges; what it reads is in the page cache.
func BenchmarkDrain(b *testing.B) {
	for _, record := range []int{60, 64 << 10} {
		b.Run(fmt.Sprintf("record=%d", record), func(b *testing.B) {
			s := benchSpool(b, false)
			lines, n := batchOf(record)
			all, read := 0, int64(0)
			b.ReportAllocs()
			for b.Loop() {
				batch, ok, err := s.Peek(64 << 10)
				if err != nil {
					b.Fatal(err)
				}
				if !ok {
					b.StopTimer()
					for s.Stats().Bytes < 64<<20 {
						if got, err := s.Append(lines, 0); got != n || err != nil {
							b.Fatal(got, err)
						}
					}
					b.StartTimer()
					continue
				}
				read += int64(len(batch.Lines))
				all += s.Ack(len(batch.Lines))
			}
			b.SetBytes(read / int64(b.N))
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(all, 1)), "ns/line")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	opt := Options{files: &unforced}
	s := mustOpen(b, dir, opt)
	lines, n := batchOf(64 << 10)
	for s.Stats().Bytes < 256<<20 {
		if got, err := s.Append(lines, 0); got != n || err != nil {
			b.Fatal(got, err)
		}
	}
	held := s.Stats().Held
	mustClose(b, s)
	for b.Loop() {
		s := mustOpen(b, dir, opt)
		if s.Stats().Held != held {
			b.Fatal("not all there")
		}
		mustClose(b, s)
	}
}
