// Package cells measures stores in this process, written to as the archive does.
package cells

import (
	"context"
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/report"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

// A Plan says what is written: a cell for each series and bucket.
type Plan struct {
	Series  int
	Buckets int
	Read    int // series that are read at once, no more than there are
}

const (
	step  = 10
	start = 1_700_000_100 // of the first bucket, a multiple of every step
	// batch is how many cells the archive writes at once.
	batch = 5000
	// points is how many datapoints a cell is of.
	points = 20
)

// until is when the last bucket ends.
func (p Plan) until() int64 { return start + int64(p.Buckets)*step }

func (p Plan) cells() int64 { return int64(p.Series) * int64(p.Buckets) }

// name returns the name of series i.
func name(i int) string {
	return fmt.Sprintf("aggregates.prod.app.app%03d.all.requests%03d.count", i/100, i%100)
}

// make returns the cell of series i at a start: sums are exact, and each is another.
func makeCell(i int, at int64) *cell.Cell {
	var c cell.Cell
	first := (at/step*31 + int64(i)*7919) % 4001
	for k := range int64(points) {
		c.Add(float64((first+k*101)%4001)/4, float64(at)+float64(k)/4)
	}
	return &c
}

func series(i int) store.Series {
	return store.Series{Name: name(i), Methods: []cell.Method{cell.Sum}, Period: step}
}

// writes returns what is written of the bucket that begins at at.
func (p Plan) writes(at int64) (all []store.Write) {
	for i := 0; i < p.Series; i += batch {
		w := store.Write{Meta: map[string]string{"mark": fmt.Sprint(at)}}
		for k := i; k < min(i+batch, p.Series); k++ {
			s := series(k)
			s.Seen = at
			w.Series = append(w.Series, store.SeriesCells{Series: s, Cells: []store.Cell{
				{Step: step, Start: at, Data: cell.AppendBinary(nil, makeCell(k, at), nil)},
			}})
		}
		all = append(all, w)
	}
	return all
}

// Measure writes the cells of the plan to an empty store, and reads them back. It fails
// if they are not what was written. Writing must have been durable when a call
// returns, so that it takes as long as the disk does.
func (p Plan) Measure(ctx context.Context, o *Opened) (r report.CellRun, err error) {
	r.Cells = p.cells()
	for at := int64(start); at < p.until(); at += step {
		writes := p.writes(at)
		err := o.spend(&r.Write, func() error {
			for _, w := range writes {
				if err := o.Store.Write(ctx, w); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return r, fmt.Errorf("writing: %w", err)
		}
	}
	if err := o.spend(&r.Scan, func() error { return p.scan(ctx, o.Store) }); err != nil {
		return r, fmt.Errorf("scanning: %w", err)
	}
	if err := o.spend(&r.Read, func() error { return p.read(ctx, o.Store) }); err != nil {
		return r, fmt.Errorf("reading: %w", err)
	}
	r.ReadCells = int64(p.Read) * int64(p.Buckets)
	if err := p.verify(ctx, o.Store); err != nil {
		return r, err
	}
	stats, err := o.Store.Stats(ctx)
	r.Bytes = stats.Bytes
	if err == nil && stats.Series != int64(p.Series) {
		err = fmt.Errorf("%d series, want %d", stats.Series, p.Series)
	}
	return r, err
}

// scan reads everything, and counts it.
func (p Plan) scan(ctx context.Context, s store.Store) error {
	var n int64
	err := s.Scan(ctx, step, math.MinInt64, math.MaxInt64, func(*store.Series, store.Cell) error { n++; return nil })
	if err == nil && n != p.cells() {
		err = fmt.Errorf("%d cells, want %d", n, p.cells())
	}
	return err
}

// read reads all cells of some series, which are spread over all, and counts them.
func (p Plan) read(ctx context.Context, s store.Store) error {
	var names []string
	for i := range p.Read {
		names = append(names, name(i*p.Series/p.Read))
	}
	got := make([]int, len(names))
	err := s.Read(ctx, names, step, start, p.until(), func(i int, _ store.Cell) error { got[i]++; return nil })
	for i, n := range got {
		if err == nil && n != p.Buckets {
			err = fmt.Errorf("%s has %d cells, want %d", names[i], n, p.Buckets)
		}
	}
	return err
}

// verify compares every cell with what was written.
func (p Plan) verify(ctx context.Context, s store.Store) error {
	numbers := make(map[string]int, p.Series)
	for i := range p.Series {
		numbers[name(i)] = i
	}
	return s.Scan(ctx, step, math.MinInt64, math.MaxInt64, func(s *store.Series, c store.Cell) error {
		i, known := numbers[s.Name]
		if !known {
			return fmt.Errorf("series %q was not written", s.Name)
		}
		got, _, _, err := cell.Decode(c.Data)
		if want := *makeCell(i, c.Start); err == nil && got != want {
			err = fmt.Errorf("%+v, want %+v", got, want)
		}
		if err != nil {
			return fmt.Errorf("%s %d: %w", s.Name, c.Start, err)
		}
		return nil
	})
}

// spend calls f, and adds what it takes to a phase: the time, and the CPU time of this
// process and of what the store runs in beside it.
func (o *Opened) spend(p *report.Phase, f func() error) error {
	before, err := o.cpu()
	if err != nil {
		return err
	}
	began := time.Now()
	err = f()
	p.Time += time.Since(began)
	after, cpuErr := o.cpu()
	p.CPU += after - before
	return errors.Join(err, cpuErr)
}

func (o *Opened) cpu() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	own := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	if o.server == nil {
		return own, nil
	}
	other, err := o.server.CPU()
	return own + other, err
}
