package aggregator

import (
	"fmt"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

// Measurements of 10 000 series, in the calls of 1000 that the API allows.
func BenchmarkAddMeasurements(b *testing.B) {
	const series, atOnce = 10_000, 1000
	view := rules.View{ID: "v", Measure: "cpu", Columns: []string{"host"}, Distribution: true, Bounds: []float64{1, 10, 100}}
	for _, x := range []struct {
		name   string
		stream Stream
		rules  string
		views  []rules.View
		count  int64
	}{
		{"replacing", rawStream, "", nil, 1},
		{"adding", sumStream, "", nil, 1},
		{"adding-complex", sumStream, "", nil, 5},
		{"with-a-rule", sumStream, "all (60) = sum cpu;host=*\n", nil, 1},
		{"with-a-rule-and-a-view", sumStream, "all (60) = sum cpu;host=*\n", []rules.View{view}, 1},
	} {
		b.Run(x.name, func(b *testing.B) {
			a := benchAggregator(b, 1, "", false)
			a.SetRules(viewSet(b, x.rules, x.views...))
			id, err := a.Stream(x.stream)
			if err != nil {
				b.Fatal(err)
			}
			ms := make([]Measurement, series)
			for i := range ms {
				v := float64(i%200) / 2
				c := cell.Cell{Count: x.count, Sum: v * float64(x.count), Min: v, Max: v, Last: v, LastTime: benchNow}
				ms[i] = Measurement{Name: fmt.Appendf(nil, "cpu;host=web%05d", i), Time: benchNow, Cell: c, Stream: id}
			}
			a.AddMeasurements(ms)
			before := a.Stats().Added
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += atOnce {
				from := n % series
				a.AddMeasurements(ms[from:min(from+atOnce, from+b.N-n)])
			}
			b.StopTimer()
			if n := a.Stats().Added - before; n < uint64(b.N)*uint64(x.count) {
				b.Fatalf("%d of %d were added", n, b.N)
			}
		})
	}
}

// A view of 10 000 rows is read while it is added to.
func BenchmarkViewRows(b *testing.B) {
	a := benchAggregator(b, 2, "", false)
	a.SetRules(viewSet(b, "", rules.View{ID: "v", Measure: "cpu", Columns: []string{"host"}, Distribution: true, Bounds: []float64{1, 10, 100}}))
	id, err := a.Stream(rawStream)
	if err != nil {
		b.Fatal(err)
	}
	ms := make([]Measurement, 10_000)
	for i := range ms {
		ms[i] = Measurement{Name: fmt.Appendf(nil, "cpu;host=web%05d", i), Time: benchNow, Cell: plain(5, benchNow), Stream: id}
	}
	b.ReportAllocs()
	for range b.N {
		b.StopTimer()
		a.AddMeasurements(ms)
		b.StartTimer()
		if n := len(a.ViewRows("v")); n != len(ms) {
			b.Fatalf("%d rows", n)
		}
	}
}
