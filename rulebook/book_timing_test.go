package rulebook

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/rules"
)

// One rule more among ten thousand, tried on ten thousand names, on the disk.
func BenchmarkCreate(b *testing.B) {
	const n = 10_000
	var names, all []string
	for i := range n {
		all = append(all, fmt.Sprintf("prod.applications.app%03d.server%05d.requests%03d.count", i%100, i, i%10))
	}
	book, err := Open(Config{
		Path: filepath.Join(b.TempDir(), "rules"), Period: 30, MaxPerOwner: 1 << 30, MaxOutputs: 5000,
		Names: func() []string { return names }, Apply: func([]*rules.Rule) {}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	create := func(i int) string {
		r, err := book.Create(b.Context(), "k", fmt.Sprintf("<env>.applications.<app>.*.requests%03d.count", i), "all.<env>.<app>")
		if err != nil {
			b.Fatal(err)
		}
		return r.ID
	}
	for i := range n {
		create(i)
	}
	names = all
	for b.Loop() {
		if err := book.Delete("k", create(n)); err != nil {
			b.Fatal(err)
		}
	}
}
