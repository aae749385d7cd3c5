package archive

import (
	"maps"
	"slices"
)

// view is what is known of the store, as a whole. It never changes; a new one is
// published under mu.
type view struct {
	learned bool // the store has been asked
	// since is the time from which on every bucket that was emitted was kept.
	since int64
	lost  spans
	// native are the steps that came in, ascending, windows or not.
	native []int64
	// marks has for each window the time before which its buckets are rolled.
	marks []int64
	// gone has for a step the time before which its cells have been, or are being,
	// expired. It is a multiple of the unit that the step had then. Cells before it
	// are not kept any more, and coarser ones never made again of them, since they
	// may be there in part.
	gone map[int64]int64
}

// publish replaces the view by a changed copy; mu is held.
func (a *Archive) publish(change func(v *view)) {
	v := *a.view.Load()
	v.marks = slices.Clone(v.marks)
	v.gone = maps.Clone(v.gone)
	if v.gone == nil {
		v.gone = make(map[int64]int64)
	}
	change(&v)
	a.view.Store(&v)
}

// goneBefore returns the time before which cells of the step have been expired.
func (v *view) goneBefore(step int64) int64 {
	if t, ok := v.gone[step]; ok {
		return t
	}
	return always
}

// retention returns for how long cells of a step are read: the longer one where
// some come in with it and others are made.
func (a *Archive) retention(v *view, step int64) int64 {
	i := a.chain.index(step)
	if i < 0 || slices.Contains(v.native, step) {
		return a.chain.native(step)
	}
	return a.chain.windows[i].Retention
}

// expired tells whether a cell is not to be seen any more.
func expired(start, step, retention int64, now float64) bool {
	return float64(start+step) <= now-float64(retention)
}

// Cover says what the archive can tell about a bucket.
type Cover uint8

// What Covers answers.
const (
	// Refused: whether such a bucket was emitted is not known, or it is older than
	// everything that is held.
	Refused Cover = iota
	// Whole: if such a bucket was ever emitted, Recall finds it.
	Whole
	// Coarse: the bucket is too old for its own tier, but a window covers it. What
	// comes in for it may be kept as a Record with CoarseOnly.
	Coarse
)

// String returns refused, whole or coarse.
func (c Cover) String() string { return [...]string{"refused", "whole", "coarse"}[c] }

// Covers tells what the archive knows of buckets of a period that begin at start.
// It takes no lock.
func (a *Archive) Covers(period, start int64) Cover {
	return a.covers(a.view.Load(), period, start, a.cfg.Now())
}

func (a *Archive) covers(v *view, period, start int64, now float64) Cover {
	if period <= 0 || start < v.since || v.lost.touches(start, start+period) {
		return Refused
	}
	if !expired(start, period, a.chain.native(period), now) && start >= v.goneBefore(period) {
		return Whole
	}
	for i := range a.chain.windows {
		w := &a.chain.windows[i]
		if w.Step <= period || w.Step%period != 0 {
			continue
		}
		b := floor(start, w.Step)
		if !expired(b, w.Step, w.Retention, now) && b >= v.goneBefore(w.Step) {
			return Coarse
		}
	}
	return Refused
}
