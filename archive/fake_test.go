package archive

import (
	"context"
	"errors"
	"sync"

	"github.com/coalesce-metrics/coalesce/store"
)

// fake is a store that fails when it is told to.
type fake struct {
	store.Store
	mu     sync.Mutex
	down   bool                      // nothing works
	refuse func(w store.Write) error // may be nil
	after  func(w store.Write) error // after the write was done
	hang   chan struct{}             // Write waits for it, or for its context
	writes int                       // that succeeded
	cells  int                       // in them
	reads  int
	larges int // cells of the largest write

	expiries int
	yielded  int // cells, by Read and Scan
}

var errDown = errors.New("connection refused")

func (f *fake) broken() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.down || f.refuse != nil || f.after != nil || f.hang != nil
}

func (f *fake) set(change func(f *fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fake) Write(ctx context.Context, w store.Write) error {
	f.mu.Lock()
	down, refuse, after, hang := f.down, f.refuse, f.after, f.hang
	f.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if down {
		return errDown
	}
	if refuse != nil {
		if err := refuse(w); err != nil {
			return err
		}
	}
	if err := f.Store.Write(ctx, w); err != nil {
		return err
	}
	n := 0
	for _, s := range w.Series {
		n += len(s.Cells)
	}
	f.mu.Lock()
	f.writes++
	f.cells += n
	f.larges = max(f.larges, n)
	f.mu.Unlock()
	if after != nil {
		return after(w)
	}
	return nil
}

func (f *fake) isDown() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if f.down {
		return errDown
	}
	return nil
}

func (f *fake) Read(ctx context.Context, names []string, step, from, until int64, yield func(int, store.Cell) error) error {
	if err := f.isDown(); err != nil {
		return err
	}
	return f.Store.Read(ctx, names, step, from, until, func(i int, c store.Cell) error {
		f.set(func(f *fake) { f.yielded++ })
		return yield(i, c)
	})
}

func (f *fake) Scan(ctx context.Context, step, from, until int64, yield func(*store.Series, store.Cell) error) error {
	if err := f.isDown(); err != nil {
		return err
	}
	return f.Store.Scan(ctx, step, from, until, func(s *store.Series, c store.Cell) error {
		f.set(func(f *fake) { f.yielded++ })
		return yield(s, c)
	})
}

func (f *fake) Load(ctx context.Context, yield func(store.Series) error) error {
	if err := f.isDown(); err != nil {
		return err
	}
	return f.Store.Load(ctx, yield)
}

func (f *fake) Meta(ctx context.Context) (map[string]string, error) {
	if err := f.isDown(); err != nil {
		return nil, err
	}
	return f.Store.Meta(ctx)
}

func (f *fake) Drop(ctx context.Context, names []string) error {
	if err := f.isDown(); err != nil {
		return err
	}
	return f.Store.Drop(ctx, names)
}

func (f *fake) Sweep(ctx context.Context) (more bool, err error) {
	f.set(func(f *fake) {
		if f.down {
			err = errDown
		}
	})
	if err != nil {
		return false, err
	}
	return f.Store.Sweep(ctx)
}

func (f *fake) Expire(ctx context.Context, cutoffs map[int64]int64, idle int64) ([]string, error) {
	if err := f.isDown(); err != nil {
		return nil, err
	}
	f.set(func(f *fake) { f.expiries++ })
	return f.Store.Expire(ctx, cutoffs, idle)
}
