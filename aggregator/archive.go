package aggregator

import (
	"github.com/coalesce-metrics/coalesce/cell"
)

// Archive keeps the cells of closed buckets for longer than the aggregator does.
// Its methods but Covers are called by the goroutine of Tick; Covers by many.
type Archive interface {
	// Covers says what is known of a bucket that is not held. It is called for
	// late and early datapoints, so it must not wait for anything.
	Covers(period, start int64) Cover
	// Keep takes a bucket that is closed or amended, before its rows are emitted.
	// The pointers in c are only valid during the call.
	Keep(c *Closed)
	// Commit makes durable what Keep was given since the last Commit. The rows
	// are emitted after it.
	Commit()
	// Recall looks buckets up, and calls answer once, on any goroutine: with what
	// each key has, in the order of the keys, or with an error, upon which they
	// are asked for again later. The keys are the callee's.
	Recall(keys []Key, answer func([]Recalled, error))
}

// Cover is what an Archive knows of a bucket.
type Cover uint8

const (
	// NotCovered: if the bucket was ever emitted, its cells are not to be had.
	NotCovered Cover = iota
	// Whole: if the bucket was ever emitted, Recall finds its cells.
	Whole
	// Merges: its cells are to be had no more, but are part of longer ones, to which
	// what comes late can be added.
	Merges
)

// Closed is a bucket as an Archive gets it.
type Closed struct {
	// Output is the name, with the byte 0 where each method stands if there are
	// several; see rules.AppendRow.
	Output  string
	Methods []cell.Method // of the rows that it makes
	Input   bool          // as in Output
	Period  int64
	Start   int64
	Cell    *cell.Cell
	Values  *cell.Values // nil where it holds none
	// Part says that the cell is to be added to the longer ones of which it is part,
	// because it is no longer to be had itself. Otherwise it replaces what was
	// kept of the bucket.
	Part bool
}

// Key names a bucket.
type Key struct {
	Output        string
	Period, Start int64
}

// Recalled is what an Archive has of a bucket; nothing if its Count is 0. The
// aggregator owns it.
type Recalled struct {
	Cell   cell.Cell
	Values *cell.Values
	// Lost says that the bucket may have been emitted though nothing was found: what
	// Covers said before does not hold.
	Lost bool
	// Other says that an earlier run has emitted a row of that name and time from a bucket
	// of another period.
	Other bool
}

// recallRetry is how long a bucket waits until it is asked for again, in seconds.
const recallRetry = 5

// recallState says whether what was emitted of a bucket before must be had before
// it can be emitted.
type recallState uint8

const (
	atHand  recallState = iota
	missing             // to be asked for when the bucket closes
	asked
)

// origin is what is known of a bucket that is about to be held.
type origin struct {
	recall recallState
	// part: it is given to the archive in parts, because the archive no longer
	// holds it whole.
	part bool
	// silent: its rows may have been emitted, and are not to be known.
	silent bool
}

// originOf says what a bucket that is not held may be begun as. The caller holds
// o.mu.
func (a *Aggregator) originOf(o *output, start int64) (origin, bool) {
	emitted := o.gone.contains(start) || float64(start) < a.notBefore
	if a.cfg.Archive == nil || !o.keeps(start) {
		return origin{}, !emitted
	}
	switch a.cfg.Archive.Covers(o.spec.period, start) {
	case Whole:
		// What write_back has emitted early is not kept.
		if float64(start) < a.notBefore && a.cfg.WriteBack > 0 {
			return origin{}, false
		}
		if emitted || float64(start) < a.started {
			return origin{recall: missing}, true
		}
	case Merges:
		return origin{part: true, silent: emitted}, true
	default:
		return origin{}, !emitted
	}
	return origin{}, true
}

// ask looks up what is missing of buckets that are due to close.
func (a *Aggregator) ask() {
	asks, keys := a.takeAsks()
	if len(asks) == 0 {
		return
	}
	a.cfg.Archive.Recall(keys, func(found []Recalled, err error) {
		now := a.cfg.Now()
		for i, b := range asks {
			b.out.mu.Lock()
			switch {
			case b.recall != asked: // Flush has come before
			case err != nil || found[i].Lost: // Covers says by then what becomes of it
				b.recall, b.closeAt = missing, now+recallRetry
			default:
				a.complete(b, &found[i])
				b.closeAt = now
			}
			b.plan(&a.schedule)
			b.out.mu.Unlock()
		}
	})
}

