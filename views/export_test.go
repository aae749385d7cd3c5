package views

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/aggregator"
)

func TestNames(t *testing.T) {
	for name, of := range map[string]struct {
		export Export
		want   string
	}{
		"tags": {Export{Prefix: "aggregates.views"}, `aggregates.views.count;method=Get;zone=eu 2 1700000000
aggregates.views.lat_ms.bucket;le=+Inf;method=Get;zone=eu 2 1700000000
aggregates.views.lat_ms.bucket;le=0.001;method=Get;zone=eu 1 1700000000
aggregates.views.lat_ms.bucket;le=2.5e-7;method=Get;zone=eu 0 1700000000
aggregates.views.lat_ms.count;method=Get;zone=eu 2 1700000000
aggregates.views.lat_ms.max;method=Get;zone=eu 2 1700000000
aggregates.views.lat_ms.mean;method=Get;zone=eu 1.00025 1700000000
aggregates.views.lat_ms.min;method=Get;zone=eu 0.0005 1700000000
aggregates.views.lat_ms.stddev;method=Get;zone=eu 1.4138600089825017 1700000000
aggregates.views.lat_ms.sum;method=Get;zone=eu 2.0005 1700000000
aggregates.views.key_9;method=Get;zone=eu 2 1700000000
aggregates.views.key_;method=Get;zone=eu 2.0005 1700000000`},
		"nodes, no prefix": {Export{Nodes: true}, `count.Get.eu 2 1700000000
key_.Get.eu 2.0005 1700000000
key_9.Get.eu 2 1700000000
lat_ms.bucket.Get.eu.+Inf 2 1700000000
lat_ms.bucket.Get.eu.0_001 1 1700000000
lat_ms.bucket.Get.eu.2_5e-7 0 1700000000
lat_ms.count.Get.eu 2 1700000000
lat_ms.max.Get.eu 2 1700000000
lat_ms.mean.Get.eu 1.00025 1700000000
lat_ms.min.Get.eu 0.0005 1700000000
lat_ms.stddev.Get.eu 1.4138600089825017 1700000000
lat_ms.sum.Get.eu 2.0005 1700000000`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(t, func(c *Config) {
				c.Export.Prefix, c.Export.Nodes = of.export.Prefix, of.export.Nodes
			})
			bounds := []float64{2.5e-7, 0.001}
			b.register(viewOf("lat.ms", "m", "zone,method", Distribution, bounds...), viewOf("count", "m", "zone,method", Count),
				viewOf("9", "m", "zone,method", LastValue), viewOf("/", "m", "zone,method", Sum))
			for _, v := range b.Views() {
				b.put(v.Name, row("Get,eu", v.Aggregation.Bounds, 0.0005, 2))
			}
			b.clock = b.clock.Add(9999 * time.Millisecond)
			b.report()
			want := strings.Split(of.want, "\n")
			slices.Sort(want)
			if diff := cmp.Diff(strings.Join(want, "\n"), b.sent()); diff != "" {
				t.Error(diff)
			}
			if got := b.Stats(); got != (Stats{4, 1, uint64(len(want))}) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// What is sent of a view with counts 1, 1, 3 and so on, report by report.
func TestModes(t *testing.T) {
	type step struct {
		advance time.Duration
		values  []float64 // all there are by then
		want    string
	}
	for name, c := range map[string]struct {
		delta       bool
		aggregation string
		steps       []step
	}{
		"cumulative": {false, Count, []step{
			{0, nil, ""},
			{10 * time.Second, []float64{1}, "p.v 1 1700000010"},
			{10 * time.Second, []float64{1}, "p.v 1 1700000020"},
			{10 * time.Second, []float64{1, 2, 3}, "p.v 3 1700000030"},
			{3 * time.Second, []float64{1, 2, 3}, ""}, // the same for the same timestamp
			{0, []float64{1, 2, 3, 4}, "again p.v 4 1700000030"},
			{-20 * time.Second, []float64{1, 2, 3, 4, 5}, "again p.v 5 1700000010"},
		}},
		"delta": {true, Count, []step{
			{0, nil, ""},
			{10 * time.Second, []float64{1}, "p.v 1 1700000010"},
			{10 * time.Second, []float64{1}, ""},
			{10 * time.Second, []float64{1, 2, 3}, "p.v 2 1700000030"},
			{3 * time.Second, []float64{1, 2, 3}, ""},
			{0, []float64{1, 2, 3, 4}, "again p.v 3 1700000030"}, // the whole of what belongs to it
			{0, []float64{1, 2, 3, 4, 5}, "again p.v 4 1700000030"},
			{7 * time.Second, []float64{1, 2, 3, 4, 5}, ""},
			{0, []float64{1, 2, 3, 4, 5, 6}, "p.v 1 1700000040"},
			{-20 * time.Second, []float64{1, 2, 3, 4, 5, 6, 7}, "again p.v 1 1700000020"},
		}},
		"delta of a sum": {true, Sum, []step{
			{10 * time.Second, []float64{1}, "p.v 1 1700000010"},
			{10 * time.Second, []float64{1, -5}, "p.v -5 1700000020"},
			{10 * time.Second, []float64{1, -5, 0}, "p.v 0 1700000030"}, // which has come
			{10 * time.Second, []float64{1, -5, 0}, ""},
		}},
		"last value": {true, LastValue, []step{
			{10 * time.Second, []float64{1}, "p.v 1 1700000010"},
			{10 * time.Second, []float64{1, 5}, "p.v 5 1700000020"},
			{10 * time.Second, []float64{1, 5}, ""},
		}},
		"delta of a distribution": {true, Distribution, []step{
			{10 * time.Second, []float64{1, 20}, `p.v.bucket;le=+Inf 2 1700000010
p.v.bucket;le=10 1 1700000010
p.v.count 2 1700000010
p.v.max 20 1700000010
p.v.mean 10.5 1700000010
p.v.min 1 1700000010
p.v.stddev 13.435028842544403 1700000010
p.v.sum 21 1700000010`},
			{10 * time.Second, []float64{1, 20, 3}, `p.v.bucket;le=+Inf 1 1700000020
p.v.bucket;le=10 1 1700000020
p.v.count 1 1700000020
p.v.max 20 1700000020
p.v.mean 8 1700000020
p.v.min 1 1700000020
p.v.stddev 10.44030650891055 1700000020
p.v.sum 3 1700000020`},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(t, func(c2 *Config) { c2.Export.Delta = c.delta })
			var bounds []float64
			if c.aggregation == Distribution {
				bounds = []float64{10}
			}
			b.register(viewOf("v", "m", "", c.aggregation, bounds...))
			for i, s := range c.steps {
				b.clock = b.clock.Add(s.advance)
				if s.values != nil {
					b.put("v", row("-", bounds, s.values...))
				}
				b.report()
				if diff := cmp.Diff(s.want, b.sent()); diff != "" {
					t.Errorf("step %d: %s", i, diff)
				}
			}
		})
	}
}

// What has not been sent when a view is deleted is sent once, and the rows are gone.
func TestLastReport(t *testing.T) {
	for _, delta := range []bool{false, true} {
		b := newBoard(t, func(c *Config) { c.Export.Delta = delta })
		v := viewOf("v", "m", "", Count)
		b.register(v, viewOf("w", "m", "", Count))
		b.put("v", row("-", nil, 1, 2))
		b.report()
		if got := b.sent(); got != "p.v 2 1700000000" {
			t.Error(got)
		}
		b.put("v", row("-", nil, 1, 2, 3))
		if err := b.DeleteView("v"); err != nil {
			t.Fatal(err)
		}
		if got := b.sent(); got != "again p.v 3 1700000000" {
			t.Error(got)
		}
		b.register(v)
		b.clock = b.clock.Add(10 * time.Second)
		b.report()
		if got := b.sent(); got != "" || len(b.reports) != 2 {
			t.Error(got, b.reports)
		}
		b.put("v", row("-", nil, 1))
		b.clock = b.clock.Add(5 * time.Second)
		if err := b.DeleteView("v"); err != nil {
			t.Fatal(err)
		}
		if got := b.sent(); got != "p.v 1 1700000010" {
			t.Error(got)
		}
	}
}

// Reports come at multiples of the period, whenever the daemon has begun.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(3700 * time.Millisecond)
		lines := make(chan string, 10)
		b := newBoard(t, func(c *Config) {
			c.Now, c.Export.Period = time.Now, 30*time.Second
			c.Export.Send = func(text []byte, _ int, again bool) { lines <- fmt.Sprint(string(text), again) }
		})
		b.register(viewOf("v", "m", "", Count))
		b.put("v", row("-", nil, 1))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { b.Run(ctx); close(ended) }()
		at := time.Now().Unix() / 30 * 30
		for range 5 {
			got := <-lines // when everything sleeps, the clock goes on
			at += 30
			if want := fmt.Sprintf("p.v 1 %d\nfalse", at); got != want || time.Now().Unix() != at {
				t.Fatalf("%q at %d, want %q", got, time.Now().Unix(), want)
			}
		}
		cancel()
		<-ended
		b.put("v", row("-", nil, 1, 2))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if got, want := <-lines, fmt.Sprintf("p.v 2 %d\ntrue", at); got != want || len(lines) > 0 {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func TestNoExport(t *testing.T) {
	b := newBoard(t, func(c *Config) { c.Export.Send = nil })
	b.register(viewOf("v", "m", "", Count))
	b.put("v", row("-", nil, 1))
	b.Run(t.Context())
	b.report()
	if err := b.DeleteView("v"); err != nil || b.Stats().Exported != 0 {
		t.Error(err)
	}
}

// However many rows there are, the deltas of each series add up to what its view
// has counted, buckets included, and each timestamp has one value in the end.
func TestDeltasAddUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	stored := map[string]float64{} // by name and timestamp
	b := newBoard(t, func(c *Config) {
		c.Export.Delta = true
		c.Export.Send = func(lines []byte, n int, again bool) {
			if len(lines) > 2*maxBatch {
				t.Errorf("%d bytes at a time", len(lines))
			}
			for line := range strings.Lines(string(lines)) {
				f := strings.Fields(line)
				key := f[0] + " " + f[2]
				if _, was := stored[key]; was != again {
					t.Errorf("%s: again is %v", key, again)
				}
				stored[key], _ = strconv.ParseFloat(f[1], 64)
			}
		}
	})
	bounds := []float64{1, 2, 4, 8}
	b.register(viewOf("v", "m", "a", Distribution, bounds...))
	const series = 400
	values := make([][]float64, series)
	for range 12 {
		var rows []aggregator.ViewRow
		for i := range values {
			for range rng.IntN(3) {
				values[i] = append(values[i], float64(rng.IntN(12)))
			}
			if len(values[i]) > 0 {
				rows = append(rows, row(fmt.Sprint("s", i), bounds, values[i]...))
			}
		}
		b.put("v", rows...)
		b.clock = b.clock.Add(time.Duration(rng.IntN(15)) * time.Second)
		b.report()
	}
	sums := map[string]float64{}
	for key, value := range stored {
		sums[strings.Fields(key)[0]] += value
	}
	for i, all := range values {
		for field, from := range map[string]float64{"count": math.Inf(1), "bucket;;le=+Inf": math.Inf(1), "bucket;;le=1": 1, "bucket;;le=8": 8} {
			name := fmt.Sprintf("p.v.%s;a=s%d", field, i)
			if head, le, ok := strings.Cut(field, ";;"); ok {
				name = fmt.Sprintf("p.v.%s;a=s%d;%s", head, i, le)
			}
			want := 0.0
			for _, v := range all {
				if v < from {
					want++
				}
			}
			if sums[name] != want {
				t.Fatalf("%s: %v, want %v", name, sums[name], want)
			}
		}
	}
}

func BenchmarkReport(b *testing.B) {
	board := newBoard(b, func(c *Config) { c.Export.Send = func([]byte, int, bool) {} })
	bounds := []float64{1, 2, 4, 8, 16, 32, 64, 128}
	board.register(viewOf("v", "m", "a", Distribution, bounds...))
	var rows []aggregator.ViewRow
	for i := range 10_000 {
		rows = append(rows, row(fmt.Sprint("s", i), bounds, 1, 5))
	}
	board.put("v", rows...)
	for b.Loop() {
		board.clock = board.clock.Add(10 * time.Second)
		board.report()
	}
	if n := board.Stats().Exported; n != uint64(b.N)*150_000 {
		b.Errorf("%d rows", n)
	}
}
