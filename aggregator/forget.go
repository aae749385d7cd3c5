package aggregator

import "slices"

// forgetBatch is how many series are forgotten while the lanes are held.
const forgetBatch = 256

// ForgetSeries forgets the outputs with these names, as Output.Name has them, with all
// that is held of them, here and in the lanes: when it returns, nothing of it is read,
// kept or emitted any more, but for rows that Tick has made already. What had not been
// emitted counts as dropped, as Deleted. Names that are unknown do no harm.
//
// The next datapoint makes the output anew, as if it had never been, and it is announced
// again. A bucket that was emitted is known as such: it is begun again only if the Archive
// covers it, which by then should have nothing of it, whatever period and methods it now
// has. Then it is emitted again with what has come since. Whoever takes the latest value
// of a row and time has the new one, though of fewer datapoints; whoever adds up what is
// not emitted again has each datapoint once.
func (a *Aggregator) ForgetSeries(names []string) {
	for some := range slices.Chunk(names, forgetBatch) {
		a.forgetSome(some)
	}
}

// forgetSome holds all lanes, so that none adds to what leaves: a part of a lane is
// always of a bucket that is held.
func (a *Aggregator) forgetSome(names []string) {
	for _, l := range a.lanes {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var left []*output
	for _, name := range names {
		if a.departed[name].name == name {
			a.markForgotten(name)
		}
		c := a.claims[name]
		if c == nil {
			continue
		}
		for _, o := range slices.Clone(c.contenders) {
			if o.name != name {
				continue // it only makes a row of that name
			}
			o.mu.Lock()
			for _, b := range o.buckets {
				a.discard(b)
			}
			a.leave(o)
			o.mu.Unlock()
			for _, r := range o.rows {
				a.markForgotten(r.claim.name)
			}
			left = append(left, o)
		}
	}
	a.afterLeft(left)
}

// discard drops a bucket with what the lanes have of it. Tick may be about to emit it,
// and finds it gone. The caller holds all lanes, a.mu and out.mu.
func (a *Aggregator) discard(b *bucket) {
	o := b.out
	for _, l := range a.lanes {
		for _, f := range o.feeds {
			if n := l.takeOut(f, b); n > 0 {
				a.credit(f, n, false)
			}
		}
	}
	n, carried := b.unsent()
	a.stat.carried.Add(uint64(carried)) // before deleted, see Stats
	a.stat.deleted.Add(uint64(n))
	b.gone = true
	b.recall, b.closeAt, b.writeAt, b.amendAt = atHand, never, never, never
	delete(o.buckets, b.start)
	if b.emitted > 0 {
		o.gone.add(b.start, o.spec.period)
	}
	a.buckets.Add(-1)
}