// takeAsks returns the buckets to ask for. What the archive no longer covers, as
// it has waited too long, closes without an answer.
func (a *Aggregator) takeAsks() ([]*bucket, []Key) {
	all := a.tick.asks
	a.tick.asks = nil
	asks := all[:0]
	var keys []Key
	for _, b := range all {
		cover := NotCovered
		if a.cfg.Archive != nil { // else it was asked for in an earlier run
			cover = a.cfg.Archive.Covers(b.out.spec.period, b.start)
		}
		if cover == Whole {
			asks = append(asks, b)
			keys = append(keys, Key{b.out.name, b.out.spec.period, b.start})
			continue
		}
		b.out.mu.Lock()
		b.giveUp(cover)
		b.closeAt = a.cfg.Now()
		b.plan(&a.schedule)
		b.out.mu.Unlock()
	}
	return asks, keys
}

// giveUp goes on without what was emitted before. The caller holds out.mu.
func (b *bucket) giveUp(cover Cover) {
	b.recall, b.silent = atHand, true
	if cover == Merges {
		b.part = &part{b.cell, b.values.Clone()}
	} else {
		b.revoked = true
	}
}

// complete adds what was recalled. The caller holds out.mu.
func (a *Aggregator) complete(b *bucket, r *Recalled) {
	if r.Other || r.Cell.Count == 0 && b.out.mayBeOthers(b.start) {
		b.giveUp(NotCovered)
		return
	}
	b.recall = atHand
	if r.Cell.Count == 0 {
		return
	}
	late, lateValues, carried := b.cell, b.values, b.carried
	b.cell, b.values = r.Cell, r.Values
	b.emitted, b.kept, b.carried = r.Cell.Count, r.Cell.Count, r.Cell.Count
	b.changed, b.unkept = false, false
	a.stat.replaced.Add(uint64(b.absorb(&late, lateValues)))
	if b.changed || !b.out.spec.replace { // late is in it
		b.carried += carried
	}
	if b.values.Len() != b.cell.Count {
		b.values = nil // one of the two held none
	}
	b.recalled = true
}

// recallNow completes buckets before it returns. Those that it cannot complete
// are revoked.
func (a *Aggregator) recallNow(all []*bucket) {
	for _, b := range all {
		b.out.mu.Lock()
		if b.recall != atHand {
			b.recall = asked
			a.tick.asks = append(a.tick.asks, b)
		}
		b.out.mu.Unlock()
	}
	asks, keys := a.takeAsks()
	if len(asks) == 0 {
		return
	}
	type answer struct {
		found []Recalled
		err   error
	}
	answers := make(chan answer, 1)
	a.cfg.Archive.Recall(keys, func(found []Recalled, err error) { answers <- answer{found, err} })
	got := <-answers
	for i, b := range asks {
		b.out.mu.Lock()
		switch {
		case b.recall == atHand: // an earlier question was answered meanwhile
		case got.err != nil:
			b.giveUp(NotCovered)
		case got.found[i].Lost:
			b.giveUp(a.cfg.Archive.Covers(b.out.spec.period, b.start))
		default:
			a.complete(b, &got.found[i])
		}
		b.out.mu.Unlock()
	}
}

// keep gives a bucket to the archive, if it has not got it as it is. The caller
// holds b.out.mu.
func (a *Aggregator) keep(b *bucket) {
	o := b.out
	if a.cfg.Archive == nil || b.kept == b.cell.Count && !b.unkept || !o.keeps(b.start) {
		return
	}
	b.kept, b.unkept = b.cell.Count, false
	c := Closed{Output: o.name, Methods: o.methodsOf(func(i int) bool { return o.emits(i, b.start) }), Input: o.spec.input, Period: o.spec.period, Start: b.start}
	c.Cell, c.Values = &b.cell, b.values
	if b.part != nil {
		c.Cell, c.Values, c.Part = &b.part.cell, b.part.values, true
	}
	if c.Values.Len() != c.Cell.Count {
		c.Values = nil // held only since a rule asked for it
	}
	a.cfg.Archive.Keep(&c)
	if b.part != nil {
		*b.part = part{}
	}
	a.tick.kept = true
}

// part is what has come since a bucket was last given to the archive.
type part struct {
	cell   cell.Cell
	values *cell.Values
}

func (p *part) absorb(c *cell.Cell, v *cell.Values) {
	p.cell.Merge(c)
	if p.values == nil {
		p.values = v.Clone()
	} else {
		p.values.Merge(v)
	}
}
