package archive

import (
	"context"
	"errors"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"

	"github.com/coalesce-metrics/coalesce/store"
)

const (
	// maxRoll bounds the memory of a roll-up, about.
	maxRoll = 64 << 20
	// maxWidth is how many buckets are rolled at once at most, where there are few
	// cells, as after a long time without any.
	maxWidth  = 4096
	fewCells  = 20_000
	manyParts = 1 << 12
)

// rollUp makes the coarse cells whose time has come, finer windows first.
func (a *Archive) rollUp(ctx context.Context, now float64) error {
	if a.run.width == nil {
		a.run.width = make([]int64, len(a.chain.windows))
	}
	lag := 0.0
	fed := false // the window before has cells
	news := false
	for i := range a.chain.windows {
		w := &a.chain.windows[i]
		v := a.view.Load()
		until := floor(int64(now-a.rollDelay()), w.Step)
		if i > 0 {
			until = min(until, floor(v.marks[i-1], w.Step))
		}
		sources := a.chain.sources(i, v.native)
		if i > 0 && !fed {
			sources = slices.DeleteFunc(sources, func(s int64) bool { return s == a.chain.windows[i-1].Step })
		}
		fed = len(sources) > 0 || slices.Contains(v.native, w.Step)
		news = news || len(sources) > 0 && until > v.marks[i]
		if err := a.rollWindow(ctx, i, sources, until); err != nil {
			return err
		}
		lag = max(lag, now-a.rollDelay()-float64(w.Step)-float64(a.view.Load().marks[i]))
	}
	a.mu.Lock()
	a.stats.MarksLag = lag
	a.mu.Unlock()
	if !news {
		return nil // the marks of windows without cells can wait
	}
	return a.publicise(ctx)
}

// publicise writes what the store does not know yet.
func (a *Archive) publicise(ctx context.Context) error {
	meta := a.news()
	if err := a.try(ctx, store.Write{Meta: meta}); err != nil {
		return err
	}
	a.tell(meta)
	return nil
}

// rollDelay is for how many seconds after its end a coarse bucket waits for cells:
// two cycles and the grace of most outputs. Those that come later have it made again.
func (a *Archive) rollDelay() float64 { return 2*a.cfg.Cycle.Seconds() + 10 }

// rollWindow rolls the buckets of window i from its mark to until.
func (a *Archive) rollWindow(ctx context.Context, i int, sources []int64, until int64) error {
	w := &a.chain.windows[i]
	mark := a.view.Load().marks[i]
	if mark >= until {
		return nil
	}
	if len(sources) == 0 {
		mark = until
	}
	width := max(a.run.width[i], 1)
	for mark < until {
		to := min(mark+width*w.Step, until)
		n, err := a.roll(ctx, i, sources, mark, to, width > 1)
		switch {
		case errors.Is(err, errMuch):
			width = max(width/4, 1)
			continue
		case err != nil:
			a.run.width[i] = 1
			return err
		case n < fewCells:
			width = min(2*width, maxWidth)
		}
		mark = to
	}
	a.run.width[i] = min(width, 16)
	a.setMark(i, mark)
	return nil
}

// setMark notes that window i is rolled up to mark.
func (a *Archive) setMark(i int, mark int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.publish(func(v *view) { v.marks[i] = mark })
}

// errMuch says that what is to be rolled is better done by parts.
var errMuch = errors.New("more than is to be rolled at once")

// roll makes the cells of window i from from to to and writes them, the mark with the
// last. Where they are more than fit into memory it fails with errMuch if it may, and
// otherwise takes the series by parts. It returns how many finer cells it read.
func (a *Archive) roll(ctx context.Context, i int, sources []int64, from, to int64, mayFail bool) (n int, err error) {
	seed := maphash.MakeSeed()
	for parts := uint64(1); parts <= manyParts; parts *= 2 {
		n, err = 0, nil
		for part := uint64(0); part < parts && err == nil; part++ {
			r := roller{a: a, i: i, step: a.chain.windows[i].Step}
			r.mine = func(name string) bool { return parts == 1 || maphash.String(seed, name)%parts == part }
			var read int
			if read, err = r.gather(ctx, sources, from, to); err == nil {
				n += read
				err = r.write(ctx, to, part == parts-1)
			}
			a.unreadable(r.merger.bad, r.merger.why)
		}
		if !errors.Is(err, errMuch) || mayFail {
			return n, err
		}
	}
	return n, err
}

