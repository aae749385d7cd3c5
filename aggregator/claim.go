package aggregator

import (
	"slices"
	"sync/atomic"

	"github.com/coalesce-metrics/coalesce/rules"
)

// claim settles which output emits a row. Where rules give one row another
// method or period, so that several outputs make it, the first in file order
// emits it. When that changes, by a reload or because the rule that comes first
// is reached last, the next one begins at a bucket boundary behind all buckets
// of the one before, so that no two of them share a timestamp.
type claim struct {
	name  string
	terms atomic.Pointer[[]term] // ascending; read without a lock

	contenders []*output // guarded by Aggregator.mu
}

// term says who emits the buckets that start at from or later.
type term struct {
	from int64
	out  *output
}

// at returns whose datapoints of a second are emitted.
func (c *claim) at(sec int64) *output {
	terms := *c.terms.Load()
	for i := len(terms) - 1; i > 0; i-- {
		if terms[i].from <= sec {
			return terms[i].out
		}
	}
	return terms[0].out
}

// comes says whether o emits the row later than at a second.
func (c *claim) comes(o *output, sec int64) bool {
	return slices.ContainsFunc(*c.terms.Load(), func(t term) bool { return t.out == o && t.from > sec })
}

// ownerAt returns the output whose bucket takes the datapoints of a second: o
// itself, or the one that o follows, or none. The caller holds o.mu.
func (o *output) ownerAt(sec int64) (*output, Drop) {
	first := o.rows[0].claim.at(sec)
	if first == o {
		return o, added
	}
	for _, r := range o.rows[1:] {
		if r.claim.at(sec) == o {
			return o, added
		}
	}
	for _, r := range o.rows {
		if r.claim.comes(o, sec) {
			if first.hasLeft.Load() {
				return nil, TooOld
			}
			return first, added
		}
	}
	return nil, Conflict
}

// emits says whether row i of a bucket is o's to emit.
func (o *output) emits(i int, start int64) bool { return o.rows[i].claim.at(start) == o }

// newOutput makes an output that nothing feeds yet. The caller holds a.mu.
func (a *Aggregator) newOutput(key, name string, sp *spec) *output {
	o := &output{key: key, name: name, spec: sp, idle: a.cfg.Now()}
	o.timing = a.timing(nil, sp)
	for _, m := range sp.methods {
		o.values = o.values || m.NeedsValues()
		rowName := string(rules.AppendRow(nil, []byte(name), m))
		c := a.claims[rowName]
		if c == nil {
			c = &claim{name: rowName}
			c.terms.Store(&[]term{{always, o}})
			a.claims[rowName] = c
		}
		c.contenders = append(c.contenders, o)
		o.rows = append(o.rows, row{m, c})
	}
	if s, ok := a.departed[key]; ok {
		o.gone = spans{s}
		delete(a.departed, key)
	} else if a.departure != noSpan {
		o.gone = spans{a.departure}
	}
	a.outputs[key] = o
	a.idle = append(a.idle, idleOutput{o, o.idle})
	return o
}

// adopt lets a rule that feeds o speak for it, if it comes first. The caller
// holds a.mu.
func (a *Aggregator) adopt(o *output, by *ruleState) {
	o.mu.Lock()
	o.values = o.values || by.rule.Percentiles
	speaker := o.rule.Load()
	first := speaker == nil || by.pos < speaker.pos
	if first {
		o.timing = a.timing(by.rule, o.spec)
	}
	o.mu.Unlock()
	if first {
		o.rule.Store(by)
		a.settle(o)
	}
}

// settle decides anew who emits o's rows. The caller holds a.mu.
func (a *Aggregator) settle(o *output) {
	for _, r := range o.rows {
		if len(r.claim.contenders) > 1 {
			a.settleClaim(r.claim)
		}
	}
}

func (o *output) pos() int {
	if r := o.rule.Load(); r != nil {
		return r.pos
	}
	return gone
}

func (a *Aggregator) settleClaim(c *claim) {
	terms := *c.terms.Load()
	holder := terms[len(terms)-1].out
	winner := holder
	for _, o := range c.contenders {
		if winner.hasLeft.Load() || o.pos() < winner.pos() {
			winner = o
		}
	}
	if winner == holder {
		return
	}
	from := int64(always)
	if end, ok := holder.lastEnd(); ok {
		from = ceil(end, winner.spec.period)
	}
	// Terms that would begin later never came to be.
	kept := slices.Clone(terms)
	for len(kept) > 0 && kept[len(kept)-1].from >= from {
		kept = kept[:len(kept)-1]
	}
	kept = append(kept, term{from, winner})
	c.terms.Store(&kept)
	a.cfg.Logger.Info("output changes hands", "output", c.name, "from", from,
		"period", winner.spec.period, "before", holder.spec.period)
}

// settleClaims settles all rows that several outputs make, and moves every
// output to the first of its rules. The caller holds a.mu.
func (a *Aggregator) settleClaims() {
	for _, o := range a.outputs {
		for _, f := range o.feeds {
			for _, r := range f.rules {
				if r.pos < o.pos() {
					a.adopt(o, r)
				}
			}
		}
	}
	for _, c := range a.claims {
		if len(c.contenders) > 1 {
			a.settleClaim(c)
		}
	}
}

// lastEnd returns the end of the latest bucket that the output holds or has
// emitted.
func (o *output) lastEnd() (int64, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	last, ok := int64(always), false
	for start := range o.buckets {
		last, ok = max(last, start), true
	}
	if h, any := o.gone.hull(); any {
		last, ok = max(last, h.to), true
	}
	return last + o.spec.period, ok
}
