package query

import (
	"cmp"
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/coalesce-metrics/coalesce/archive"
)

// perReader is how many series are worth a reader of their own.
const perReader = 16

// readAll reads cells as Archive.Cells does, some series side by side: reading and
// decoding take a processor.
func (f *fetch) readAll(names []string, p *plan) ([][]archive.Bucket, error) {
	readers := min(runtime.GOMAXPROCS(0), maxReaders, (len(names)+perReader-1)/perReader)
	if readers <= 1 {
		return f.readSteps(names, p)
	}
	share := (len(names) + readers - 1) / readers
	all := make([][]archive.Bucket, len(names))
	errs := make([]error, readers)
	var reading sync.WaitGroup
	for i := range readers {
		from := min(i*share, len(names))
		to := min(from+share, len(names))
		reading.Go(func() {
			cells, err := f.readSteps(names[from:to], p)
			if copy(all[from:to], cells) < to-from && err == nil {
				err = errFewer
			}
			errs[i] = err
		})
	}
	reading.Wait()
	return all, errors.Join(errs...)
}

// readSteps reads the cells of all steps of a plan.
func (f *fetch) readSteps(names []string, p *plan) ([][]archive.Bucket, error) {
	all, err := f.engine.cfg.Archive.Cells(f.ctx, names, p.steps[0], p.grid.first, p.grid.until)
	for _, step := range p.steps[1:] {
		more, e := f.engine.cfg.Archive.Cells(f.ctx, names, step, p.grid.first, p.grid.until)
		err = errors.Join(err, e)
		if len(more) != len(all) {
			return nil, errors.Join(err, errFewer)
		}
		for i := range all {
			if len(more[i]) > 0 {
				all[i] = append(all[i], more[i]...)
				slices.SortStableFunc(all[i], func(x, y archive.Bucket) int { return cmp.Compare(x.Start, y.Start) })
			}
		}
	}
	return all, err
}

// maxReaders bounds how many read for one request.
const maxReaders = 4

var errFewer = errors.New("query: BUG: the archive has answered for fewer series than it was asked")
