package views

import (
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/rules"
)

// modelRow is what the model of a view has of a row.
type modelRow struct {
	n          int64
	sum        float64
	lo, hi     float64
	last, when float64
	counts     []int64
	rough      bool
}

// modelView is a view that keeps what comes in the plainest way.
type modelView struct {
	def  Definition
	rows map[string]*modelRow // by the values of the columns
}

// take counts n values with a sum.
func (v *modelView) take(measure string, tags map[string]string, n int64, sum, lo, hi, last, at float64) {
	if measure != v.def.Measure {
		return
	}
	var values []string
	for _, c := range slices.Sorted(slices.Values(v.def.Columns)) {
		values = append(values, tags[c])
	}
	key := strings.Join(values, ",")
	r := v.rows[key]
	if r == nil {
		r = &modelRow{lo: math.Inf(1), hi: math.Inf(-1), when: math.Inf(-1), counts: make([]int64, len(v.def.Aggregation.Bounds)+1)}
		v.rows[key] = r
	}
	r.n += n
	r.sum += sum
	r.lo, r.hi = min(r.lo, lo), max(r.hi, hi)
	if at >= r.when {
		r.last, r.when = last, at
	}
	mean := sum / float64(n)
	r.counts[sort.Search(len(v.def.Aggregation.Bounds), func(i int) bool { return mean < v.def.Aggregation.Bounds[i] })] += n
	r.rough = r.rough || n > 1
}

// check compares a view with its model.
func (v *modelView) check(t *testing.T, d Data) {
	t.Helper()
	if len(d.Rows) != len(v.rows) {
		t.Fatalf("%s has %d rows, want %d", v.def.Name, len(d.Rows), len(v.rows))
	}
	for _, r := range d.Rows {
		want := v.rows[strings.Join(r.Values, ",")]
		c := r.Cell
		if want == nil || c.Count != want.n || c.Total() != want.sum || c.Min != want.lo || c.Max != want.hi || c.Last != want.last {
			t.Fatalf("%s %q: %+v, want %+v", v.def.Name, r.Values, c, want)
		}
		if len(v.def.Aggregation.Bounds) > 0 && (!slices.Equal(r.Counts, want.counts) || r.Approximate != want.rough) {
			t.Fatalf("%s %q: %v (approximate %v), want %+v", v.def.Name, r.Values, r.Counts, r.Approximate, want)
		}
	}
}

// What a registry says and sends of an aggregator is what a model says, whatever
// comes and however views come and go meanwhile.
func TestAggregator(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runModel(t, rand.New(rand.NewPCG(seed, 3))) })
	}
}

