package aggregator

import (
	"math"
	"sync"

	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/coalesce-metrics/coalesce/series"
)

// Lane is a share of the accumulators. It is held by one goroutine from Acquire
// to Release, so that adding a datapoint takes no lock.
type Lane struct {
	agg *Aggregator

	mu sync.Mutex // held from Acquire to Release; guards all below

	// slots hold, by a feed's number, the newest bucket that this lane adds to;
	// others hold the rest.
	slots  []slot
	others map[otherKey]*slot

	now   float64 // the clock at Acquire
	limit float64 // timestamps above it are too new
	tick  uint32  // now, as the series table counts it
	rs    *ruleSet

	hashes [plaintext.BatchSize]series.Hash
	refs   [plaintext.BatchSize]series.Ref
	touch  uint64

	collected bool // what is added is kept by its own name

	matcher rules.Matcher
	scratch []byte
	naming  naming.Scratch
	bound   []handle
	feeds   []*feed
	targets []target
	fan     *fan // of the last contribute
	run     run
	count   laneCount

	_ [64]byte // lanes are written by different cores
}

// laneCount is what a lane has counted since the start.
type laneCount struct {
	accepted             uint64
	matched, unmatched   uint64
	filtered             [naming.NumReasons]uint64
	badTags              uint64 // names
	contributions, added uint64
	replaced             uint64
	dropped              [NumDrops]uint64
	forwarded            uint64
	learned              uint64
}

// Acquire takes a free lane, or waits for one. The caller must Release it.
func (a *Aggregator) Acquire() *Lane {
	// The pool remembers by processor which lane it used last.
	hint := a.hints.Get().(*int)
	i := *hint
	for range a.pool {
		if l := a.pool[i]; l.mu.TryLock() {
			*hint = i
			a.hints.Put(hint)
			l.begin()
			return l
		}
		if i++; i == len(a.pool) {
			i = 0
		}
	}
	a.hints.Put(hint)
	l := a.pool[i]
	l.mu.Lock()
	l.begin()
	return l
}

func (l *Lane) begin() {
	a := l.agg
	l.now = a.cfg.Now()
	l.limit = l.now + a.cfg.Future
	if a.cfg.EventTime {
		l.limit = math.Inf(1)
	}
	l.tick = uint32(int64(l.now) / tickSeconds)
	l.rs = a.rules.Load()
}

// tickSeconds is how fine the order is in which idle names leave.
const tickSeconds = 10

// Release gives the lane back. From here on the buffers given to Add may be
// used again.
func (l *Lane) Release() {
	l.flushRun()
	l.mu.Unlock()
}

// Add takes in the datapoints of a batch. b.Buf must stay as it is until
// Release. The work is done in stages over the whole batch, because the waits
// for memory then overlap.
func (l *Lane) Add(b *plaintext.Batch) {
	table := l.agg.table
	hasher := l.agg.hasher
	n := b.N
	l.count.accepted += uint64(n)
	for i := range n {
		l.hashes[i] = hasher.Sum(b.Name(i))
	}
	if l.collected {
		for i := range n {
			l.hashes[i] = l.hashes[i].Other()
		}
	}
	l.touch ^= table.Touch(l.hashes[:n])
	version := l.rs.version
	for i := range n {
		ref, v := table.Get(l.hashes[i], l.tick)
		if v != version {
			ref = 0
		}
		l.refs[i] = ref
	}
	for i := range n {
		ref := l.refs[i]
		p := &b.Points[i]
		if ref&(kindMask|knownBit) == knownBit|kindOne {
			if num := refNumber(ref); int(num) < len(l.slots) {
				s := &l.slots[num]
				if uint64(int64(p.Time)-s.start) < uint64(s.span) && p.Time >= 0 && p.Time <= l.limit && s.gen == refGen(ref) {
					s.cell.Add(p.Value, p.Time)
					if s.values != nil {
						s.values.Add(p.Value)
					}
					l.count.matched++
					l.count.contributions++
					l.count.added++
					if ref&forwardBit != 0 {
						l.forward(b, i)
					}
					continue
				}
			}
		}
		l.addSlow(b, i, ref)
	}
}

