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
	for _, r := range o.rows {
		if r.claim.at(sec) == o {
			return o, added
		}
	}
	reason := Conflict
	for _, r := range o.rows {
		if !r.claim.comes(o, sec) {
			continue
		}
		before := r.claim.at(sec)
		if !before.hasLeft.Load() {
			return before, added
		}
		reason = TooOld
	}
	return nil, reason
}

// until returns the next second after sec from which on another output may take
// the datapoints.
func (o *output) until(sec int64) int64 {
	next := int64(forever)
	for _, r := range o.rows {
		for _, t := range *r.claim.terms.Load() {
			if t.from > sec {
				next = min(next, t.from)
			}
		}
	}
	return next
}

// emits says whether row i of a bucket is o's to emit.
func (o *output) emits(i int, start int64) bool { return o.rows[i].claim.at(start) == o }

// newOutput makes an output that nothing feeds yet. The caller holds a.mu.
func (a *Aggregator) newOutput(key, name string, sp *spec) *output {
	o := &output{key: key, name: name, spec: sp, idle: a.cfg.Now()}
	o.timing = a.timing(nil, sp)
	emitted := noSpan // by earlier outputs of these rows
	o.others = noSpan
	for _, m := range sp.methods {
		o.values = o.values || m.NeedsValues()
		rowName := string(rules.AppendRow(nil, []byte(name), m))
		o.rows = append(o.rows, row{m, a.claimFor(rowName, o)})
		if s, ok := a.departed[rowName]; ok {
			emitted = emitted.join(s.span)
			if !s.forgotten && (s.name != name || s.period != sp.period) {
				o.others = o.others.join(s.span)
			}
			delete(a.departed, rowName)
		} else {
			emitted = emitted.join(a.departure)
			o.others = o.others.join(a.departure)
		}
	}
	if emitted != noSpan {
		o.gone = spans{emitted}
	}
	if o.kept = o.rows[0].claim; o.kept.name != name {
		o.kept = a.claimFor(name, o)
	}
	a.outputs[key] = o
	a.rest(o, o.idle)
	a.announce(o)
	return o
}

// claimFor returns the claim to a name, with o among those who want it. The caller
// holds a.mu.
func (a *Aggregator) claimFor(name string, o *output) *claim {
	c := a.claims[name]
	if c == nil {
		c = &claim{name: name}
		c.terms.Store(&[]term{{always, o}})
		a.claims[name] = c
	}
	c.contenders = append(c.contenders, o)
	return c
}

// announce makes the rows known that are o's from now on. The caller holds a.mu.
func (a *Aggregator) announce(o *output) {
	if a.cfg.Announce == nil {
		return
	}
	for _, p := range o.public(o.methodsOf(func(i int) bool { return o.rows[i].claim.last().out == o })) {
		a.cfg.Announce(p)
	}
}

// announceAll does so for all who want a name, as it has changed hands.
func (a *Aggregator) announceAll(c *claim) {
	for _, o := range c.contenders {
		a.announce(o)
	}
}

// adopt lets a rule that feeds o speak for it, if it comes first. The caller
// holds a.mu.
func (a *Aggregator) adopt(o *output, by *ruleState) {
	o.serve(by.rule)
	o.mu.Lock()
	speaker := o.rule.Load()
	first := speaker == nil || by.pos < speaker.pos
	if first {
		o.timing = a.timing(by.rule, o.spec)
	}
	o.mu.Unlock()
	if first {
		o.rule.Store(by)
		a.settle(o)
		a.enter(o)
		o.retireViews()
	}
}

