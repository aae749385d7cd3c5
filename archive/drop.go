package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coalesce-metrics/coalesce/store"
)

// Drop drops the named series: what is pending of them, what the journal has, and all
// tiers in the store. When it returns nil nothing of them is read any more, also after
// a crash; what is kept afterwards begins anew. What is kept meanwhile may go with them.
// Names that are unknown do no harm.
//
// It waits for the write cycle under way, as long as ctx allows. When the store fails,
// nothing is dropped. When the journal fails, or the process is killed before Drop has
// returned, what was in the journal may come back with a restart. Then call it again.
func (a *Archive) Drop(ctx context.Context, names []string) error {
	select {
	case a.work <- struct{}{}: // no cells are on their way to the store, nor read to be merged
		defer func() { <-a.work }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := a.learn(ctx); err != nil {
		return err
	}
	// The store comes first: it alone may be away, and then all is as it was.
	if err := a.dropStored(ctx, names); err != nil {
		return fmt.Errorf("dropping series from the store: %w", err)
	}
	const some = 256 // series, between which Keep gets its turn
	for part := range slices.Chunk(names, some) {
		a.mu.Lock()
		for _, name := range part {
			a.dropPending(name)
		}
		a.mu.Unlock()
	}
	if !a.commit() {
		return errors.New("the journal cannot be written: what it has of dropped series may come back after a crash; drop them again when it can")
	}
	return nil
}

func (a *Archive) dropStored(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return a.cfg.Store.Drop(ctx, names)
}

// dropPending drops what is pending of a series, and has the journal say so behind all
// that it has of the series; mu is held.
//
// Nothing holds the segment with that record: it is removed after those before it, and
// what it revokes is in these, or in itself.
func (a *Archive) dropPending(name string) {
	p := &a.pending
	if e := p.entries[name]; e != nil {
		a.stats.Dropped[Deleted] += p.empty(e)
	}
	if a.journal != nil && name != "" && len(name) <= maxName {
		p.seq++
		p.queue.push(item{&entry{series: store.Series{Name: name}, dropped: true}, p.seq})
	}
}

// empty removes all cells and deltas of e, which it forgets, and returns how many they
// were. None may be flying.
func (p *pending) empty(e *entry) (n int64) {
	n = int64(len(e.cells) + len(e.deltas))
	for i := len(e.cells) - 1; i >= 0; i-- {
		p.remove(e, i)
	}
	for i := len(e.deltas) - 1; i >= 0; i-- {
		e.deltas[i].seg.release(1)
		p.removeDelta(e, i)
	}
	p.leave(e)
	return n
}

// sweepShare is the part of the time between two cycles in which the store gives back
// the room of dropped series.
const sweepShare = 4

// sweep has the store give back room.
func (a *Archive) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	for end := time.Now().Add(a.cfg.Cycle / sweepShare); ; {
		more, err := a.cfg.Store.Sweep(ctx)
		if err != nil || !more || !time.Now().Before(end) {
			return err
		}
	}
}
