package whisper

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"
)

// The dearest batch: each row is of another series.
func BenchmarkWrite(b *testing.B) {
	schemas := b.TempDir() + "/schemas"
	if err := os.WriteFile(schemas, []byte("[all]\npattern = .*\nretentions = 10s:6h,60s:7d\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	w, err := Open(b.TempDir(), schemas, "", slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	const series = 1000
	var lines []byte
	now := time.Now().Unix()
	for i := range series {
		lines = fmt.Appendf(lines, "a.b%d.c%d 1.5 %d\n", i/100, i, now)
	}
	if _, _, err := w.Write(b.Context(), lines); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(lines)))
	for b.Loop() {
		if _, _, err := w.Write(b.Context(), lines); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/series, "ns/row")
}
