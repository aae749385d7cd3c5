package measured

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/query"
)

var nan = math.NaN()

// equal compares points as the arithmetic promises them.
var equal = cmp.Options{cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-12, 1e-12), cmpopts.EquateEmpty()}

// at makes a cell of 10 s.
func at(start int64, values ...float64) archive.Bucket {
	b := archive.Bucket{Start: start, Step: 10}
	for _, v := range values {
		b.Cell.Add(v, float64(start))
	}
	return b
}

func streamOf(tags string, cells ...archive.Bucket) query.Stream {
	return query.Stream{Name: "m;" + tags, Tags: tagsOf(tags), Step: 10, Cells: cells}
}

// The example by which merged cells are told from averaged ones.
func TestMergedCells(t *testing.T) {
	a := archive.Bucket{Start: 60, Step: 10, Cell: cell.Cell{Count: 2, Sum: 4, Min: 1, Max: 3, M2: 2, Last: 3, LastTime: 61}}
	b := archive.Bucket{Start: 70, Step: 10, Cell: cell.Cell{Count: 2, Sum: 12, Min: 5, Max: 7, M2: 2, Last: 5, LastTime: 75}}
	for f, want := range map[Function]float64{
		Count: 4, Sum: 16, Min: 1, Max: 7, Mean: 4, Stddev: 2.2360679774997896964,
	} {
		x := New(Query{Resolution: 60, Function: f})
		x.Add(streamOf("", a, b))
		got, _ := x.Series(120, 10)
		if diff := cmp.Diff([]Series{{Tags: tagsOf(""), Points: []Point{{60, want}}}}, got, equal); diff != "" {
			t.Errorf("%s:\n%s", functions[f], diff)
		}
	}
	x := New(Query{Resolution: 60, Function: All})
	x.Add(streamOf("", a, b))
	got, _ := x.Series(120, 10)
	want := []cell.Cell{{Count: 4, Sum: 16, Min: 1, Max: 7, M2: 20, Last: 5, LastTime: 75}}
	if len(got) != 1 || len(got[0].Points) != 1 || !cmp.Equal(want, got[0].Cells, equal) {
		t.Errorf("all: %+v, want %+v", got, want)
	}
}

