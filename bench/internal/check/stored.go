package check

import (
	"context"
	"fmt"
	"math"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

// JudgeStore compares the cells of a store with the expectation: each bucket of each
// output, and where metrics are kept, what all of them have together in each bucket.
// It returns how many cells it has compared, and the first thing that is wrong.
func (e *Expected) JudgeStore(ctx context.Context, s store.Store, period int64) (cells int64, problem string, err error) {
	j := storeJudge{e: e, outputs: make(map[string]int, e.w.Outputs()), found: map[int64]map[int]bool{}}
	for o := range e.w.Outputs() {
		j.outputs[string(e.w.AppendOutput(nil, o))] = o
	}
	if err := s.Scan(ctx, period, math.MinInt64, math.MaxInt64, j.output); err != nil {
		return 0, "", err
	}
	j.complete()
	if keep := int64(e.w.Keep); keep > 0 {
		if err := j.metrics(ctx, s, keep); err != nil {
			return 0, "", err
		}
	}
	return j.cells, j.problem, nil
}

type storeJudge struct {
	e       *Expected
	outputs map[string]int         // by name
	found   map[int64]map[int]bool // by bucket, then output
	cells   int64
	problem string
}

func (j *storeJudge) wrong(format string, args ...any) {
	if j.problem == "" {
		j.problem = fmt.Sprintf(format, args...)
	}
}

// output looks at a cell of the outputs' period.
func (j *storeJudge) output(s *store.Series, c store.Cell) error {
	if s.Input {
		return nil
	}
	j.cells++
	got, _, _, err := cell.Decode(c.Data)
	o, known := j.outputs[s.Name]
	switch {
	case err != nil:
		j.wrong("%s %d: %v", s.Name, c.Start, err)
		return nil
	case !known || j.e.buckets[c.Start] == nil:
		j.wrong("%s %d: nothing was sent into this bucket", s.Name, c.Start)
		return nil
	}
	want := j.e.buckets[c.Start][o]
	if got.Count != want.count || got.Sum != want.sum {
		j.wrong("%s %d: %d datapoints with a sum of %v, want %d with %v", s.Name, c.Start, got.Count, got.Sum, want.count, want.sum)
	}
	if j.found[c.Start] == nil {
		j.found[c.Start] = map[int]bool{}
	}
	j.found[c.Start][o] = true
	return nil
}

// complete finds out whether a cell is missing.
func (j *storeJudge) complete() {
	for bucket, cells := range j.e.buckets {
		for o, c := range cells {
			if c.count > 0 && !j.found[bucket][o] {
				j.wrong("%s %d is missing", j.e.w.AppendOutput(nil, o), bucket)
			}
		}
	}
}

// metrics compares the sums of the cells of all metrics, whose period is a multiple of
// the outputs'.
func (j *storeJudge) metrics(ctx context.Context, s store.Store, keep int64) error {
	var want, got = map[int64]cell.Cell{}, map[int64]cell.Cell{}
	for bucket, cells := range j.e.buckets {
		at := bucket - bucket%keep
		sum := want[at]
		for _, c := range cells {
			sum.Count, sum.Sum = sum.Count+c.count, sum.Sum+c.sum
		}
		want[at] = sum
	}
	err := s.Scan(ctx, keep, math.MinInt64, math.MaxInt64, func(s *store.Series, c store.Cell) error {
		if !s.Input {
			return nil // the outputs in a window of this step
		}
		j.cells++
		x, _, _, err := cell.Decode(c.Data)
		if err != nil {
			j.wrong("%s %d: %v", s.Name, c.Start, err)
		}
		sum := got[c.Start]
		sum.Count, sum.Sum = sum.Count+x.Count, sum.Sum+x.Sum
		got[c.Start] = sum
		return nil
	})
	for at, x := range want {
		if y := got[at]; y != x {
			j.wrong("metrics at %d: %d datapoints with a sum of %v, want %d with %v", at, y.Count, y.Sum, x.Count, x.Sum)
		}
		delete(got, at)
	}
	for at := range got {
		j.wrong("metrics at %d: nothing was sent into this bucket", at)
	}
	return err
}
