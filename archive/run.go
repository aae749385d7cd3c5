package archive

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/coalesce-metrics/coalesce/store"
)

const (
	expireEvery = 3600.0 // seconds between two expiries
	// settleTime is how long expiry waits after the start, in seconds: by then a clock
	// that was wrong has mostly been set.
	settleTime = 600.0
	// A clock that is further ahead than expected by jump may be wrong: expiry waits
	// for an hour.
	jump = 3600.0
	// A clock that is so far before the archive began is wrong.
	absurd = 3600
)

// runState is what write cycles remember. Guarded by Archive.work.
type runState struct {
	clock      float64 // at the last cycle
	insane     bool    // it was wrong then, beyond doubt
	nextExpire float64
	failing    bool // the store
	failedAt   time.Time
	delay      time.Duration
	failures   int               // of writes, one after another
	told       map[string]string // what the store knows beside cells
	width      []int64           // buckets that a roll-up of a window takes at a time
}

func (r *runState) begin(now float64) {
	r.clock, r.nextExpire = now, now+settleTime
	r.told = make(map[string]string)
}

// Run writes what is pending to the store, rolls it up, and drops what is too old,
// every Config.Cycle until ctx is done. Then call Close.
func (a *Archive) Run(ctx context.Context) {
	timer := time.NewTimer(a.cfg.Cycle)
	defer timer.Stop()
	for {
		wake := a.wake
		if !a.Stats().StoreOK {
			wake = nil // much is pending because the store fails
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-wake:
		}
		timer.Reset(a.cycle(ctx))
	}
}

// Close writes to the store what it still can before ctx is done. The rest stays in
// the journal for the next run, or is lost where there is none. It returns the error
// of the store if something is left. Run must have returned; nothing may be kept from
// then on. Reading goes on as long as the store does.
func (a *Archive) Close(ctx context.Context) error {
	a.commit()
	a.cycle(ctx)
	a.mu.Lock()
	left := a.pending.cells
	if left > 0 && a.journal == nil {
		a.discard(Unsaved)
	}
	if a.journal != nil && left == 0 {
		a.journal.retire = true
	}
	a.mu.Unlock()
	ok := a.commit()
	if ok {
		ok = a.commit() // removes what the first one ended
	}
	a.closeJournal()
	switch {
	case left == 0:
		return nil
	case ok && a.journal != nil:
		a.cfg.Logger.Info("cells that the store has not taken stay in the journal", "cells", left)
	default:
		a.cfg.Logger.Error("cells that the store has not taken are lost", "cells", left)
	}
	return errors.Join(errors.New("archive: the store has not taken all cells"), ctx.Err())
}

// cycle does one round of writing and returns how long to wait for the next.
func (a *Archive) cycle(ctx context.Context) time.Duration {
	a.work <- struct{}{}
	defer func() { <-a.work }()
	begun := time.Now()
	err := a.round(ctx)
	wait := a.judge(ctx, err)
	a.commit() // releases segments
	a.mu.Lock()
	a.stats.WriteSeconds = time.Since(begun).Seconds()
	a.mu.Unlock()
	return wait
}

func (a *Archive) round(ctx context.Context) error {
	if err := a.learn(ctx); err != nil {
		return err
	}
	now := a.cfg.Now()
	sane := a.checkClock(now)
	err := a.mergeLate(ctx)
	if err == nil {
		err = a.drain(ctx)
	}
	if err == nil && sane {
		err = a.rollUp(ctx, now)
	}
	// A full store gets room by these.
	if err == nil || errors.Is(err, store.ErrFull) {
		err = errors.Join(err, a.sweep(ctx))
	}
	if sane && now >= a.run.nextExpire && (err == nil || errors.Is(err, store.ErrFull)) {
		err = errors.Join(err, a.expire(ctx, now))
	}
	return err
}

// judge notes how a round went and returns how long to wait.
func (a *Archive) judge(ctx context.Context, err error) time.Duration {
	r := &a.run
	if err != nil && ctx.Err() != nil {
		return a.cfg.Cycle // no fault of the store
	}
	a.mu.Lock()
	a.stats.StoreOK = err == nil
	losing := a.losing
	if err != nil {
		a.stats.StoreErrors++
	} else {
		a.losing = false
	}
	a.mu.Unlock()
	if err == nil {
		if r.failing {
			a.cfg.Logger.Info("the store takes cells again", "after", time.Since(r.failedAt).Round(time.Second))
		}
		if losing {
			st := a.Stats()
			a.cfg.Logger.Info("no more cells are dropped", "dropped", st.DroppedTotal())
		}
		r.failing, r.failures, r.delay = false, 0, 0
		return a.cfg.Cycle
	}
	if !r.failing {
		r.failing, r.failedAt = true, time.Now()
		a.cfg.Logger.Error("the store fails: cells wait in memory and in the journal until it is back", "err", err)
	}
	a.forget()
	clear(r.told)
	r.failures++
	r.delay = min(max(2*r.delay, firstDelay), longestDelay)
	return r.delay
}

// checkClock repairs what a clock that was wrong has left. It returns false as long
// as the clock is wrong beyond doubt.
func (a *Archive) checkClock(now float64) (sane bool) {
	r := &a.run
	last := r.clock
	r.clock = now
	r.nextExpire = min(r.nextExpire, now+expireEvery)
	if now > last+jump+a.cfg.Cycle.Seconds() {
		r.nextExpire = max(r.nextExpire, now+expireEvery)
	}
	v := a.view.Load()
	if a.doubtClock(now, v.since); r.insane {
		return false
	}
	for _, t := range v.gone {
		if float64(t) > now {
			a.turnBack(now)
			return true
		}
	}
	for _, t := range v.marks {
		if float64(t) > now {
			a.turnBack(now)
			return true
		}
	}
	return true
}

// doubtClock notes and logs whether the clock shows a time before the archive began, or no
// more. It may also be that the archive began by a clock that was ahead.
func (a *Archive) doubtClock(now float64, since int64) {
	insane := now < float64(since)-absurd
	if insane == a.run.insane {
		return
	}
	a.run.insane = insane
	if !insane {
		a.cfg.Logger.Info("the clock is past the time that the archive began: cells are rolled up and expired again")
		return
	}
	a.cfg.Logger.Error("the clock is before the time that the archive began: until it is set right, cells are neither rolled up nor expired; if it is right, it was ahead then: stop the daemon, remove the file state in the journal, start it",
		"began", time.Unix(since, 0).UTC().Format(time.RFC3339), "journal", a.cfg.Dir)
}

// turnBack has nothing wait for a time that the clock showed by mistake: from now on
// buckets are rolled, and made again, as if that time had not been. Where cells were
// expired by that clock, nothing is known any more.
func (a *Archive) turnBack(now float64) {
	a.cfg.Logger.Warn("the clock was set back: what it had let pass is done again")
	t := int64(math.Floor(now))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.publish(func(v *view) {
		for step, gone := range v.gone {
			if gone > t {
				v.gone[step] = floor(t, a.chain.unit(step))
				a.beginAt(v, t+1)
			}
		}
		for i, mark := range v.marks {
			if mark > t {
				v.marks[i] = a.notBeforeGone(v, i, floor(t, a.chain.windows[i].Step))
			}
		}
	})
}
