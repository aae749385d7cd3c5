package aggregator

import (
	"context"
	"time"
)

// How long Run sleeps at least and at most. The wall clock may be set, and a
// bucket may open that closes before those known, so it looks again soon.
const (
	shortestNap = time.Millisecond
	longestNap  = 200 * time.Millisecond
)

// Run calls Tick when something is due, until ctx is done.
func (a *Aggregator) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		a.Tick()
		nap := longestNap
		if wait := a.Next() - a.cfg.Now(); wait < longestNap.Seconds() {
			nap = max(time.Duration(wait*float64(time.Second)), shortestNap)
		}
		timer.Reset(nap)
	}
}
