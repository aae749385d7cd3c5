package measured

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/query"
)

// world is streams as the values that have come in, by time.
type world map[string]map[int64][]float64

const (
	worldStep = 10
	worldEnd  = 600
)

func drawWorld(t *rapid.T) world {
	w := world{}
	for range rapid.IntRange(0, 5).Draw(t, "streams") {
		var tags []string
		for _, key := range []string{"a", "b"} {
			if v := rapid.IntRange(0, 2).Draw(t, key); v > 0 {
				tags = append(tags, fmt.Sprintf("%s=%d", key, v))
			}
		}
		times := map[int64][]float64{}
		for range rapid.IntRange(0, 30).Draw(t, "cells") {
			start := rapid.Int64Range(0, worldEnd/worldStep-1).Draw(t, "start") * worldStep
			times[start] = rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 4).Draw(t, "values")
		}
		w[strings.Join(tags, " ")] = times
	}
	return w
}

// piece returns the cells of a stream in a range.
func (w world) piece(tags string, from, until int64) query.Stream {
	var cells []archive.Bucket
	for _, start := range slices.Sorted(maps.Keys(w[tags])) {
		if start >= from && start < until {
			cells = append(cells, at(start, w[tags][start]...))
		}
	}
	return streamOf(tags, cells...)
}

// naive computes everything from the values themselves.
func (w world) naive(q Query) []Series {
	numbers := map[string]map[int64][]float64{} // by group
	for tags, times := range w {
		group := tags
		if q.Grouping != nil {
			var shown []string
			for _, name := range q.Grouping.By {
				value, ok := tagsOf(tags)[name]
				if !ok {
					shown = nil
					break
				}
				shown = append(shown, name+"="+value)
			}
			if len(shown) != len(q.Grouping.By) {
				continue
			}
			slices.Sort(shown)
			group = strings.Join(shown, " ")
		}
		merged := map[int64][]float64{}
		for _, start := range slices.Sorted(maps.Keys(times)) {
			p := start / q.Resolution * q.Resolution
			merged[p] = append(merged[p], times[start]...)
		}
		if numbers[group] == nil {
			numbers[group] = map[int64][]float64{}
		}
		previous := math.NaN()
		for _, time := range slices.Sorted(maps.Keys(merged)) {
			v := naiveValue(q.Function, merged[time], previous)
			previous = merged[time][len(merged[time])-1]
			if time >= q.From && v == v {
				numbers[group][time] = append(numbers[group][time], v)
			}
		}
	}
	var all []Series
	for _, group := range slices.Sorted(maps.Keys(numbers)) {
		s := Series{Tags: tagsOf(group)}
		for _, time := range slices.Sorted(maps.Keys(numbers[group])) {
			v := numbers[group][time][0]
			if q.Grouping != nil {
				v = naiveValue(q.Grouping.Function, numbers[group][time], 0)
			}
			s.Points = append(s.Points, Point{time, v})
		}
		if s.Points != nil {
			all = append(all, s)
		}
	}
	return all
}

// naiveValue returns NaN for what is no point.
func naiveValue(f Function, values []float64, previous float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	n := float64(len(values))
	switch f {
	case Sum:
		return sum
	case Min:
		return slices.Min(values)
	case Max:
		return slices.Max(values)
	case Count:
		return n
	case Mean:
		return sum / n
	case Stddev:
		squares := 0.0
		for _, v := range values {
			squares += (v - sum/n) * (v - sum/n)
		}
		return math.Sqrt(squares / n)
	}
	d := values[len(values)-1] - previous
	if f == Increase && d < 0 {
		return math.NaN()
	}
	return d
}

func drawQuery(t *rapid.T) Query {
	q := Query{
		Resolution: worldStep * rapid.SampledFrom([]int64{1, 3, 6, 60}).Draw(t, "resolution"),
		Function:   rapid.SampledFrom([]Function{Sum, Min, Max, Count, Mean, Derivative, Stddev, Increase}).Draw(t, "function"),
	}
	q.From = rapid.Int64Range(0, worldEnd/q.Resolution).Draw(t, "from") * q.Resolution
	if rapid.Bool().Draw(t, "grouped") {
		q.Grouping = &Grouping{
			By:       rapid.SampledFrom([][]string{nil, {"a"}, {"b", "a"}}).Draw(t, "by"),
			Function: rapid.SampledFrom([]Function{Sum, Min, Max, Mean}).Draw(t, "group function"),
		}
	}
	return q
}

// However the streams are cut into pieces and the answer into pages, it is what
// follows from the values.
func TestModel(t *testing.T) {
	tolerant := cmp.Options{equal[0], equal[2], cmp.Comparer(func(x, y float64) bool {
		return x == y || math.Abs(x-y) <= 1e-9+1e-12*max(math.Abs(x), math.Abs(y))
	})}
	rapid.Check(t, func(t *rapid.T) {
		w, q := drawWorld(t), drawQuery(t)
		limit := rapid.IntRange(1, 20).Draw(t, "limit")
		end := (worldEnd + q.Resolution - 1) / q.Resolution * q.Resolution
		want := w.naive(q)
		pages := map[string]Series{}
		for page := q; page.From < end; {
			b := New(page)
			from := page.From
			if q.Function.Differs() {
				from = 0
			}
			for from < end && b.Points() <= limit {
				until := min(end, from+rapid.Int64Range(1, 30).Draw(t, "piece")*q.Resolution)
				for tags := range w {
					b.Add(w.piece(tags, from, until))
				}
				from = until
			}
			series, next := b.Series(from, limit)
			if next <= page.From {
				t.Fatalf("a page from %d to %d", page.From, next)
			}
			times := map[int64]int{}
			for _, s := range series {
				key := fmt.Sprint(s.Tags)
				had := pages[key]
				pages[key] = Series{Tags: s.Tags, Points: append(had.Points, s.Points...)}
				for _, p := range s.Points {
					times[p.Time]++
				}
			}
			total := 0
			for _, n := range times {
				total += n
			}
			if total > limit && len(times) > 1 {
				t.Fatalf("%d points of %d times on a page of %d", total, len(times), limit)
			}
			page.From = next
		}
		got := make([]Series, 0, len(pages))
		for _, s := range want {
			key := fmt.Sprint(s.Tags)
			got = append(got, pages[key])
			delete(pages, key)
		}
		if len(pages) > 0 {
			t.Fatalf("series that there are not: %v", pages)
		}
		if diff := cmp.Diff(want, got, tolerant); diff != "" {
			t.Fatal(diff)
		}
	})
}
