package cells

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/coalesce-metrics/coalesce/archive"
	"github.com/coalesce-metrics/coalesce/bench/internal/report"
)

// windows are those of a daemon that is told nothing of windows.
var windows = []archive.Window{
	{Name: "5m", Span: 300, Step: 10, Retention: 3600},
	{Name: "1h", Span: 3600, Step: 60, Retention: 86400},
	{Name: "24h", Span: 86400, Step: 900, Retention: 7 * 86400},
}

const (
	// cycle is how often the archive looks for what is to be done. The clock goes
	// faster here, in steps of a bucket.
	cycle = 20 * time.Millisecond
	// stuck is how long it may take for a bucket.
	stuck = time.Minute
)

// MeasureArchive has the archive keep the cells of the plan in the store: in its journal,
// from there in the store, and merged in the windows. The clock goes on when all that
// was kept is in the store. It fails if some of them cannot be read back.
func (p Plan) MeasureArchive(ctx context.Context, o *Opened) (r report.CellRun, err error) {
	r.Cells = p.cells()
	dir, err := os.MkdirTemp("", "coalesce-bench-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	var clock atomic.Int64
	clock.Store(start)
	a, err := archive.Open(archive.Config{
		Store: o.Store, Dir: dir, Windows: windows, Retention: 86400, Cycle: cycle,
		MaxPending: 1 << 30, MaxJournal: 1 << 30, Sync: true, Now: func() float64 { return float64(clock.Load()) },
	})
	if err != nil {
		return r, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { a.Run(running); close(ended) }()
	err = o.spend(&r.Write, func() error { return p.keep(ctx, a, &clock) })
	stop()
	<-ended
	if err == nil {
		err = p.verifyArchive(ctx, a)
	}
	if closeErr := a.Close(ctx); err == nil {
		err = closeErr
	}
	return r, err
}

func (p Plan) keep(ctx context.Context, a *archive.Archive, clock *atomic.Int64) error {
	records := make([]archive.Record, p.Series)
	for i := range records {
		records[i].Series = series(i)
	}
	for at := int64(start); at < p.until(); at += step {
		for i := range records {
			records[i].Start, records[i].Cell = at, makeCell(i, at)
			a.Keep(&records[i])
		}
		a.Commit()
		clock.Store(at + step)
		if err := await(ctx, a, func(s *archive.Stats) bool { return s.Pending == 0 }); err != nil {
			return err
		}
	}
	clock.Add(windows[len(windows)-1].Step)
	rolled := p.rolled()
	return await(ctx, a, func(s *archive.Stats) bool { return s.Rolled == rolled })
}

// rolled returns how many cells of windows are made.
func (p Plan) rolled() (n int64) {
	for _, w := range windows {
		if w.Step > step {
			n += (p.until() - start + w.Step - 1) / w.Step * int64(p.Series)
		}
	}
	return n
}

// await waits until the archive has come so far.
func await(ctx context.Context, a *archive.Archive, done func(*archive.Stats) bool) error {
	limit := time.Now().Add(stuck)
	for {
		s := a.Stats()
		switch {
		case done(&s):
			return nil
		case s.DroppedTotal() > 0 || s.StoreErrors > 0 || s.JournalErrors > 0 || time.Now().After(limit):
			return fmt.Errorf("the archive stands still: %+v", s)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
}

// verifyArchive compares the sum of the cells of each series in each window with what
// was kept.
func (p Plan) verifyArchive(ctx context.Context, a *archive.Archive) error {
	names := make([]string, p.Series)
	want := make([]float64, p.Series)
	for i := range names {
		names[i] = name(i)
		for at := int64(start); at < p.until(); at += step {
			want[i] += makeCell(i, at).Sum
		}
	}
	for _, w := range windows {
		all, err := a.Cells(ctx, names, w.Step, start, p.until())
		if err != nil {
			return err
		}
		for i, buckets := range all {
			sum, count := 0.0, int64(0)
			for _, b := range buckets {
				sum, count = sum+b.Cell.Sum, count+b.Cell.Count
			}
			if sum != want[i] || count != int64(p.Buckets)*points {
				return fmt.Errorf("%s in window %s: %d datapoints with a sum of %v, want %d with %v",
					names[i], w.Name, count, sum, p.Buckets*points, want[i])
			}
		}
	}
	return nil
}
