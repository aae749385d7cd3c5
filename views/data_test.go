package views

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coalesce-metrics/coalesce/aggregator"
)

func TestData(t *testing.T) {
	b := newBoard(t, nil)
	b.registerMeasures(Measure{"m", "", "ms", Int64})
	b.register(viewOf("v", "m", "b;x,method,zone", Distribution, 1, 10))
	if d, ok := b.Data("w"); ok {
		t.Error(d)
	}
	d, ok := b.Data("v")
	if !ok || d.Rows == nil || len(d.Rows) != 0 || d.Measure.Unit != "ms" || !d.Start.Equal(time.Unix(began, 0)) {
		t.Errorf("%+v", d)
	}
	bounds := []float64{1, 10}
	overflow := row("", bounds, 2)
	overflow.Tags, overflow.Overflow, overflow.Approximate = nil, true, true
	b.put("v", row("Put,a", bounds, 3), row("Get,", bounds, 0.5, 3, 12.5), overflow, row("Get,b", bounds), row(",a", bounds, 7))
	b.clock = b.clock.Add(time.Minute)
	d, _ = b.Data("v")
	var got [][]string
	for _, r := range d.Rows {
		got = append(got, r.Values)
	}
	// A series cannot have a tag with a ; in its key.
	want := [][]string{{"", "", "a"}, {"", "Get", ""}, {"", "Put", "a"}, {Overflow, Overflow, Overflow}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if r := d.Rows[1]; r.Cell.Count != 3 || r.Cell.Total() != 16 || !cmp.Equal(r.Counts, []int64{1, 1, 1}) || r.Start.UnixMilli() != (began+1)*1000+500 || r.Approximate {
		t.Errorf("%+v", r)
	}
	if !d.Rows[3].Approximate || !d.End.Equal(time.Unix(began+60, 0)) {
		t.Errorf("%+v", d)
	}
}

// Those of rows of one series are added up, as what is exported has one value.
func TestMerged(t *testing.T) {
	b := newBoard(t, nil)
	b.register(viewOf("v", "m", "a", Distribution, 1))
	bounds := []float64{1}
	first := row("x y", bounds, 0.5, 2)
	b.put("v", first, row("x_y", bounds, 3), row("~", bounds, 5), row("", bounds, 7))
	b.report()
	want := `p.v.bucket;a=x_y;le=+Inf 3 1700000000
p.v.bucket;a=x_y;le=1 1 1700000000
p.v.bucket;le=+Inf 2 1700000000
p.v.bucket;le=1 0 1700000000
p.v.count 2 1700000000
p.v.count;a=x_y 3 1700000000
p.v.max 7 1700000000
p.v.max;a=x_y 3 1700000000
p.v.mean 6 1700000000
p.v.mean;a=x_y 1.8333333333333333 1700000000
p.v.min 5 1700000000
p.v.min;a=x_y 0.5 1700000000
p.v.stddev 1.4142135623730951 1700000000
p.v.stddev;a=x_y 1.2583057392117916 1700000000
p.v.sum 12 1700000000
p.v.sum;a=x_y 5.5 1700000000`
	if diff := cmp.Diff(want, b.sent()); diff != "" {
		t.Error(diff)
	}
	if !cmp.Equal(first.Counts, []int64{1, 1}) {
		t.Errorf("the row that was read has changed: %v", first.Counts)
	}
}

func TestStddev(t *testing.T) {
	one, three := row("-", nil, 5).Cell, row("-", nil, 0.5, 3, 12.5).Cell
	if got := stddev(&one); got != 0 {
		t.Error(got)
	}
	if got, want := stddev(&three), math.Sqrt(80.16666666666667/2); math.Abs(got-want) > 1e-12 {
		t.Errorf("%v, want %v", got, want)
	}
	b := newBoard(t, nil)
	b.register(viewOf("v", "m", "", Distribution))
	b.put("v", aggregator.ViewRow{Cell: unknownDeviation})
	b.report()
	want := "p.v.count 2 1700000000\np.v.max 5 1700000000\np.v.mean 3 1700000000\np.v.min 1 1700000000\np.v.sum 6 1700000000"
	if diff := cmp.Diff(want, b.sent()); diff != "" {
		t.Error(diff)
	}
}
