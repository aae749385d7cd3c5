package aggregator

import (
	"math"

	"github.com/coalesce-metrics/coalesce/cell"
)

// Drop says why a contribution was not added.
type Drop uint8

// The reasons for which a contribution is dropped.
const (
	TooOld      Drop = iota // its bucket may have been emitted and is no longer held whole
	TooNew                  // its timestamp is too far ahead of the clock
	Conflict                // a rule earlier in the file gives the output another method or period
	OutputsFull             // it would begin one output more than MaxOutputs
	BucketsFull             // it would begin one bucket more than MaxBuckets
	NotFinite               // a view counts no infinities
	NotIntegral             // the view counts integers
	Deleted                 // it was not emitted yet when its series was forgotten
	NumDrops
)

var dropNames = [NumDrops]string{"too_old", "too_new", "conflict", "outputs_full", "buckets_full", "not_finite", "not_integral", "deleted"}

// String returns the reason as written in metrics.
func (d Drop) String() string { return dropNames[d] }

// added stands for no Drop.
const added = NumDrops

// bucket is one period of an output. Guarded by out.mu.
type bucket struct {
	out    *output
	start  int64
	cell   cell.Cell    // what the lanes have handed over
	values *cell.Values // nil where the output needs none

	due     float64 // when the schedule brings it up next
	dropDue float64 // an entry of the schedule to forget it at, or never
	closeAt float64 // never once closed
	writeAt float64 // the next early emission, or never
	amendAt float64 // never unless late datapoints wait
	last    float64 // when a lane last asked for the bucket or handed its part over
	emitted int64   // datapoints in the last emission
	kept    int64   // datapoints as the archive last got it
	part    *part   // where the archive gets it in parts
	sentAt  float64 // the clock at the last emission
	early   bool    // the last emission was one by write_back
	closed  bool
	partial bool // began before this run
	gone    bool // forgotten; visits that are planned, and answers that come, find nothing to do

	// A later part has taken the place of others, which the count need not show:
	// since the last emission, and since the archive last got it.
	changed, unkept bool

	recall   recallState
	recalled bool  // what the archive had is part of it
	silent   bool  // nothing is emitted, because what was emitted before is not known
	revoked  bool  // nor is it kept: its datapoints count as too old
	carried  int64 // datapoints that an earlier run has counted, with those that the archive had
}

func (b *bucket) end() int64 { return b.start + b.out.spec.period }

// unsent returns how many datapoints were not emitted, and how many of these an
// earlier run has counted. The caller holds out.mu.
func (b *bucket) unsent() (n, carried int64) {
	sent := b.emitted
	if b.changed {
		sent = 0 // they have given way
	}
	return max(0, b.cell.Count-sent), max(0, b.carried-sent)
}

// dropAt is when a closed bucket is forgotten.
func (b *bucket) dropAt() float64 { return max(float64(b.end()), b.last) + b.out.timing.keep }

// plan asks the schedule for the bucket's next visit.
func (b *bucket) plan(s *schedule) {
	if !b.closed || b.amendAt != never {
		s.at(b, min(b.closeAt, b.writeAt, b.amendAt))
		return
	}
	if at := b.dropAt(); at < b.dropDue {
		b.dropDue = at
		s.at(b, at)
	} else {
		b.due = b.dropDue // one entry is enough, however often it is amended
	}
}

// admit decides about a datapoint at second t, taken in at now: it returns the
// start of its bucket, which from then on expects cells of lanes, or why not.
// The caller holds o.mu.
func (a *Aggregator) admit(o *output, t int64, now float64) (int64, Drop) {
	start := floor(t, o.spec.period)
	b := o.buckets[start]
	if b == nil {
		from, ok := a.originOf(o, start)
		if !ok {
			return 0, TooOld
		}
		if a.buckets.Add(1) > int64(a.cfg.MaxBuckets) {
			a.buckets.Add(-1)
			a.stat.full.Add(1)
			return 0, BucketsFull
		}
		b = a.newBucket(o, start, now, from)
	}
	if b.closed && b.amendAt == never {
		b.amendAt = max(now, b.sentAt) + o.timing.amend
		b.plan(&a.schedule)
	}
	b.last = max(b.last, now)
	return start, added
}

func (a *Aggregator) newBucket(o *output, start int64, now float64, from origin) *bucket {
	b := &bucket{out: o, start: start, due: never, dropDue: never, writeAt: never, amendAt: never, last: math.Inf(-1)}
	end := float64(b.end())
	b.closeAt = max(end, now) + o.timing.grace
	if a.cfg.EventTime {
		b.closeAt = never
	}
	b.partial = !a.resumed && float64(start) < a.started && a.started < end
	b.recall, b.silent = from.recall, from.silent
	if from.part {
		b.part = new(part)
	}
	if b.recall == atHand && !b.silent {
		b.writeAt = a.firstWrite(o, now)
	}
	if o.buckets == nil {
		o.buckets = make(map[int64]*bucket, 2)
	}
	o.buckets[start] = b
	b.plan(&a.schedule)
	return b
}

// firstWrite returns when an open bucket is first emitted early. One that makes no
// rows is not, as it is kept only when it closes.
func (a *Aggregator) firstWrite(o *output, now float64) float64 {
	if w := a.cfg.WriteBack; !o.spec.input && w > 0 && w < float64(o.spec.period) && !a.cfg.EventTime {
		return now + w
	}
	return never
}

// absorb adds a lane's part to the bucket, and takes its values over if it has
// none. It returns how many datapoints gave way to later ones. The caller holds
// out.mu.
func (b *bucket) absorb(c *cell.Cell, v *cell.Values) (replaced int64) {
	if b.out.spec.replace {
		return b.replace(c)
	}
	if b.part != nil {
		b.part.absorb(c, v)
	}
	b.cell.Merge(c)
	if b.values == nil {
		b.values = v
	} else {
		b.values.Merge(v)
	}
	return 0
}

// turnBack moves to the past what was noted or planned by a clock that was wrong,
// now that it shows an earlier time. The caller holds out.mu.
func (b *bucket) turnBack(a *Aggregator, now float64) {
	t := &b.out.timing
	b.last, b.sentAt = min(b.last, now), min(b.sentAt, now)
	if !b.closed && b.recall != asked {
		b.closeAt = min(b.closeAt, max(float64(b.end()), now)+t.grace)
		if b.writeAt != never {
			b.writeAt = min(b.writeAt, a.firstWrite(b.out, now))
		}
	}
	if b.amendAt != never {
		b.amendAt = min(b.amendAt, now+t.amend)
	}
	b.plan(&a.schedule)
}

// forget drops the bucket for good. Only Tick calls it, holding out.mu.
func (a *Aggregator) forget(b *bucket, now float64) {
	b.gone = true
	delete(b.out.buckets, b.start)
	if b.emitted > 0 {
		b.out.gone.add(b.start, b.out.spec.period)
	}
	b.out.idle = now
	if len(b.out.buckets) == 0 {
		a.tick.idle = append(a.tick.idle, b.out)
	}
	a.buckets.Add(-1)
}
