package main

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// beatInterval is the time between two signs of life. A run that is killed has
// taken datapoints since its last one, and emitted nothing later than beatSpan
// after it.
const (
	beatInterval = 500 * time.Millisecond
	beatSpan     = 2 * beatInterval
)

// heart records that this run is alive. A nil heart has no data directory.
type heart struct {
	sign func(now float64) error
	now  func() float64

	mu   sync.Mutex    // held while a sign is written
	last atomic.Uint64 // bits of the time of the last sign
	late atomic.Bool   // one that fresh has asked for is being written
}

// beat gives a sign of life.
func (h *heart) beat() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	err := h.sign(now)
	if err == nil {
		h.last.Store(math.Float64bits(now))
	}
	return err
}

// run beats again and again.
func (h *heart) run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(beatInterval)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := h.beat()
		if (err != nil) != failing {
			failing = err != nil
			if failing {
				log.Error("the data directory cannot be written to", "err", err)
			} else {
				log.Info("the data directory can be written to again")
			}
		}
	}
}

// fresh returns when the last sign of life is not older than beatSpan. It comes before
// rows are sent: where run is held up and the process is then killed, the next one
// would take their buckets for new, and send less for them. A disk that hangs is
// waited for once.
func (h *heart) fresh() {
	if h == nil || h.now()-math.Float64frombits(h.last.Load()) < beatSpan.Seconds() || !h.late.CompareAndSwap(false, true) {
		return
	}
	done := make(chan struct{})
	go func() {
		h.beat() // whether it fails, run finds out and says
		h.late.Store(false)
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(beatSpan):
	}
}
