package archive

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coalesce-metrics/coalesce/store"
)

const (
	// Bounds of a batch.
	batchCells = 5000
	batchBytes = 8 << 20

	writeTimeout = time.Minute
	readTimeout  = 5 * time.Minute
)

// batch is pending cells on their way to the store.
type batch struct {
	series  []store.SeriesCells
	entries []*entry // of each of series
	parked  []*entry // those of entries that were taken out of parked
	cells   int
	bytes   int
}

// drain writes what is pending now.
func (a *Archive) drain(ctx context.Context) error {
	a.mu.Lock()
	end := a.pending.queue.end()
	a.mu.Unlock()
	for {
		b := a.take(end)
		if b.cells == 0 {
			return nil
		}
		refused, err := a.writeBatch(ctx, b)
		a.settle(b, refused, err)
		if err != nil {
			return err
		}
	}
}

// take marks some pending cells as flying: the oldest ones, with all others of their
// series.
func (a *Archive) take(end uint64) *batch {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := new(batch)
	p := &a.pending
	now := a.cfg.Now()
	var wait []item
	for n, it := range p.parked {
		if b.full() {
			wait = append(wait, p.parked[n:]...)
			break
		}
		switch a.takeSeries(b, it, now) {
		case taken:
			b.parked = append(b.parked, it.e)
		case notYet:
			wait = append(wait, it)
		}
	}
	p.parked = wait
	q := &p.queue
	q.taken = q.head
	if a.journal != nil && !a.journal.failing {
		end = min(end, q.journaled)
	}
	for q.taken < end && !b.full() {
		it := q.at(q.taken)
		q.taken++
		if a.takeSeries(b, it, now) == notYet {
			p.parked = append(p.parked, it)
		}
	}
	if b.cells == 0 {
		q.head = q.taken // all of it is stale, or parked
		q.trim()
	}
	return b
}

func (b *batch) full() bool { return b.cells >= batchCells || b.bytes >= batchBytes }

// What became of an item.
type fate uint8

const (
	stale fate = iota // there is nothing to take
	taken
	notYet
)

// takeSeries takes what it stands for, and what else there is of its series; mu is
// held.
func (a *Archive) takeSeries(b *batch, it item, now float64) fate {
	e := it.e
	i := e.cell(it.seq)
	if i < 0 || e.cells[i].flying {
		return stale
	}
	if !a.mayFly(&e.cells[i]) || e.parkedUntil > now {
		return notYet
	}
	v := a.view.Load()
	sc := store.SeriesCells{Series: e.series}
	fly := func(c *pcell) {
		c.flying = true
		b.cells++
		b.bytes += len(c.data)
		sc.Cells = append(sc.Cells, store.Cell{Step: c.step, Start: c.start, Data: c.data})
	}
	var old []uint64
	try := func(c *pcell) {
		if floor(c.start, a.chain.unit(c.step)) < v.goneBefore(c.step) {
			old = append(old, c.seq)
		} else {
			fly(c)
		}
	}
	try(&e.cells[i]) // in any case, as its place in the queue is given up
	for k := range e.cells {
		if c := &e.cells[k]; k != i && !c.flying && !b.full() && a.mayFly(c) {
			try(c)
		}
	}
	if len(sc.Cells) > 0 {
		b.series = append(b.series, sc)
		b.entries = append(b.entries, e)
	}
	for _, seq := range old {
		a.drop(item{e, seq}, TooOld)
	}
	if len(sc.Cells) == 0 {
		return stale
	}
	return taken
}

// mayFly tells whether a cell may go to the store: if it is durable, or cannot be
// made so. One with deltas in it that are in the journal must wait, as they would be
// merged again after a crash.
func (a *Archive) mayFly(c *pcell) bool {
	if a.journal == nil || c.seg != nil {
		return true
	}
	if !a.journal.failing {
		return false
	}
	return !slices.ContainsFunc(c.consumed, func(d consumed) bool { return d.seg != nil })
}

