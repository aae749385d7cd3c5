package archive

import (
	"cmp"
	"context"
	"slices"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

// pick sorts cells of one series, of several steps, by start, and leaves out those
// that others tell in more detail: a stretch of time is counted once, by its finest
// cells.
func pick(cells []store.Cell) []store.Cell {
	if len(cells) < 2 {
		return cells
	}
	sortByStart(cells)
	at := len(cells)
	next := int64(forever) // start of the earliest cell taken
	for i := len(cells) - 1; i >= 0; i-- {
		if c := cells[i]; c.Start+c.Step <= next {
			at--
			cells[at], next = c, c.Start
		}
	}
	return cells[at:]
}

// overlapping calls each with cells that overlap an earlier one, all of which it sorts
// by start. That is where a series has changed to a period that does not divide a step:
// a cell of that step is then of a part of its time only, and pick would lose one or
// the other. It takes finer cells to see.
func overlapping(cells []store.Cell, each func(c store.Cell)) {
	if len(cells) < 2 {
		return
	}
	sortByStart(cells)
	end := int64(always)
	for _, c := range cells {
		if c.Start < end {
			each(c)
		}
		end = max(end, c.Start+c.Step)
	}
}

func sortByStart(cells []store.Cell) {
	slices.SortFunc(cells, func(x, y store.Cell) int {
		return cmp.Or(cmp.Compare(x.Start, y.Start), cmp.Compare(y.Step, x.Step))
	})
}

// overlay replaces those of cells that c replaces, or adds it.
func overlay(cells []store.Cell, c store.Cell) []store.Cell {
	for i := range cells {
		if cells[i].Step == c.Step && cells[i].Start == c.Start {
			cells[i] = c
			return cells
		}
	}
	return append(cells, c)
}

// fetchFiner reads what buckets of window i are made of, in all detail that is there
// yet: what has been expired in part is left out.
func (a *Archive) fetchFiner(ctx context.Context, v *view, i int, names func(i int) string, places []place, each func(p place, c store.Cell)) error {
	for _, s := range a.chain.finer(i, v.native) {
		gone := v.goneBefore(s)
		err := a.fetch(ctx, names, places, s, a.chain.windows[i].Step, func(p place, c store.Cell) {
			if c.Start >= gone {
				each(p, c)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// merger merges cells.
type merger struct {
	cell   cell.Cell
	values *cell.Values
	any    bool
	buf    []byte
	arena  arena
	bad    int64 // cells that could not be read
	why    error
}

// add merges the cell of b. One that cannot be read is passed over.
func (m *merger) add(b []byte) {
	c, v, _, err := cell.Decode(b)
	if err != nil {
		m.bad++
		m.why = err
		return
	}
	m.any = true
	m.cell.Merge(&c)
	if m.values == nil {
		m.values = v
	} else {
		m.values.Merge(v)
	}
}

// take returns what was added since the last call, nil if that is nothing.
func (m *merger) take() []byte {
	if !m.any {
		return nil
	}
	m.buf = cell.AppendBinary(m.buf[:0], &m.cell, m.values)
	m.cell, m.values, m.any = cell.Cell{}, nil, false
	return m.arena.add(m.buf)
}

// unreadable counts cells that the store has damaged.
func (a *Archive) unreadable(n int64, err error) {
	if n == 0 {
		return
	}
	a.mu.Lock()
	first := a.stats.Damaged == 0
	a.stats.Damaged += n
	a.mu.Unlock()
	if first {
		a.cfg.Logger.Error("the store holds cells that cannot be read; they are passed over", "err", err)
	}
}

// place is a bucket of one of some series.
type place struct {
	i     int // which of them
	start int64
}

func comparePlaces(x, y place) int {
	return cmp.Or(cmp.Compare(x.start, y.start), cmp.Compare(x.i, y.i))
}

// group is places that are read together: those of is from lo to hi.
type group struct {
	is     []int
	lo, hi int64
}

// cluster gathers places of buckets of some width into few reads that do not bring
// much more than is asked for. It sorts places.
func cluster(places []place, width int64) (groups []group) {
	slices.SortFunc(places, comparePlaces)
	in := make(map[int]bool) // is of the last group
	wanted := 0              // places in it
	for len(places) > 0 {
		start := places[0].start
		n, more := 0, 0
		for n < len(places) && places[n].start == start {
			if !in[places[n].i] {
				more++
			}
			n++
		}
		last := len(groups) - 1
		if last < 0 || int64(len(in)+more)*((start-groups[last].lo)/width+1) > int64(2*(wanted+n)+16) {
			groups = append(groups, group{lo: start})
			clear(in)
			wanted = 0
			last++
		}
		g := &groups[last]
		g.hi = start + width
		for _, p := range places[:n] {
			if !in[p.i] {
				in[p.i] = true
				g.is = append(g.is, p.i)
			}
		}
		wanted += n
		places = places[n:]
	}
	return groups
}

// fetch reads the cells of a step in buckets of some width, and calls each with the
// bucket that a cell is in. It sorts places.
func (a *Archive) fetch(ctx context.Context, names func(i int) string, places []place, step, width int64, each func(p place, c store.Cell)) error {
	wanted := make(map[place]bool, len(places))
	for _, p := range places {
		wanted[p] = true
	}
	var batch []string
	for _, g := range cluster(places, width) {
		batch = batch[:0]
		for _, i := range g.is {
			batch = append(batch, names(i))
		}
		err := a.cfg.Store.Read(ctx, batch, step, g.lo, g.hi, func(n int, c store.Cell) error {
			if p := (place{g.is[n], floor(c.Start, width)}); wanted[p] {
				each(p, c)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