func TestSeries(t *testing.T) {
	unknown := at(60, 1, 5)
	unknown.Cell.M2 = nan
	streams := []query.Stream{
		streamOf("region=us host=b", at(0, 1, 3), at(10, 8), at(60, 4), at(130, 10)),
		streamOf("region=us host=a", at(10, 20), at(60, 2), at(70, 3)),
		streamOf("region=eu", unknown),
		streamOf("region=none"),
	}
	us := func(host string, points ...Point) Series {
		return Series{Tags: tagsOf("region=us host=" + host), Points: points}
	}
	all := tagsOf("")
	for name, c := range map[string]struct {
		query Query
		want  []Series
	}{
		"sorted by the pairs of tags": {Query{Resolution: 60, Function: Sum}, []Series{
			us("a", Point{0, 20}, Point{60, 5}), us("b", Point{0, 12}, Point{60, 4}, Point{120, 10}),
			{Tags: tagsOf("region=eu"), Points: []Point{{60, 6}}},
		}},
		"mean of all values": {Query{Resolution: 60, Function: Mean}, []Series{
			us("a", Point{0, 20}, Point{60, 2.5}), us("b", Point{0, 4}, Point{60, 4}, Point{120, 10}),
			{Tags: tagsOf("region=eu"), Points: []Point{{60, 3}}},
		}},
		"deviations that nobody knows": {Query{Resolution: 60, Function: Stddev}, []Series{
			us("a", Point{0, 0}, Point{60, 0.5}), us("b", Point{0, math.Sqrt(26. / 3)}, Point{60, 0}, Point{120, 0}),
			{Tags: tagsOf("region=eu"), Points: []Point{{60, nan}}},
		}},
		"what begins later": {Query{Resolution: 60, From: 60, Function: Count}, []Series{
			us("a", Point{60, 2}), us("b", Point{60, 1}, Point{120, 1}), {Tags: tagsOf("region=eu"), Points: []Point{{60, 2}}},
		}},
		"unmerged": {Query{Resolution: 10, Function: Max}, []Series{
			us("a", Point{10, 20}, Point{60, 2}, Point{70, 3}), us("b", Point{0, 3}, Point{10, 8}, Point{60, 4}, Point{130, 10}),
			{Tags: tagsOf("region=eu"), Points: []Point{{60, 5}}},
		}},
		"differences": {Query{Resolution: 60, Function: Derivative}, []Series{us("a", Point{60, -17}), us("b", Point{60, -4}, Point{120, 6})}},
		"increases":   {Query{Resolution: 60, Function: Increase}, []Series{us("b", Point{120, 6})}},
		"differences to what is before": {Query{Resolution: 60, From: 60, Function: Derivative},
			[]Series{us("a", Point{60, -17}), us("b", Point{60, -4}, Point{120, 6})}},
		"grouped": {Query{Resolution: 60, Function: Mean, Grouping: &Grouping{By: []string{"region"}, Function: Sum}}, []Series{
			{Tags: tagsOf("region=eu"), Points: []Point{{60, 3}}},
			{Tags: tagsOf("region=us"), Points: []Point{{0, 24}, {60, 6.5}, {120, 10}}},
		}},
		"without the tag": {Query{Resolution: 60, Function: Mean, Grouping: &Grouping{By: []string{"host", "region"}, Function: Mean}}, []Series{
			us("a", Point{0, 20}, Point{60, 2.5}), us("b", Point{0, 4}, Point{60, 4}, Point{120, 10}),
		}},
		"means of means": {Query{Resolution: 60, Function: Mean, Grouping: &Grouping{Function: Mean}},
			[]Series{{Tags: all, Points: []Point{{0, 12}, {60, 9.5 / 3}, {120, 10}}}}},
		"the least":    {Query{Resolution: 60, Function: Sum, Grouping: &Grouping{Function: Min}}, []Series{{Tags: all, Points: []Point{{0, 12}, {60, 4}, {120, 10}}}}},
		"the greatest": {Query{Resolution: 60, Function: Sum, Grouping: &Grouping{Function: Max}}, []Series{{Tags: all, Points: []Point{{0, 20}, {60, 6}, {120, 10}}}}},
		"with one that is unknown": {Query{Resolution: 60, Function: Stddev, Grouping: &Grouping{Function: Max}},
			[]Series{{Tags: all, Points: []Point{{0, math.Sqrt(26. / 3)}, {60, nan}, {120, 0}}}}},
		"nothing": {Query{Resolution: 60, From: 180, Function: Sum}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := New(c.query)
			for _, s := range streams {
				b.Add(s)
			}
			got, next := b.Series(180, 100)
			if next != 180 {
				t.Errorf("points before %d are shown", next)
			}
			if diff := cmp.Diff(c.want, got, equal); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Cells longer than a piece come in every piece that they touch.
func TestCellsThatComeAgain(t *testing.T) {
	b := New(Query{Resolution: 10, Function: Sum})
	b.Add(streamOf("", at(0, 1), at(20, 2)))
	b.Add(streamOf("", at(0, 1), at(20, 2), at(30, 3)))
	got, _ := b.Series(40, 10)
	if len(got) != 1 || !cmp.Equal(got[0].Points, []Point{{0, 1}, {20, 2}, {30, 3}}) {
		t.Error(got)
	}
}

func TestPages(t *testing.T) {
	streams := []query.Stream{
		streamOf("a=1", at(0, 1), at(10, 1), at(20, 1), at(50, 1)),
		streamOf("a=2", at(10, 2), at(20, 2), at(30, 2)),
		streamOf("a=3", at(10, 3)),
	}
	for name, c := range map[string]struct {
		until  int64
		limit  int
		next   int64
		points []int // of each series
	}{
		"all":                       {60, 8, 60, []int{4, 3, 1}},
		"one too many":              {60, 7, 50, []int{3, 3, 1}},
		"times stay whole":          {60, 5, 20, []int{2, 1, 1}},
		"a time with too many":      {60, 1, 10, []int{1}},
		"before all is there":       {20, 100, 20, []int{2, 1, 1}},
		"before all is there, less": {20, 3, 10, []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			b := New(Query{Resolution: 10, Function: All})
			for _, s := range streams {
				b.Add(s)
			}
			if b.Points() != 8 {
				t.Errorf("%d points", b.Points())
			}
			got, next := b.Series(c.until, c.limit)
			var points []int
			for _, s := range got {
				points = append(points, len(s.Points))
				if len(s.Cells) != len(s.Points) {
					t.Errorf("%d cells of %d points", len(s.Cells), len(s.Points))
				}
			}
			if next != c.next || !cmp.Equal(points, c.points) {
				t.Errorf("%v before %d, want %v before %d", points, next, c.points, c.next)
			}
		})
	}
	b := New(Query{Resolution: 10, From: 10, Function: Sum})
	for _, s := range streams {
		b.Add(s)
	}
	if got, next := b.Series(60, 1); len(got) != 3 || next != 20 {
		t.Errorf("%v before %d; want what the first time has, though that is too much", got, next)
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Function{
		"sum": Sum, "min": Min, "max": Max, "count": Count, "mean": Mean, "derivative": Derivative, "stddev": Stddev, "all": All,
	} {
		if got, err := ParseFunction(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		_, err := ParseGroupFunction(text)
		if combines := want == Sum || want == Min || want == Max || want == Mean; (err == nil) != combines {
			t.Errorf("to group by %s: %v", text, err)
		}
	}
	for _, text := range []string{"", "average", "Sum", "increase"} {
		if _, err := ParseFunction(text); err == nil {
			t.Errorf("%q is a function", text)
		}
	}
	for text, want := range map[string][]string{"*": nil, "region": {"region"}, "Region, host,region": {"region", "host"}} {
		if got, err := ParseGrouping(text); err != nil || !cmp.Equal(got.By, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "a,", "*,a", "a b", "a=b", long(65)} {
		if _, err := ParseGrouping(text); err == nil {
			t.Errorf("%q is a grouping", text)
		}
	}
}
