package aggregator

import (
	"cmp"
	"slices"
	"strings"
)

// tickBatch is how many buckets are folded while a lane is held.
const tickBatch = 512

// tickState belongs to Tick and Flush.
type tickState struct {
	due  []*bucket
	rows []Row
	idle []*output // without buckets since the last look
	now  float64   // the clock at the last Tick

	again bool // rows are early or amending
	kept  bool // the archive was given something since its last Commit
	asks  []*bucket

	full    uint64  // counters.full as last warned of
	fullAt  float64 // when it may be warned of again
	handsAt float64 // when changes of hands may be told of again
}

// rowBatch is how many rows are handed to Emit at a time, or a few more.
const rowBatch = 1024

// Tick closes, amends and forgets what is due by the clock. It is to be called
// about as often as Next says; nothing is lost by calling it late.
func (a *Aggregator) Tick() {
	now := a.cfg.Now()
	if now < a.tick.now {
		a.turnBack(now)
	}
	a.tick.now = now
	partial := a.stat.partial.Load()
	for {
		due := a.schedule.take(a.tick.due[:0], now, tickBatch)
		if len(due) == 0 {
			break
		}
		a.work(due, now)
		clear(due)
		a.tick.due = due
	}
	a.ask()
	if n := a.stat.partial.Load() - partial; n > 0 {
		a.cfg.Logger.Info("emitted buckets that were under way at the start: they have what came since, as is normal on a first start", "buckets", n)
	}
	a.warnFull(now)
	a.tellHands(now)
	a.sweep(now)
	a.retireFeeds()
	a.dismiss()
}

// turnBack lets nothing wait for a time that the clock showed by mistake.
func (a *Aggregator) turnBack(now float64) {
	a.cfg.Logger.Warn("clock was set back", "seconds", a.tick.now-now)
	for _, l := range a.lanes {
		l.mu.Lock() // so that none goes on by the old time
		l.now = now
		l.mu.Unlock()
	}
	for _, b := range a.held() {
		b.out.mu.Lock()
		b.turnBack(a, now)
		b.out.mu.Unlock()
	}
	a.tick.fullAt = min(a.tick.fullAt, now+tellInterval)
	a.tick.handsAt = min(a.tick.handsAt, now+tellInterval)
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.idle {
		a.idle[i].since = min(a.idle[i].since, now)
	}
	for _, o := range a.outputs {
		o.mu.Lock()
		o.idle = min(o.idle, now)
		o.mu.Unlock()
	}
}

// tellInterval is the least time between two log lines that tell of the same.
const tellInterval = 60

// warnFull says that a limit keeps contributions out.
func (a *Aggregator) warnFull(now float64) {
	n := a.stat.full.Load()
	if n == a.tick.full || now < a.tick.fullAt {
		return
	}
	a.cfg.Logger.Warn("a limit is reached and datapoints are dropped: raise max_outputs or max_buckets, or make fewer outputs",
		"outputs_limit", a.cfg.MaxOutputs, "buckets_limit", a.cfg.MaxBuckets, "refused", n-a.tick.full)
	a.tick.full, a.tick.fullAt = n, now+tellInterval
}

// Next returns when Tick has something to do, in Unix seconds.
func (a *Aggregator) Next() float64 { return a.schedule.next() }

// visit is what a bucket is due for.
type visit uint8

const (
	nothing visit = iota
	early         // write_back
	closing
	amending
)

// work does what the buckets are due for. From when a bucket is marked, what
// lanes add to it counts as late; then the lanes are folded, then it is emitted.
func (a *Aggregator) work(due []*bucket, now float64) {
	var few [tickBatch]visit
	visits := few[:len(due)]
	for i, b := range due {
		b.out.mu.Lock()
		visits[i] = a.mark(b, now)
		b.out.mu.Unlock()
	}
	a.fold(due, visits, now)
	for i, b := range due {
		if v := visits[i]; v != nothing {
			a.separate(b, v)
			b.out.mu.Lock()
			a.emit(b, v, now)
			b.plan(&a.schedule)
			b.out.mu.Unlock()
			if len(a.tick.rows) >= rowBatch {
				a.flushRows()
			}
		}
	}
	a.flushRows()
}

// mark takes a due bucket to its next state; work plans its next visit when it
// is done. The caller holds b.out.mu.
func (a *Aggregator) mark(b *bucket, now float64) visit {
	if b.dropDue <= now {
		b.dropDue = never // its entry is no more
	}
	if b.gone || b.due > now {
		return nothing
	}
	b.due = never
	switch {
	case !b.closed && b.closeAt <= now && b.recall == missing:
		b.recall, b.closeAt = asked, never
		a.tick.asks = append(a.tick.asks, b)
	case !b.closed && b.closeAt <= now:
		b.closed, b.closeAt, b.writeAt = true, never, never
		if b.recalled {
			return amending
		}
		return closing
	case !b.closed && b.writeAt <= now:
		b.writeAt = now + a.cfg.WriteBack
		return early
	case b.closed && b.amendAt <= now:
		b.amendAt = never
		return amending
	case b.closed && b.amendAt == never && b.dropAt() <= now:
		a.forget(b, now)
		return nothing
	}
	b.plan(&a.schedule)
	return nothing
}