func runModel(t *testing.T, rng *rand.Rand) {
	now := float64(began)
	agg, err := aggregator.New(aggregator.Config{
		Grace: 5, Keep: 5, Future: 600, OutputIdle: 3600, MaxSeries: 20, MaxOutputs: 10_000, MaxBuckets: 10_000, Lanes: 2, AmendDelay: -1,
		Now: func() float64 { return now }, Emit: func([]aggregator.Row, bool) {}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := agg.Stream(aggregator.Stream{Period: 60, Method: cell.Sum, Emit: true, Grace: 10})
	if err != nil {
		t.Fatal(err)
	}
	sent := map[string]string{}
	b := newBoard(t, func(c *Config) {
		c.MaxRows = 1000
		c.Now = func() time.Time { return time.Unix(int64(now), 0) }
		c.Apply = func(list []*rules.Rule) { agg.SetRules(rules.NewSet(list)) }
		c.Rows = agg.ViewRows
		c.Export.Send = func(lines []byte, _ int, _ bool) {
			for line := range strings.Lines(string(lines)) {
				f := strings.Fields(line)
				sent[f[0]] = f[1]
			}
		}
	})
	models := map[string]*modelView{}
	for i := range 2000 {
		switch n := rng.IntN(100); {
		case n < 4:
			def := viewOf(fmt.Sprint("v", rng.IntN(5)), fmt.Sprint("m", rng.IntN(2)), []string{"", "a", "b,a"}[rng.IntN(3)], Distribution, [][]float64{nil, {4}, {1, 2, 4, 8}}[rng.IntN(3)]...)
			if b.register(def) == "created" {
				models[def.Name] = &modelView{def, map[string]*modelRow{}}
			}
		case n < 6:
			name := fmt.Sprint("v", rng.IntN(5))
			if b.DeleteView(name) == nil {
				delete(models, name)
			}
		case n < 10:
			now += float64(rng.IntN(30))
			agg.Tick()
		case n < 14:
			clear(sent)
			now += 10
			b.report()
			checkSent(t, sent, models)
		default:
			measure := fmt.Sprint("m", rng.IntN(3))
			tags := map[string]string{"host": fmt.Sprint("h", rng.IntN(10))}
			for _, c := range []string{"a", "b"} {
				if rng.IntN(3) > 0 {
					tags[c] = fmt.Sprint(c, rng.IntN(3))
				}
			}
			name := measure
			for _, k := range slices.Sorted(maps.Keys(tags)) {
				name += ";" + k + "=" + tags[k]
			}
			// No two at one time: which is the last of lanes is not said then.
			at, v := now-float64(rng.IntN(100))+float64(i)/1000, float64(rng.IntN(24)-4)/2
			c := cell.Cell{}
			c.Add(v, at)
			if rng.IntN(2) == 0 {
				feedLine(agg, fmt.Sprintf("%s %v %v\n", name, v, at))
			} else {
				for range rng.IntN(4) {
					c.Add(float64(rng.IntN(24)-4)/2, at)
				}
				agg.AddMeasurements([]aggregator.Measurement{{Name: []byte(name), Time: math.Floor(at/60) * 60, Cell: c, Stream: stream}})
			}
			for _, m := range models {
				m.take(measure, tags, c.Count, c.Total(), c.Min, c.Max, c.Last, at)
			}
		}
		for name, m := range models {
			if rng.IntN(20) == 0 {
				d, _ := b.Data(name)
				m.check(t, d)
			}
		}
	}
}

func feedLine(agg *aggregator.Aggregator, line string) {
	buf := append([]byte(line), make([]byte, plaintext.Pad)...)
	batch := plaintext.Batch{Buf: buf}
	var scanner plaintext.Scanner
	scanner.MaxLine = 1000
	scanner.Scan(&batch, 0, len(line))
	l := agg.Acquire()
	l.Add(&batch)
	l.Release()
}

// checkSent compares a report with the models.
func checkSent(t *testing.T, sent map[string]string, models map[string]*modelView) {
	t.Helper()
	total := 0
	for name, m := range models {
		for key, r := range m.rows {
			tags := ""
			for i, column := range slices.Sorted(slices.Values(m.def.Columns)) {
				if value := strings.Split(key, ",")[i]; value != "" {
					tags += ";" + column + "=" + value
				}
			}
			below := int64(0)
			want := map[string]float64{".count" + tags: float64(r.n), ".sum" + tags: r.sum, ".min" + tags: r.lo, ".max" + tags: r.hi, ".mean" + tags: r.sum / float64(r.n)}
			for i, n := range r.counts {
				below += n
				if bounds := m.def.Aggregation.Bounds; i < len(bounds) {
					want[fmt.Sprintf(".bucket%s;le=%v", tags, bounds[i])] = float64(below)
				} else if i > 0 {
					want[".bucket"+tags+";le=+Inf"] = float64(r.n)
				}
			}
			for field, value := range want {
				if got, err := strconv.ParseFloat(sent["p."+name+field], 64); err != nil || got != value {
					t.Fatalf("%s%s is %q, want %v", name, field, sent["p."+name+field], value)
				}
			}
			total += len(want) + 1 // with the deviation
		}
	}
	if len(sent) != total {
		t.Fatalf("%d series were sent, want %d", len(sent), total)
	}
}
