// Package memory keeps a store in memory, for a daemon without a data directory and
// for tests.
package memory

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/coalesce-metrics/coalesce/store"
)

// Options are what may be chosen. The zero value is a sensible choice.
type Options struct {
	// MaxBytes bounds what is held, in bytes; 0 is 256 MiB. A batch that does not
	// fit is refused with store.ErrFull.
	MaxBytes int64
}

const defaultBytes = 256 << 20

// What the things held take beside their bytes, roughly.
const (
	cellOverhead   = 64
	seriesOverhead = 320
	metaOverhead   = 64
)

// Store is a store.Store in memory. It keeps the names and data that it is given,
// and gives out the same.
type Store struct {
	max  int64
	gate store.Gate

	mu     sync.RWMutex // guards what follows
	series map[string]*entry
	tiers  map[int64][]*slice // by step; slices ascend
	meta   map[string]string
	bytes  int64
	// dropped are series that nobody finds any more, and whose cells are here yet.
	dropped []*entry
}

// entry is a series.
type entry struct{ series store.Series }

// slice is what expires at once.
type slice struct {
	start int64
	// runs are the cells of each series, ascending. What a run holds is never
	// changed, so that a reader can go on without the lock; it is only appended
	// to or replaced.
	runs map[*entry][]store.Cell
}

// New returns an empty store.
func New(opts Options) *Store {
	s := &Store{
		max:    opts.MaxBytes,
		series: map[string]*entry{},
		tiers:  map[int64][]*slice{},
		meta:   map[string]string{},
	}
	if s.max <= 0 {
		s.max = defaultBytes
	}
	return s
}

// Close implements store.Store. What the store held is gone.
func (s *Store) Close() error {
	if s.gate.Close() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.series, s.tiers, s.meta, s.bytes, s.dropped = nil, nil, nil, 0, nil
	}
	return nil
}

// Stats implements store.Store. Bytes is an estimate.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	if err := s.gate.Enter(); err != nil {
		return store.Stats{}, err
	}
	defer s.gate.Leave()
	s.mu.RLock()
	defer s.mu.RUnlock()
	stats := store.Stats{Series: int64(len(s.series)), Bytes: s.bytes}
	for _, tier := range s.tiers {
		stats.Slices += int64(len(tier))
	}
	return stats, ctx.Err()
}

// Write implements store.Store.
func (s *Store) Write(ctx context.Context, w store.Write) error {
	if err := store.Check(&w); err != nil {
		return err
	}
	if err := s.gate.Enter(); err != nil {
		return err
	}
	defer s.gate.Leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	sorted := make([][]store.Cell, len(w.Series))
	for i := range w.Series {
		sorted[i] = ascending(w.Series[i].Cells)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	more := s.growth(&w, sorted)
	if more > 0 && s.bytes+more > s.max {
		return fmt.Errorf("store in memory: %w: %d bytes are held and %d would be added, of %d", store.ErrFull, s.bytes, more, s.max)
	}
	s.bytes += more
	for i := range w.Series {
		s.put(&w.Series[i], sorted[i])
	}
	maps.Copy(s.meta, w.Meta)
	return nil
}

// ascending returns cells ordered by step and start: themselves, if they are.
func ascending(cells []store.Cell) []store.Cell {
	if !slices.IsSortedFunc(cells, compare) {
		cells = slices.Clone(cells)
		slices.SortFunc(cells, compare)
	}
	return cells
}

func compare(a, b store.Cell) int {
	if a.Step != b.Step {
		return int(max(min(a.Step-b.Step, 1), -1))
	}
	return int(max(min(a.Start-b.Start, 1), -1))
}

// growth returns by how many bytes a batch makes the store larger.
func (s *Store) growth(w *store.Write, sorted [][]store.Cell) (more int64) {
	for i := range w.Series {
		e := s.series[w.Series[i].Series.Name]
		if e == nil {
			more += sizeOfSeries(w.Series[i].Series.Name)
		}
		for start, cells := range perSlice(sorted[i]) {
			more += size(cells)
			if e == nil {
				continue
			}
			if sl := s.slice(cells[0].Step, start); sl != nil {
				run := sl.runs[e]
				for _, c := range cells {
					if k, ok := find(run, c.Start); ok {
						more -= size(run[k : k+1])
					}
				}
			}
		}
	}
	for key, value := range w.Meta {
		more += int64(len(value))
		if old, ok := s.meta[key]; ok {
			more -= int64(len(old))
		} else {
			more += int64(len(key)) + metaOverhead
		}
	}
	return more
}

func size(cells []store.Cell) (n int64) {
	for i := range cells {
		n += cellOverhead + int64(len(cells[i].Data))
	}
	return n
}

func sizeOfSeries(name string) int64 { return seriesOverhead + int64(len(name)) }

// perSlice yields the parts of sorted cells that go to one slice each, with its start.
func perSlice(cells []store.Cell) iter.Seq2[int64, []store.Cell] {
	return func(yield func(int64, []store.Cell) bool) {
		for len(cells) > 0 {
			step, start := cells[0].Step, store.SliceStart(cells[0].Step, cells[0].Start)
			n := 1
			for n < len(cells) && cells[n].Step == step && store.SliceStart(step, cells[n].Start) == start {
				n++
			}
			if !yield(start, cells[:n]) {
				return
			}
			cells = cells[n:]
		}
	}
}

// find returns where in a run a start is, or would be.
func find(run []store.Cell, start int64) (int, bool) {
	return slices.BinarySearchFunc(run, start, func(c store.Cell, start int64) int {
		return int(max(min(c.Start-start, 1), -1))
	})
}

// slice returns the slice of a step with a start, nil if there is none.
func (s *Store) slice(step, start int64) *slice {
	tier := s.tiers[step]
	if i, ok := slices.BinarySearchFunc(tier, start, byStart); ok {
		return tier[i]
	}
	return nil
}

func byStart(sl *slice, start int64) int { return int(max(min(sl.start-start, 1), -1)) }

// put writes one series with its cells.
func (s *Store) put(w *store.SeriesCells, cells []store.Cell) {
	e := s.series[w.Series.Name]
	if e == nil {
		e = &entry{w.Series}
		s.series[w.Series.Name] = e
	}
	before := e.series
	e.series = w.Series
	e.series.Seen = max(before.Seen, w.Series.Seen)
	e.series.Period, e.series.Periods = store.Renewed(before.Period, before.Periods, w)
	for start, cells := range perSlice(cells) {
		step := cells[0].Step
		tier := s.tiers[step]
		i, ok := slices.BinarySearchFunc(tier, start, byStart)
		if !ok {
			tier = slices.Insert(tier, i, &slice{start: start, runs: map[*entry][]store.Cell{}})
			s.tiers[step] = tier
		}
		tier[i].runs[e] = merge(tier[i].runs[e], cells)
	}
}

// merge returns the cells of both, of equal starts those of cells. It does not
// change what run holds, but may use the room behind it.
func merge(run, cells []store.Cell) []store.Cell {
	if len(run) == 0 || run[len(run)-1].Start < cells[0].Start {
		return append(run, cells...)
	}
	both := make([]store.Cell, 0, len(run)+len(cells))
	for len(run) > 0 && len(cells) > 0 {
		switch {
		case run[0].Start < cells[0].Start:
			both, run = append(both, run[0]), run[1:]
		case run[0].Start == cells[0].Start:
			run = run[1:]
		default:
			both, cells = append(both, cells[0]), cells[1:]
		}
	}
	return append(append(both, run...), cells...)
}
