package store

import "sync"

// Gate lets the methods of a store in until it is closed. The zero value is open.
type Gate struct {
	mu     sync.Mutex // guards closed, and Add against Wait
	closed bool
	inside sync.WaitGroup
}

// Enter returns ErrClosed after Close. Otherwise Leave must follow.
func (g *Gate) Enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrClosed
	}
	g.inside.Add(1)
	return nil
}

// Leave ends what Enter began.
func (g *Gate) Leave() { g.inside.Done() }

// Close lets nobody in any more, and returns when all have left. It tells whether
// this call closed the gate.
func (g *Gate) Close() bool {
	g.mu.Lock()
	first := !g.closed
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
	return first
}