// settle notes what became of a batch: of its series, those in refused are not in the
// store, nor any if err is set and refused is nil.
func (a *Archive) settle(b *batch, refused map[int]bool, err error) {
	const some = 256 // series, between which Keep gets its turn
	for from := 0; from < len(b.series); from += some {
		a.mu.Lock()
		for i := from; i < min(from+some, len(b.series)); i++ {
			failed := refused[i] || err != nil && refused == nil
			a.land(b.entries[i], failed, failed && err == nil)
		}
		a.mu.Unlock()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	p := &a.pending
	q := &p.queue
	if err != nil {
		q.taken, q.dropped = q.head, q.head // what was flying may be dropped again
		for _, e := range b.parked {
			p.park(e)
		}
		return
	}
	for i := range refused {
		p.park(b.entries[i])
	}
	q.head = q.taken
	q.trim()
	if a.journal != nil {
		a.releaseSegments()
	}
}

// maxParked is how long a series waits at most that the store has refused, in seconds.
const maxParked = 3600

// park has all cells of e wait for another try.
func (p *pending) park(e *entry) {
	for i := range e.cells {
		p.parked = append(p.parked, item{e, e.cells[i].seq})
	}
}

// land notes what became of the flying cells of an entry; mu is held.
func (a *Archive) land(e *entry, failed, refused bool) {
	p := &a.pending
	left := e.cells[:0]
	for i := range e.cells {
		c := &e.cells[i]
		if c.flying && !failed {
			p.bytes -= c.size()
			p.cells--
			c.settle()
			a.stats.Written++
			continue
		}
		c.flying = false
		left = append(left, *c)
	}
	clear(e.cells[len(left):])
	e.cells = left
	if refused {
		a.stats.Refused++
		e.refusals++
		wait := a.cfg.Cycle.Seconds() * float64(int64(1)<<min(e.refusals, 32))
		e.parkedUntil = a.cfg.Now() + min(wait, maxParked)
	} else if !failed {
		e.refusals, e.parkedUntil = 0, 0
	}
	p.leave(e)
}

// writeBatch writes a batch and what has to be made again because of it. It returns
// the series that the store refuses while it takes others.
func (a *Archive) writeBatch(ctx context.Context, b *batch) (refused map[int]bool, err error) {
	amended, err := a.remake(ctx, b.series)
	if err != nil {
		return nil, err
	}
	refused, err = a.send(ctx, store.Write{Series: b.series, Meta: a.news()})
	if err == nil {
		a.mu.Lock()
		a.stats.Amended += amended
		a.mu.Unlock()
	}
	return refused, err
}

const (
	// splitAfter is after how many failures one after another a batch is looked at in
	// parts, in case the fault is in one series.
	splitAfter = 3
	// maxRefused bounds the series of a batch that may be at fault.
	maxRefused = 64
)

// send writes w. If it fails again and again though the store takes other writes, it
// writes the parts that the store does take; refused are then the others. With both
// refused and an error, the others failed, and not only by their fault.
func (a *Archive) send(ctx context.Context, w store.Write) (refused map[int]bool, err error) {
	err = a.try(ctx, w)
	if err == nil {
		a.tell(w.Meta)
		a.run.failures = 0
		return nil, nil
	}
	again := a.run.failures+1 < splitAfter && !errors.Is(err, store.ErrInvalid)
	if ctx.Err() != nil || again || len(w.Series) == 0 || errors.Is(err, store.ErrFull) {
		return nil, err
	}
	if e := a.probe(ctx); e != nil {
		return nil, e
	}
	d := divider{a: a, ctx: ctx, series: w.Series, refused: make(map[int]bool)}
	d.divide(0, len(w.Series), err)
	if d.stop == nil {
		d.stop = a.probe(ctx)
	}
	if d.stop == nil {
		d.stop = a.try(ctx, store.Write{Meta: w.Meta})
	}
	if d.stop != nil {
		return d.refused, d.stop
	}
	a.tell(w.Meta)
	a.run.failures = 0
	if d.bad > 0 {
		a.cfg.Logger.Error("the store refuses some series, and takes others", "series", d.bad, "one", d.name, "err", d.why)
	}
	return d.refused, nil
}

// probe tells whether the store takes a write at all. What it writes is needed before
// cells are.
func (a *Archive) probe(ctx context.Context) error {
	return a.try(ctx, store.Write{Meta: map[string]string{metaNative: formatSteps(a.view.Load().native)}})
}

func (a *Archive) try(ctx context.Context, w store.Write) error {
	if len(w.Series) == 0 && len(w.Meta) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := a.cfg.Store.Write(ctx, w); err != nil {
		return err
	}
	a.mu.Lock()
	a.stats.Writes++
	a.mu.Unlock()
	return nil
}

// divider writes a batch by parts.
type divider struct {
	a       *Archive
	ctx     context.Context
	series  []store.SeriesCells
	refused map[int]bool
	bad     int
	name    string // of a refused one
	why     error
	stop    error
}

// divide writes the series from lo to hi, of which all together have failed.
func (d *divider) divide(lo, hi int, err error) {
	if d.ctx.Err() != nil || d.bad >= maxRefused || errors.Is(err, context.DeadlineExceeded) && hi-lo == 1 {
		d.stop = err
	}
	if hi-lo == 1 || d.stop != nil {
		for i := lo; i < hi; i++ {
			d.refused[i] = true
		}
		d.bad++
		d.name, d.why = d.series[lo].Series.Name, err
		return
	}
	mid := (lo + hi) / 2
	for _, part := range [...][2]int{{lo, mid}, {mid, hi}} {
		if d.stop == nil {
			err = d.a.try(d.ctx, store.Write{Series: d.series[part[0]:part[1]]})
			if err == nil {
				continue
			}
		}
		d.divide(part[0], part[1], err)
	}
}