// fold takes the parts of the buckets out of all lanes.
func (a *Aggregator) fold(due []*bucket, visits []visit, now float64) {
	feeds := make([][]*feed, len(due))
	a.mu.RLock()
	for i, b := range due {
		feeds[i] = b.out.feeds
	}
	a.mu.RUnlock()
	for _, l := range a.lanes {
		l.mu.Lock()
		for i, b := range due {
			if visits != nil && visits[i] == nothing {
				continue
			}
			b.out.mu.Lock()
			for _, f := range feeds[i] {
				if n := l.takeOut(f, b); n > 0 {
					a.credit(f, n, visits != nil && visits[i] == amending)
					b.last = max(b.last, now) // exactly when they came is not known
				}
			}
			b.out.mu.Unlock()
		}
		l.mu.Unlock()
	}
}

// credit counts folded datapoints for the rules that brought them.
func (a *Aggregator) credit(f *feed, n int64, late bool) {
	for _, r := range f.rules {
		r.matched.Add(uint64(n))
		if late {
			r.late.Add(uint64(n))
		}
	}
	if late {
		a.stat.late.Add(uint64(n))
	}
}

// emit makes the rows of a bucket, unless nothing has come since they were last
// made. The caller holds b.out.mu.
func (a *Aggregator) emit(b *bucket, v visit, now float64) {
	if b.gone {
		return
	}
	if b.revoked {
		n, carried := b.unsent()
		a.stat.carried.Add(uint64(carried)) // before revoked, see Stats
		a.stat.revoked.Add(uint64(n))
		b.emitted, b.changed = b.cell.Count, false
		return
	}
	news := b.cell.Count != b.emitted || b.changed
	amends := v == amending && b.emitted > 0
	if !b.silent && (v != early && !amends || amends && news) {
		a.countEmission(b, amends)
	}
	if !news && !(v == closing && b.early && a.cfg.RepeatEarly) {
		if v == closing {
			a.keep(b) // what was emitted early is kept now
		}
		return
	}
	if b.early = v == early; b.early {
		a.stat.early.Add(1)
	} else {
		a.keep(b)
	}
	b.emitted, b.sentAt, b.changed = b.cell.Count, now, false
	if b.silent {
		a.stat.merged.Add(1)
		return
	}
	a.addRows(b)
}

// addRows makes the rows of a bucket. A percentile is left out where the archive
// had no values.
func (a *Aggregator) addRows(b *bucket) {
	o := b.out
	if o.spec.input {
		return
	}
	whole := b.values.Len() == b.cell.Count
	for i := range o.rows {
		r := &o.rows[i]
		if o.emits(i, b.start) && (whole || !r.method.NeedsValues()) {
			a.tick.rows = append(a.tick.rows, Row{r.claim.name, r.method.Value(&b.cell, b.values), b.start})
		}
	}
	if o.views && len(o.rows) == 1 && o.emits(0, b.start) {
		values := b.values
		if !whole {
			values = nil
		}
		a.addViews(b, values)
	}
}

func (a *Aggregator) countEmission(b *bucket, amends bool) {
	r := b.out.rule.Load()
	if amends {
		a.stat.amended.Add(1)
		if r != nil {
			r.amended.Add(1)
		}
		return
	}
	a.stat.closed.Add(1)
	if r != nil {
		r.closed.Add(1)
	}
	if b.partial {
		a.stat.partial.Add(1)
	}
}

// separate keeps rows that are a bucket's one final emission apart from others.
// Only the goroutine of Tick changes what it looks at.
func (a *Aggregator) separate(b *bucket, v visit) {
	if again := v == early || v == amending && b.emitted > 0; again != a.tick.again {
		a.flushRows()
		a.tick.again = again
	}
}

func (a *Aggregator) flushRows() {
	if a.tick.kept {
		a.cfg.Archive.Commit()
		a.tick.kept = false
	}
	if len(a.tick.rows) > 0 {
		a.stat.rows.Add(uint64(len(a.tick.rows)))
		a.cfg.Emit(a.tick.rows, a.tick.again)
		clear(a.tick.rows)
		a.tick.rows = a.tick.rows[:0]
	}
}

// Flush emits every bucket that has datapoints not yet emitted, in order of
// time and name, and closes it. Nothing may be added meanwhile.
func (a *Aggregator) Flush() {
	now := a.cfg.Now()
	all := a.held()
	a.recallNow(all)
	slices.SortFunc(all, func(x, y *bucket) int { return cmp.Compare(x.start, y.start) })
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].start == all[0].start {
			n++
		}
		for same := range slices.Chunk(all[:n], tickBatch) {
			a.fold(same, nil, now)
		}
		for _, b := range all[:n] {
			v := closing
			b.out.mu.Lock()
			if b.closed || b.recalled {
				v = amending
			}
			b.closed, b.closeAt, b.writeAt, b.amendAt = true, never, never, never
			b.out.mu.Unlock()
			a.separate(b, v)
			b.out.mu.Lock()
			a.emit(b, v, now)
			b.out.mu.Unlock()
		}
		slices.SortFunc(a.tick.rows, func(x, y Row) int { return strings.Compare(x.Name, y.Name) })
		a.flushRows()
		all = all[n:]
	}
}

// held returns all buckets.
func (a *Aggregator) held() []*bucket {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var all []*bucket
	for _, o := range a.outputs {
		o.mu.Lock()
		for _, b := range o.buckets {
			all = append(all, b)
		}
		o.mu.Unlock()
	}
	return all
}
