package aggregator

import (
	"container/heap"
	"slices"
)

// idleQueue holds the outputs that may leave, the longest idle first, each once
// at most.
type idleQueue []idleOutput

type idleOutput struct {
	out   *output
	since float64 // it held no bucket then
}

func (q idleQueue) Len() int           { return len(q) }
func (q idleQueue) Less(i, j int) bool { return q[i].since < q[j].since }
func (q idleQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *idleQueue) Push(x any)        { *q = append(*q, x.(idleOutput)) }
func (q *idleQueue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	(*q)[last] = idleOutput{}
	*q = (*q)[:last]
	return x
}

// rest notes that an output holds no bucket. The caller holds a.mu.
func (a *Aggregator) rest(o *output, since float64) {
	if !o.waits {
		o.waits = true
		heap.Push(&a.idle, idleOutput{o, since})
	}
}

// sweep lets outputs leave that have held no bucket for a while.
func (a *Aggregator) sweep(now float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.tick.idle {
		a.rest(o, now)
	}
	clear(a.tick.idle)
	a.tick.idle = a.tick.idle[:0]
	var left []*output
	for len(a.idle) > 0 && now-a.idle[0].since >= a.cfg.OutputIdle {
		o := heap.Pop(&a.idle).(idleOutput).out
		o.waits = false
		o.mu.Lock()
		switch {
		case o.hasLeft.Load(): // by ForgetSeries
		case len(o.buckets) > 0: // it comes again without them
		case now-o.idle < a.cfg.OutputIdle:
			a.rest(o, o.idle)
		default:
			a.leave(o)
			left = append(left, o)
		}
		o.mu.Unlock()
	}
	a.afterLeft(left)
}

// afterLeft tells of outputs that have left, and lets those that stood behind them take
// over. The caller holds a.mu.
func (a *Aggregator) afterLeft(left []*output) {
	for _, o := range left {
		if a.cfg.Departed != nil {
			for _, p := range o.public(o.methodsOf(func(i int) bool { return len(o.rows[i].claim.contenders) == 0 })) {
				a.cfg.Departed(p)
			}
		}
		a.settle(o)
	}
	if len(left) > 0 {
		a.dropRuleStates()
	}
}

// leave takes an output out of all registers. What it has emitted stays known,
// for as many outputs as there may be. The caller holds a.mu and o.mu.
func (a *Aggregator) leave(o *output) {
	o.hasLeft.Store(true)
	delete(a.outputs, o.key)
	a.release(o.feeds, nil)
	h, emitted := o.gone.hull()
	for _, r := range o.rows {
		a.abandon(r.claim, o)
		if emitted {
			a.remember(r.claim.name, o, h)
		}
	}
	if o.kept != o.rows[0].claim {
		a.abandon(o.kept, o)
	}
}

// abandon takes an output out of those who want a name. The caller holds a.mu.
func (a *Aggregator) abandon(c *claim, o *output) {
	c.contenders = slices.DeleteFunc(c.contenders, func(x *output) bool { return x == o })
	if len(c.contenders) == 0 {
		delete(a.claims, c.name)
	}
}

// leftRow is what outputs that left have emitted of a row.
type leftRow struct {
	span
	// Of the output, if it is one. An Archive has its cells under these.
	name   string
	period int64
	// forgotten: by ForgetSeries, so that an Archive has nothing of it any more.
	forgotten bool
}

// markForgotten notes that what is remembered of a row was forgotten by ForgetSeries.
// The caller holds a.mu.
func (a *Aggregator) markForgotten(name string) {
	if s, ok := a.departed[name]; ok {
		s.forgotten = true
		a.departed[name] = s
	}
}

// remember keeps what an output that left has emitted of a row. The caller
// holds a.mu.
func (a *Aggregator) remember(name string, o *output, h span) {
	s, ok := a.departed[name]
	if !ok {
		s = leftRow{span: a.departure} // it may be in there
	}
	left := leftRow{span: h.join(s.span)}
	if s.span == noSpan && o.others == noSpan {
		left.name, left.period = o.name, o.spec.period
	}
	delete(a.departed, name)
	for other, s := range a.departed {
		if len(a.departed) < a.cfg.MaxOutputs {
			break
		}
		a.departure = a.departure.join(s.span)
		delete(a.departed, other)
	}
	a.departed[name] = left
}