// AddCollected is Add for datapoints whose series themselves are kept, as
// rules.Set.MatchCollected says.
func (l *Lane) AddCollected(b *plaintext.Batch) {
	l.collected = true
	l.Add(b)
	l.collected = false
}

// addSlow takes in any datapoint.
func (l *Lane) addSlow(b *plaintext.Batch, i int, ref series.Ref) {
	p := &b.Points[i]
	if ref == 0 {
		ref = l.learn(b.Name(i), l.hashes[i], nil)
	}
	for !l.contribute(ref, p.Value, p.Time) {
		// An output has left since the name was looked up.
		ref = l.relearn(b.Name(i), l.hashes[i], nil)
	}
	switch ref & kindMask {
	case kindFiltered:
		l.count.filtered[refNumber(ref)]++
		return
	case kindNone:
		l.count.unmatched++
	case kindOne:
		l.count.matched++
	case kindMany:
		f := l.fan // as contribute has found it
		if f.matched {
			l.count.matched++
		} else {
			l.count.unmatched++
		}
		if f.as != nil && ref&forwardBit != 0 {
			l.count.forwarded++
			l.send(f.as, p)
			return
		}
	}
	if ref&forwardBit != 0 {
		l.forward(b, i)
	}
}

// contribute adds a value to all outputs that ref leads to. It returns false,
// with nothing added, if ref is stale.
func (l *Lane) contribute(ref series.Ref, v, t float64) bool {
	if !l.gather(ref) {
		return false
	}
	for _, f := range l.feeds {
		l.add(f, v, t)
	}
	// Outputs that could not be made count each time.
	for range refFull(ref) {
		l.drop(nil, OutputsFull, 1)
	}
	return true
}

// gather puts the feeds that ref leads to into l.feeds, and its fan, if it has
// one, into l.fan. It returns false if ref is stale.
func (l *Lane) gather(ref series.Ref) bool {
	l.feeds = l.feeds[:0]
	switch ref & kindMask {
	case kindOne:
		f := l.agg.feedOf(handleOf(ref))
		if f == nil {
			return false
		}
		l.feeds = append(l.feeds, f)
	case kindMany:
		m := l.agg.fanOf(ref)
		if m == nil {
			return false
		}
		l.fan = m
		for _, h := range m.to {
			f := l.agg.feedOf(h)
			if f == nil {
				return false
			}
			l.feeds = append(l.feeds, f)
		}
	}
	return true
}

// add adds a value to one output.
func (l *Lane) add(f *feed, v, t float64) {
	if int(f.num) < len(l.slots) && !f.odd {
		s := &l.slots[f.num]
		if uint64(int64(t)-s.start) < uint64(s.span) && t >= 0 && t <= l.limit && s.gen == f.gen {
			l.addTo(s, v, t)
			return
		}
	}
	if f.odd {
		l.addOdd(f, v, t)
		return
	}
	s, reason, other := l.slot(f, t)
	switch {
	case other != nil:
		l.add(other, v, t)
	case s == nil:
		l.drop(f, reason, 1)
	default:
		l.addTo(s, v, t)
	}
}

func (l *Lane) addTo(s *slot, v, t float64) {
	s.cell.Add(v, t)
	if s.values != nil {
		s.values.Add(v)
	}
	l.count.contributions++
	l.count.added++
}

// drop counts n datapoints that a feed, if it is known, does not take.
func (l *Lane) drop(f *feed, reason Drop, n uint64) {
	l.count.contributions += n
	l.count.dropped[reason] += n
	if f != nil {
		for _, r := range f.rules {
			r.dropped.Add(n)
			r.matched.Add(n)
		}
	}
}
