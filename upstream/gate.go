package upstream

import (
	"context"
	"sync"
	"sync/atomic"
)

// gate is shut while some destination wants the inputs to wait.
type gate struct {
	shut atomic.Int32 // by how many

	mu   sync.Mutex
	open chan struct{} // closed when the gate opens; nil when it is open
}

// add has n more destinations, or -n less, keep the gate shut.
func (g *gate) add(n int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch left := g.shut.Add(n); {
	case left == 0 && g.open != nil:
		close(g.open)
		g.open = nil
	case left > 0 && g.open == nil:
		g.open = make(chan struct{})
	}
}

// wait returns when the gate is open, or the error of ctx when that ends first.
func (g *gate) wait(ctx context.Context) error {
	for g.shut.Load() > 0 {
		g.mu.Lock()
		open := g.open
		g.mu.Unlock()
		if open == nil {
			return nil
		}
		select {
		case <-open:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
