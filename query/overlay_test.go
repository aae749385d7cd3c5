package query

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/archive"
)

// naiveOverlay looks at all pairs.
func naiveOverlay(stored, held []archive.Bucket) []archive.Bucket {
	var kept []archive.Bucket
	for _, b := range stored {
		if !slices.ContainsFunc(held, func(h archive.Bucket) bool { return h.Start == b.Start && h.Step == b.Step }) {
			kept = append(kept, b)
		}
	}
	for _, h := range held {
		inLonger := slices.ContainsFunc(stored, func(b archive.Bucket) bool {
			return b.Step > h.Step && b.Start <= h.Start && h.Start < b.Start+b.Step
		})
		if !inLonger {
			kept = append(kept, h)
		}
	}
	slices.SortStableFunc(kept, func(x, y archive.Bucket) int { return cmp.Compare(x.Start, y.Start) })
	return kept
}

func TestOverlay(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		// Ascending, none overlapping, as an archive gives them.
		var stored, held []archive.Bucket
		at := int64(0)
		for range r.IntN(8) {
			at += 60 * r.Int64N(3)
			step := []int64{10, 60}[r.IntN(2)]
			b := archive.Bucket{Start: at, Step: step}
			b.Cell.Add(1, float64(at))
			stored = append(stored, b)
			at += step
			at = (at + 59) / 60 * 60
		}
		for start := int64(0); start < at+120; start += 10 {
			for _, step := range []int64{10, 20} {
				if start%step == 0 && r.IntN(3) == 0 {
					b := archive.Bucket{Start: start, Step: step}
					b.Cell.Add(2, float64(start))
					held = append(held, b)
				}
			}
		}
		got, want := overlay(stored, held), naiveOverlay(stored, held)
		if len(got) != len(want) || len(got) > 0 && !gocmp.Equal(got, want) {
			t.Fatalf("seed %d: stored %v, held %v:\n%s", seed, stored, held, gocmp.Diff(want, got))
		}
	}
}