// roller makes the coarse cells of a window for some series.
type roller struct {
	a      *Archive
	i      int
	step   int64
	mine   func(name string) bool
	merger merger

	series []store.SeriesCells
	index  map[string]int // of series by name; only where there are several sources
	twice  []place        // cells of several sources, of which some may tell the same
	bytes  int
}

// gather reads what the sources have.
func (r *roller) gather(ctx context.Context, sources []int64, from, to int64) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if len(sources) > 1 {
		r.index = make(map[string]int)
	}
	for _, src := range sources {
		var s *store.Series
		var bucket int64
		mine := false
		err := r.a.cfg.Store.Scan(ctx, src, from, to, func(next *store.Series, c store.Cell) error {
			b := floor(c.Start, r.step)
			if s == nil || s.Name != next.Name || b != bucket {
				if err := r.close(s, bucket); err != nil {
					return err
				}
				if s == nil || s.Name != next.Name {
					mine = r.mine(next.Name)
				}
				s, bucket = next, b
			}
			n++
			if mine {
				r.merger.add(c.Data)
			}
			return nil
		})
		if err == nil {
			err = r.close(s, bucket)
		}
		if err != nil {
			return n, err
		}
	}
	return n, r.resolve(ctx)
}

// close adds what the merger has as a cell of s.
func (r *roller) close(s *store.Series, bucket int64) error {
	data := r.merger.take()
	if data == nil {
		return nil
	}
	k := len(r.series) - 1
	if r.index != nil {
		if at, ok := r.index[s.Name]; ok {
			k = at
		} else {
			k = -1
		}
	} else if k >= 0 && r.series[k].Series.Name != s.Name {
		k = -1
	}
	if k < 0 {
		k = len(r.series)
		r.series = append(r.series, store.SeriesCells{Series: *s})
		r.bytes += len(s.Name) + entryOverhead
		if r.index != nil {
			r.index[s.Name] = k
		}
	}
	sc := &r.series[k]
	if r.index != nil && slices.ContainsFunc(sc.Cells, func(c store.Cell) bool { return c.Start == bucket }) {
		r.twice = append(r.twice, place{k, bucket})
		return nil
	}
	sc.Cells = append(sc.Cells, store.Cell{Step: r.step, Start: bucket, Data: data})
	if r.bytes += len(data) + cellOverhead; r.bytes > r.a.rollBytes {
		return errMuch
	}
	return nil
}

// resolve makes those cells again that several sources had something for.
func (r *roller) resolve(ctx context.Context) error {
	if len(r.twice) == 0 {
		return nil
	}
	slices.SortFunc(r.twice, comparePlaces)
	r.twice = slices.Compact(r.twice)
	finer := make(map[place][]store.Cell)
	name := func(n int) string { return r.series[n].Series.Name }
	err := r.a.fetchFiner(ctx, r.a.view.Load(), r.i, name, r.twice, func(p place, c store.Cell) { finer[p] = append(finer[p], c) })
	if err != nil {
		return err
	}
	for _, p := range r.twice {
		for _, c := range pick(finer[p]) {
			r.merger.add(c.Data)
		}
		sc := &r.series[p.i]
		if k := slices.IndexFunc(sc.Cells, func(c store.Cell) bool { return c.Start == p.start }); k >= 0 {
			if data := r.merger.take(); data != nil {
				sc.Cells[k].Data = data
			}
		}
	}
	return nil
}

// write writes what was made, and if all is done the mark.
func (r *roller) write(ctx context.Context, mark int64, done bool) error {
	a := r.a
	left := r.series
	for {
		n, cells, bytes := 0, 0, 0
		for n < len(left) && cells < batchCells && bytes < batchBytes {
			cells += len(left[n].Cells)
			for _, c := range left[n].Cells {
				bytes += len(c.Data)
			}
			n++
		}
		w := store.Write{Series: left[:n], Meta: a.news()}
		left = left[n:]
		last := done && len(left) == 0
		if last {
			maps.Copy(w.Meta, map[string]string{metaMark + strconv.FormatInt(r.step, 10): strconv.FormatInt(mark, 10)})
		}
		if n == 0 { // the mark is written with something else
			if last {
				a.setMark(r.i, mark)
			}
			return nil
		}
		refused, err := a.send(ctx, w)
		if err != nil {
			return err
		}
		stale := int64(0)
		for i := range refused {
			stale += int64(len(w.Series[i].Cells))
		}
		a.mu.Lock()
		a.stats.Rolled += int64(cells) - stale
		a.stats.Stale += stale
		a.mu.Unlock()
		if len(left) == 0 {
			if last {
				a.setMark(r.i, mark)
			}
			return nil
		}
	}
}
