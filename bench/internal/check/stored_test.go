package check

import (
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/bench/internal/load"
	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
	cells "github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
	"github.com/coalesce-metrics/coalesce/store/memory"
)

// rightStore returns what has to be written of what was sent: the outputs' cells first.
func rightStore(w *workload.Workload, sent *load.Sent) store.Write {
	type key struct {
		name  string
		start int64
	}
	outputs, metrics := map[key]*cells.Cell{}, map[key]*cells.Cell{}
	add := func(to map[key]*cells.Cell, k key, v float64) {
		if to[k] == nil {
			to[k] = new(cells.Cell)
		}
		to[k].Add(v, float64(k.start))
	}
	sent.EachLine(func(bucket int64, i int, times int64) {
		for range times {
			add(outputs, key{string(w.AppendOutput(nil, w.Output(i))), bucket}, w.Value(i))
			add(metrics, key{string(w.AppendMetric(nil, w.Metric(i))), bucket - bucket%int64(w.Keep)}, w.Value(i))
		}
	})
	var all store.Write
	index := map[string]int{}
	write := func(from map[key]*cells.Cell, step int64, input bool) {
		for k, c := range from {
			at, ok := index[k.name]
			if !ok {
				at = len(all.Series)
				index[k.name] = at
				all.Series = append(all.Series, store.SeriesCells{Series: store.Series{Name: k.name, Period: step, Input: input}})
			}
			all.Series[at].Cells = append(all.Series[at].Cells, store.Cell{Step: step, Start: k.start, Data: cells.AppendBinary(nil, c, nil)})
		}
	}
	write(outputs, 5, false)
	write(metrics, int64(w.Keep), true)
	return all
}

func TestJudgeStore(t *testing.T) {
	w := &workload.Workload{Name: "T", Tails: 3, Apps: 4, Servers: 5, Variants: 1, Rules: 3, Method: "sum", Store: true, Keep: 10}
	sent := send(t, w, 1000)
	e := Expect(w, "sum", sent)
	other := cells.AppendBinary(nil, &cells.Cell{Count: 1, Sum: 1}, nil)
	tests := map[string]struct {
		spoil func(*store.Write)
		want  string
	}{
		"right": {func(*store.Write) {}, ""},
		"window": {func(w *store.Write) { // of the step of the metrics
			s := &w.Series[0]
			s.Cells = append(s.Cells, store.Cell{Step: 10, Start: s.Cells[0].Start / 10 * 10, Data: other})
		}, ""},
		"an output's cell is missing": {func(w *store.Write) { w.Series = w.Series[1:] }, "is missing"},
		"an output's cell is another": {func(w *store.Write) { w.Series[0].Cells[0].Data = other }, "1 datapoints with a sum of 1, want"},
		"an output's cell is damaged": {func(w *store.Write) { w.Series[0].Cells[0].Data = []byte("x") }, "cell: "},
		"an unknown output":           {func(w *store.Write) { w.Series[0].Series.Name = "x" }, "nothing was sent into this bucket"},
		"another bucket": {func(w *store.Write) {
			w.Series[0].Cells = append(w.Series[0].Cells, store.Cell{Step: 5, Start: 5, Data: other})
		}, "nothing was sent into this bucket"},
		"a metric is missing":        {func(w *store.Write) { w.Series = w.Series[:len(w.Series)-1] }, "metrics at "},
		"a metric's bucket too many": {func(w *store.Write) { w.Series[len(w.Series)-1].Cells[0].Start = 10 }, "metrics at "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := memory.New(memory.Options{})
			defer s.Close()
			written := rightStore(w, sent)
			tt.spoil(&written)
			if err := s.Write(t.Context(), written); err != nil {
				t.Fatal(err)
			}
			n, problem, err := e.JudgeStore(t.Context(), s, 5)
			if err != nil || n == 0 || tt.want == "" && problem != "" || !strings.Contains(problem, tt.want) {
				t.Errorf("%d cells, %q, %v; want %q", n, problem, err, tt.want)
			}
		})
	}
}
