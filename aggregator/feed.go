package aggregator

import "slices"

// feedBy returns the feed of some rules, or nil. The caller holds Aggregator.mu.
func (o *output) feedBy(by []*ruleState) *feed {
	for _, f := range o.feeds {
		if slices.Equal(f.rules, by) {
			return f
		}
	}
	return nil
}

// newFeed makes the feed of some rules to o, or returns nil where there are no more
// numbers. The caller holds a.mu.
func (a *Aggregator) newFeed(o *output, by []*ruleState) *feed {
	f := &feed{out: o, rules: by, odd: o.spec.replace || o.spec.view != nil}
	switch {
	case len(a.freeFeeds) > 0:
		// The longest free first, so that a generation lasts.
		h := a.freeFeeds[0]
		a.freeFeeds = a.freeFeeds[1:]
		f.num, f.gen = h.num(), h.gen()
	case a.nextFeed < numberMask:
		a.nextFeed++ // 0 is left out, no handle is 0
		f.num = a.nextFeed
	default:
		return nil
	}
	for _, r := range by {
		if !feeding(o.feeds, r) {
			r.outputs.Add(1)
		}
	}
	if !o.crowded && slices.ContainsFunc(o.feeds, (*feed).outdated) {
		o.crowded = true
		a.crowded = append(a.crowded, o)
	}
	o.feeds = append(o.feeds, f)
	a.feeds.set(f.num, f)
	return f
}

// feeding says whether r is among the rules of some feeds.
func feeding(feeds []*feed, r *ruleState) bool {
	return slices.ContainsFunc(feeds, func(f *feed) bool { return slices.Contains(f.rules, r) })
}

// outdated says whether a rule of f has left the set, so that no name is to reach the
// output by f any more. The caller holds Aggregator.mu.
func (f *feed) outdated() bool {
	return slices.ContainsFunc(f.rules, func(r *ruleState) bool { return r.pos == gone })
}

// release takes feeds that no lane has cells under out of the register; kept are the
// other feeds of their output. The caller holds a.mu.
func (a *Aggregator) release(feeds, kept []*feed) {
	counted := make(map[*ruleState]bool)
	for _, f := range kept {
		for _, r := range f.rules {
			counted[r] = true
		}
	}
	for _, f := range feeds {
		a.feeds.set(f.num, nil)
		a.free(f)
		for _, r := range f.rules {
			if !counted[r] {
				counted[r] = true
				r.outputs.Add(-1)
			}
		}
	}
}

// free gives the number of a feed back, which no lane has cells under any more.
// The caller holds a.mu.
func (a *Aggregator) free(f *feed) {
	if next := f.gen + 1; next != 0 { // a number whose generations are used up rests for ever
		a.freeFeeds = append(a.freeFeeds, newHandle(f.num, next))
	}
}

// retireFeeds has outputs let go of outdated feeds that others have taken the place of:
// each change of a rule would else leave one behind, and its cells in every lane, for as
// long as the output stays. Only Tick calls it.
func (a *Aggregator) retireFeeds() {
	a.mu.RLock()
	n := len(a.crowded)
	a.mu.RUnlock()
	for ; n > 0; n -= forgetBatch {
		a.retireSome()
	}
}

// retireSome holds all lanes, so that none adds to what is let go of.
func (a *Aggregator) retireSome() {
	for _, l := range a.lanes {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	some := a.crowded[:min(len(a.crowded), forgetBatch)]
	for _, o := range some {
		o.crowded = false
		if !o.hasLeft.Load() {
			a.retire(o)
		}
	}
	clear(some)
	if a.crowded = a.crowded[len(some):]; len(a.crowded) == 0 {
		a.crowded = nil
		a.dropRuleStates()
	}
}

// retire lets go of the outdated feeds of an output, but where a rule that is in force
// has no other. The caller holds all lanes and a.mu.
func (a *Aggregator) retire(o *output) {
	var current, kept, outdated []*feed
	for _, f := range o.feeds {
		if !f.outdated() {
			current = append(current, f)
		}
	}
	for _, f := range o.feeds {
		if !f.outdated() || slices.ContainsFunc(f.rules, func(r *ruleState) bool { return r.pos != gone && !feeding(current, r) }) {
			kept = append(kept, f)
		} else {
			outdated = append(outdated, f)
		}
	}
	o.mu.Lock()
	for _, b := range o.buckets {
		for _, l := range a.lanes {
			for _, f := range outdated {
				if n := l.takeOut(f, b); n > 0 {
					a.credit(f, n, b.closed || b.recalled)
					b.last = max(b.last, a.tick.now)
				}
			}
		}
	}
	o.mu.Unlock()
	a.release(outdated, kept)
	o.feeds = kept // of its own, as the old slice may be read without a lock
}
