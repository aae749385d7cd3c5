package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

// PartialError says that the store could not be read: what was returned with it is
// what memory has.
type PartialError struct{ Err error }

func (e *PartialError) Error() string {
	return fmt.Sprintf("the store cannot be read, only what is in memory: %v", e.Err)
}

// Unwrap returns the error of the store.
func (e *PartialError) Unwrap() error { return e.Err }

// partial returns the error that goes with what memory has.
func partial(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	return &PartialError{err}
}

// stratum is one of the layers of a read: the cells of step with from <= start < until.
type stratum struct{ step, from, until int64 }

// Cells returns for each name the buckets of a step with from <= Start < until,
// ascending, as far as they are within the retention of the step: the longest that a
// series has there, see Tiers. Where a window is not rolled up yet, or will be again,
// there are in place of its bucket the finer ones that it will be made of, which have
// a Step of their own: Start rounded down to step says where they belong. No stretch
// of time is there twice. The result is the caller's.
//
// What is late, see Covers, is to be read after the next write cycle. When the store
// fails, what memory has is returned with a [PartialError].
func (a *Archive) Cells(ctx context.Context, names []string, step, from, until int64) ([][]Bucket, error) {
	if step <= 0 {
		return nil, fmt.Errorf("archive: step %d, expected more than 0", step)
	}
	err := a.learn(ctx)
	for {
		v := a.view.Load()
		r := a.newReader(v, names, step, from, until)
		if err == nil {
			if err = r.read(ctx); err != nil {
				clear(r.own)
				clear(r.finer)
			}
		}
		if err == nil && a.overtaken(v, r) {
			continue
		}
		return r.result(), partial(ctx, err)
	}
}

// overtaken tells whether cells that were to be read may have been expired since.
func (a *Archive) overtaken(v *view, r *reader) bool {
	now := a.view.Load()
	if now == v {
		return false
	}
	for _, s := range r.strata[1:] {
		if gone := now.goneBefore(s.step); gone > s.from && gone > v.goneBefore(s.step) {
			return true
		}
	}
	return false
}

// reader is one call of Cells.
type reader struct {
	a      *Archive
	v      *view
	names  []string
	step   int64
	strata []stratum // the first is what was asked for, the others what it is not made of yet
	// By name: what the store has of the step, ascending; what it has of finer ones;
	// what memory has of all.
	own, finer, pending [][]store.Cell
	// again are, by window, the rolled buckets that pending cells change.
	again [][]place
}

func (a *Archive) newReader(v *view, names []string, step, from, until int64) *reader {
	from, until = store.Clamp(from, until)
	oldest := int64(math.Floor(a.cfg.Now())) - a.retention(v, step)
	from = max(ceil(from, step), floor(oldest, step))
	until = max(ceil(until, step), from)
	n := len(names)
	r := &reader{a: a, v: v, names: names, step: step,
		own: make([][]store.Cell, n), finer: make([][]store.Cell, n), pending: make([][]store.Cell, n)}
	r.strata = append(r.strata, stratum{step, from, until})
	if i := a.chain.index(step); i >= 0 {
		r.descend(i, from, until)
	}
	r.remember(from, until)
	return r
}

// descend adds the strata that window i will be made of from its mark on.
func (r *reader) descend(i int, from, until int64) {
	if r.v.learned {
		from = max(from, r.v.marks[i])
	}
	if from >= until {
		return
	}
	for _, s := range r.a.chain.sources(i, r.v.native) {
		r.strata = append(r.strata, stratum{s, from, until})
		if k := r.a.chain.index(s); k >= 0 {
			r.descend(k, from, until)
		}
	}
}

// remember takes from what is pending the cells of the step and those that such
// cells will be made of.
func (r *reader) remember(from, until int64) {
	const some = 256 // names, between which Keep gets its turn
	a := r.a
	window := a.chain.index(r.step)
	for n := 0; n < len(r.names); n += some {
		a.mu.Lock()
		for i := n; i < min(n+some, len(r.names)); i++ {
			e := a.pending.entries[r.names[i]]
			if e == nil {
				continue
			}
			for k := range e.cells {
				c := &e.cells[k]
				finer := c.step < r.step && r.step%c.step == 0 && window >= 0
				if c.start < from || c.start >= until || c.step != r.step && !finer {
					continue
				}
				if finer && floor(c.start, a.chain.unit(c.step)) < r.v.goneBefore(c.step) {
					continue // it will not be kept
				}
				r.pending[i] = append(r.pending[i], store.Cell{Step: c.step, Start: c.start, Data: c.data})
				if finer && r.v.learned {
					r.remake(i, c, window)
				}
			}
		}
		a.mu.Unlock()
	}
	for i, places := range r.again {
		slices.SortFunc(places, comparePlaces)
		r.again[i] = slices.Compact(places)
	}
}

