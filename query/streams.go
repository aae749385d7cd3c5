package query

import (
	"context"
	"slices"
	"strings"

	"github.com/coalesce-metrics/coalesce/archive"
)

// Stream is the cells of one series. The caller owns it.
type Stream struct {
	Name string
	// Tags are those of the name, without "name".
	Tags map[string]string
	Step int64 // of the cells at most, in seconds
	// Cells ascend. Some may be shorter than Step, where longer ones are not made
	// yet, but none overlap.
	Cells []archive.Bucket
}

// Streams returns all series whose name, without its tags, is metric, by name,
// with the cells that start at or after from and before until, and whether there
// is such a series at all. from is aligned down to the step. A step of 0 is for
// each series the finest that is kept since from; otherwise cells of periods that do
// not fit into the step are left out. What is wrong with the request is an *[Error].
func (e *Engine) Streams(ctx context.Context, metric string, step, from, until int64) (streams []Stream, known bool, err error) {
	s, err := e.Select(ctx, metric, Pick{})
	if err != nil {
		return nil, true, err
	}
	defer s.Close()
	choose := func(period int64) int64 {
		switch {
		case step == 0:
			return s.finest(period, from)
		case step%period != 0:
			return 0
		}
		return step
	}
	if err := s.Cells(choose, from, until, func(x Stream) { streams = append(streams, x) }); err != nil {
		return nil, true, err
	}
	slices.SortFunc(streams, func(x, y Stream) int { return strings.Compare(x.Name, y.Name) })
	return streams, s.Known, nil
}

// Merge returns the cells of streams in buckets of step seconds, ascending.
func Merge(step int64, streams ...Stream) []archive.Bucket {
	var all []archive.Bucket
	for _, s := range streams {
		all = append(all, s.Cells...)
	}
	for i := range all {
		all[i].Start -= mod(all[i].Start, step)
	}
	slices.SortStableFunc(all, func(x, y archive.Bucket) int {
		switch {
		case x.Start < y.Start:
			return -1
		case x.Start > y.Start:
			return 1
		}
		return 0
	})
	merged := all[:0]
	for i := 0; i < len(all); {
		first := i
		for i++; i < len(all) && all[i].Start == all[first].Start; i++ {
		}
		c, v := merge(all[first:i])
		merged = append(merged, archive.Bucket{Start: all[first].Start, Step: step, Cell: c, Values: v})
	}
	return merged
}

// mod is the rest that is never negative.
func mod(x, y int64) int64 { return ((x % y) + y) % y }
