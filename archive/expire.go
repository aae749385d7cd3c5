package archive

import (
	"context"
	"errors"
	"slices"

	"github.com/coalesce-metrics/coalesce/store"
)

// expire has the store drop what no tier shows any more, and what nothing is made of
// any more: cells leave by whole buckets of the next coarser step, after those have
// been rolled, and an hour or such a bucket later than they are last seen.
func (a *Archive) expire(ctx context.Context, now float64) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	steps := slices.Clone(a.view.Load().native)
	for _, w := range a.chain.windows {
		if !slices.Contains(steps, w.Step) {
			steps = append(steps, w.Step)
		}
	}
	cutoffs := make(map[int64]int64, len(steps))
	idle := int64(forever)
	a.mu.Lock()
	a.publish(func(v *view) {
		for _, s := range steps {
			t := a.chain.horizon(s, now)
			if i := a.chain.next(s); i >= 0 {
				t = min(t, v.marks[i])
			}
			t = max(t, v.goneBefore(s))
			v.gone[s], cutoffs[s] = t, t
			idle = min(idle, t)
		}
		v.lost = a.forgetLost(v, now)
	})
	a.saveLost()
	a.mu.Unlock()
	// The next run must know before anything is dropped, unless there is no room left
	// to tell it.
	told := a.publicise(ctx)
	if told != nil && !errors.Is(told, store.ErrFull) {
		return told
	}
	dropped, err := a.cfg.Store.Expire(ctx, cutoffs, idle)
	a.forgotten(dropped)
	if err == nil && told != nil {
		err = a.publicise(ctx)
	}
	if err != nil {
		return err
	}
	a.run.nextExpire = now + expireEvery
	a.mu.Lock()
	a.stats.Expiries++
	a.mu.Unlock()
	return nil
}

// forgotten passes on which series have left the store, but for those of which cells
// wait to be written.
func (a *Archive) forgotten(names []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range names {
		if a.pending.entries[name] != nil {
			continue
		}
		a.stats.Forgotten++
		if a.cfg.Forgotten != nil {
			a.cfg.Forgotten(name)
		}
	}
}

// forgetLost returns the lost spans that are not older than everything; mu is held.
func (a *Archive) forgetLost(v *view, now float64) spans {
	longest := a.cfg.Retention
	for _, w := range a.chain.windows {
		longest = max(longest, w.Retention+w.Step)
	}
	a.lost = a.lost.after(int64(now) - longest - minSlack)
	return v.lost
}