// remake notes that a pending cell of name i will have buckets made again, up to those
// of window k.
func (r *reader) remake(i int, c *pcell, k int) {
	for ; k >= 0; k-- {
		w := &r.a.chain.windows[k]
		if w.Step <= c.step || w.Step%c.step != 0 {
			return
		}
		if c.start < r.v.marks[k] {
			if r.again == nil {
				r.again = make([][]place, len(r.a.chain.windows))
			}
			r.again[k] = append(r.again[k], place{i, floor(c.start, w.Step)})
			return // in which all finer ones are
		}
	}
}

// read reads the store.
func (r *reader) read(ctx context.Context) error {
	into := r.own
	for _, s := range r.strata {
		if s.from >= s.until {
			return nil // and so is all that is finer
		}
		err := r.a.cfg.Store.Read(ctx, r.names, s.step, s.from, s.until, func(i int, c store.Cell) error {
			into[i] = append(into[i], c)
			return nil
		})
		if err != nil {
			return err
		}
		into = r.finer
	}
	for k, places := range r.again {
		if err := r.readFiner(ctx, k, places); err != nil {
			return err
		}
	}
	if len(r.strata) < 3 {
		return nil
	}
	k := r.a.chain.index(r.step)
	var deep []place
	for i := range r.names {
		finer := latest(slices.Concat(r.finer[i], r.pending[i]))
		finer = slices.DeleteFunc(finer, func(c store.Cell) bool { return c.Step == r.step })
		overlapping(finer, func(c store.Cell) { deep = append(deep, place{i, floor(c.Start, r.step)}) })
	}
	slices.SortFunc(deep, comparePlaces)
	return r.readFiner(ctx, k, slices.Compact(deep))
}

// readFiner reads what buckets of window k are made of, in all detail.
func (r *reader) readFiner(ctx context.Context, k int, places []place) error {
	if len(places) == 0 {
		return nil
	}
	name := func(i int) string { return r.names[i] }
	return r.a.fetchFiner(ctx, r.v, k, name, places, func(p place, c store.Cell) {
		r.finer[p.i] = append(r.finer[p.i], c)
	})
}

// result merges what was read with what is pending.
func (r *reader) result() [][]Bucket {
	out := make([][]Bucket, len(r.names))
	var bad int64
	var why error
	for i := range out {
		cells := r.merged(i)
		if len(cells) == 0 {
			continue
		}
		out[i] = make([]Bucket, 0, len(cells))
		for _, c := range cells {
			if b, err := decode(c); err != nil {
				bad++
				why = err
			} else if b.Cell.Count > 0 {
				out[i] = append(out[i], b)
			}
		}
	}
	r.a.unreadable(bad, why)
	return out
}

// merged returns the cells of a name, each stretch of time once.
func (r *reader) merged(i int) []store.Cell {
	own := r.own[i]
	more := slices.Concat(r.finer[i], r.pending[i])
	if len(more) == 0 {
		return own
	}
	first := slices.MinFunc(more, func(x, y store.Cell) int { return cmp.Compare(x.Start, y.Start) })
	k, _ := slices.BinarySearchFunc(own, floor(first.Start, r.step), func(c store.Cell, t int64) int { return cmp.Compare(c.Start, t) })
	return append(own[:k:k], pick(latest(slices.Concat(own[k:], more)))...)
}

// latest sorts cells by step and start and leaves out those that stand before another
// of the same step and start.
func latest(cells []store.Cell) []store.Cell {
	same := func(x, y store.Cell) int {
		return cmp.Or(cmp.Compare(x.Step, y.Step), cmp.Compare(x.Start, y.Start))
	}
	slices.SortStableFunc(cells, same)
	n := 0
	for i, c := range cells {
		if i+1 < len(cells) && same(c, cells[i+1]) == 0 {
			continue
		}
		cells[n] = c
		n++
	}
	return cells[:n]
}

func decode(c store.Cell) (b Bucket, err error) {
	b = Bucket{Start: c.Start, Step: c.Step}
	b.Cell, b.Values, _, err = cell.Decode(c.Data)
	return b, err
}