// enter notes whether o is in force. When it comes into force while others still
// have some of its rows, it waits for all of them, and takes none of the seconds
// before: these go on to the others, whose buckets so become whole. The caller
// holds a.mu.
func (a *Aggregator) enter(o *output) {
	was := o.inForce
	o.inForce = o.pos() != gone
	if was || !o.inForce {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	since, any := o.lastEnd()
	if !any {
		since = always
	}
	from := since
	for _, r := range o.rows {
		if last := r.claim.last(); last.out == o {
			from = max(from, last.from)
		}
	}
	for _, r := range o.rows {
		last := r.claim.last()
		if from == since || last.out != o || last.from >= from {
			continue
		}
		terms := slices.Clone(*r.claim.terms.Load())
		if last.from >= since {
			terms = terms[:len(terms)-1]
		}
		if len(terms) == 0 || last.from < since {
			terms = append(terms, term{since, a.nobody})
		}
		terms = append(terms, term{from, o})
		r.claim.terms.Store(&terms)
	}
}

// How many terms of a row are told apart: where their outputs have left, and where
// they have not but hold nothing of that time any more. There is no end of terms
// where a row changes hands to and fro.
const (
	maxLeftTerms = 16
	maxTerms     = 64
)

// joinOldest makes one of the oldest terms, whose seconds are refused alike. The
// caller holds the locks of all outputs.
func joinOldest(terms []term) []term {
	for len(terms) > maxLeftTerms {
		x, y := terms[0].out, terms[1].out
		left := x.hasLeft.Load() && y.hasLeft.Load()
		if until := terms[2].from; !left && (len(terms) <= maxTerms || x.holdsBefore(until) || y.holdsBefore(until)) {
			break
		}
		both := leftOutput(max(x.spec.period, y.spec.period))
		if h := x.hull().join(y.hull()); h != noSpan {
			both.gone = spans{h}
		}
		terms = append([]term{{terms[0].from, both}}, terms[2:]...)
	}
	return terms
}

// holdsBefore says whether a bucket is held that begins before sec. The caller holds
// o.mu.
func (o *output) holdsBefore(sec int64) bool {
	for start := range o.buckets {
		if start < sec {
			return true
		}
	}
	return false
}

func (o *output) hull() span {
	h, _ := o.gone.hull()
	return h
}

// last returns the term without end.
func (c *claim) last() term {
	terms := *c.terms.Load()
	return terms[len(terms)-1]
}

// leftOutput stands for an output that is not known any more.
func leftOutput(period int64) *output {
	o := &output{spec: &spec{period: period}}
	o.hasLeft.Store(true)
	return o
}

// settle decides anew who emits o's rows. The caller holds a.mu.
func (a *Aggregator) settle(o *output) {
	for _, r := range o.rows {
		a.settleClaim(r.claim)
	}
	if o.kept != o.rows[0].claim {
		a.settleClaim(o.kept)
	}
}

// pos is how early the rule stands that speaks for o. The caller holds a.mu.
func (o *output) pos() int {
	switch r := o.rule.Load(); {
	case r == nil:
		return gone
	case r.stream != nil:
		return streamed - o.turn
	default:
		return r.pos
	}
}

func (a *Aggregator) settleClaim(c *claim) {
	terms := *c.terms.Load()
	holder := terms[len(terms)-1].out
	winner := holder
	for _, o := range c.contenders {
		if p := o.pos(); p != gone && (winner.hasLeft.Load() || p < winner.pos()) {
			winner = o
		}
	}
	if winner == holder {
		return
	}
	// Until the terms have changed none of them may begin another bucket.
	var before []*output
	from := int64(always)
	for _, t := range terms {
		if slices.Contains(before, t.out) {
			continue
		}
		before = append(before, t.out)
		t.out.mu.Lock()
		if end, ok := t.out.lastEnd(); ok {
			from = max(from, ceil(end, winner.spec.period))
		}
	}
	// Terms that would begin later never came to be.
	kept := slices.Clone(terms)
	for len(kept) > 0 && kept[len(kept)-1].from >= from {
		kept = kept[:len(kept)-1]
	}
	if len(kept) == 0 || kept[len(kept)-1].out != winner {
		kept = append(kept, term{from, winner})
	}
	kept = joinOldest(kept)
	c.terms.Store(&kept)
	for _, o := range before {
		o.mu.Unlock()
	}
	a.announceAll(c)
	if c == winner.kept && c != winner.rows[0].claim {
		return // no row
	}
	a.hands = handover{a.hands.outputs + 1, c.name, from, winner.spec.period, holder.spec.period}
}

// handover is what the log is to say of rows that have changed hands: a change of
// rules may concern all there are, and senders that disagree any number again and again.
type handover struct {
	outputs int
	// The last one: from when on, and the period then and before.
	name                 string
	from, period, before int64
}

// tellHands logs rows that have changed hands since it last did.
func (a *Aggregator) tellHands(now float64) {
	if now < a.tick.handsAt {
		return
	}
	a.mu.Lock()
	h := a.hands
	a.hands = handover{}
	a.mu.Unlock()
	if h.outputs == 0 {
		return
	}
	a.cfg.Logger.Info("outputs change hands", "outputs", h.outputs, "one", h.name, "from", h.from,
		"period", h.period, "before", h.before)
	a.tick.handsAt = now + tellInterval
}

// settleClaims settles all rows that several outputs make, and moves every
// output to the first of its rules. The caller holds a.mu.
func (a *Aggregator) settleClaims() {
	for _, o := range a.outputs {
		for _, f := range o.feeds {
			for _, r := range f.rules {
				if r.pos < o.pos() && r.spec.key == o.spec.key {
					a.adopt(o, r)
				}
			}
		}
	}
	for _, c := range a.claims {
		a.settleClaim(c)
	}
	for _, o := range a.outputs {
		a.enter(o)
		o.retireViews()
	}
}

// lastEnd returns the end of the latest bucket that the output holds or has
// emitted. The caller holds o.mu.
func (o *output) lastEnd() (int64, bool) {
	last, ok := int64(always), false
	for start := range o.buckets {
		last, ok = max(last, start), true
	}
	if h, any := o.gone.hull(); any {
		last, ok = max(last, h.to), true
	}
	return last + o.spec.period, ok
}
