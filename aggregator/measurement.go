package aggregator

import (
	"math"
	"slices"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/plaintext"
	"github.com/coalesce-metrics/coalesce/series"
)

// Measurement is one or several values of a series, which the caller has added up.
type Measurement struct {
	// Name is canonical, name;k1=v1;k2=v2 with the tags sorted by key, and holds no
	// control characters.
	Name []byte
	Time float64 // Unix seconds; where the Stream adds up it may be that of the bucket
	// Cell counts as as many datapoints as it has; with none it is passed over. Of two
	// in a bucket the one with the later LastTime is the last.
	Cell   cell.Cell
	Stream StreamID
}

// measuredAtOnce is for how many measurements a lane is held.
const measuredAtOnce = 1024

// AddMeasurements takes in measurements in their order, and what comes by a later
// call after them. ms and the names are only read during the call. The series
// themselves are kept as their Streams say, and feed the rules and views as others
// do, under the name that Config.Names gives them there; one that is not kept by
// that is not kept at all.
func (a *Aggregator) AddMeasurements(ms []Measurement) {
	l := a.measured
	for some := range slices.Chunk(ms, measuredAtOnce) {
		l.mu.Lock()
		l.begin()
		for batch := range slices.Chunk(some, plaintext.BatchSize) {
			l.addMeasurements(batch)
		}
		l.Release()
	}
}

// addMeasurements works in stages as Add does.
func (l *Lane) addMeasurements(ms []Measurement) {
	table, hasher := l.agg.table, l.agg.hasher
	streams := *l.agg.streams.Load()
	for i := range ms {
		l.hashes[i] = hasher.Sum(ms[i].Name).With(uint16(ms[i].Stream))
	}
	l.touch ^= table.Touch(l.hashes[:len(ms)])
	version := l.rs.version
	for i := range ms {
		ref, v := table.Get(l.hashes[i], l.tick)
		if v != version {
			ref = 0
		}
		l.refs[i] = ref
	}
	for i := range ms {
		if ms[i].Cell.Count > 0 {
			l.addMeasurement(&ms[i], streams[ms[i].Stream], l.hashes[i], l.refs[i])
		}
	}
}

func (l *Lane) addMeasurement(m *Measurement, stream *ruleState, h series.Hash, ref series.Ref) {
	n := uint64(m.Cell.Count)
	l.count.accepted += n
	if ref == 0 {
		ref = l.learn(m.Name, h, stream)
	}
	for !l.contributeCell(ref, m) {
		ref = l.relearn(m.Name, h, stream) // an output has left since
	}
	if ref&kindMask == kindFiltered {
		l.count.filtered[naming.Reason(refNumber(ref))] += n
		return
	}
	l.count.matched += n
	if ref&forwardBit == 0 {
		return
	}
	p := plaintext.Point{Value: stream.stream.Method.Value(&m.Cell, nil), Time: m.Time}
	if p.Value != p.Value {
		return
	}
	name := m.Name
	if ref&kindMask == kindMany && l.fan.as != nil {
		name = l.fan.as
	}
	l.count.forwarded++
	l.send(name, &p)
}

// contributeCell is contribute for a measurement.
func (l *Lane) contributeCell(ref series.Ref, m *Measurement) bool {
	if !l.gather(ref) {
		return false
	}
	for _, f := range l.feeds {
		l.addCell(f, &m.Cell, m.Time)
	}
	if full := refFull(ref); full > 0 {
		l.drop(nil, OutputsFull, uint64(full)*uint64(m.Cell.Count))
	}
	return true
}

// addOdd adds a value to an output that does not simply add what comes.
func (l *Lane) addOdd(f *feed, v, t float64) {
	var c cell.Cell
	c.Add(v, t)
	l.addCell(f, &c, t)
}

// addCell adds what has been added up to one output.
func (l *Lane) addCell(f *feed, c *cell.Cell, t float64) {
	if reason := f.out.refuses(c); reason != added {
		l.drop(f, reason, uint64(c.Count))
		return
	}
	s, reason, other := l.slotAt(f, t)
	switch {
	case other != nil:
		l.addCell(other, c, timeFor(other.out, f.out, c, t))
		return
	case s == nil:
		l.drop(f, reason, uint64(c.Count))
		return
	}
	l.count.contributions += uint64(c.Count)
	l.count.added += uint64(c.Count)
	if f.out.spec.replace {
		lost, _ := supersede(&s.cell, c)
		l.count.replaced += uint64(lost)
		if lost > 0 {
			l.agg.credit(f, lost, false) // as what is folded has the other only
		}
		return
	}
	s.cell.Merge(c)
	if s.values != nil {
		s.values.AddN(c.Mean(), c.Count)
	}
}

// timeFor returns the time at which a cell for time t goes on to an output that from follows.
// Where one measurement stands for all of a bucket, it is that of the cell itself: those
// of a longer period would else have one time, and take each other's place.
func timeFor(to, from *output, c *cell.Cell, t float64) float64 {
	at := c.LastTime
	if !to.spec.replace || from.spec.replace || !(t <= at && at < t+float64(from.spec.period)) || !to.emits(0, int64(math.Floor(at))) {
		return t
	}
	return at
}

// slotAt is slot, and quick where the bucket is the newest.
func (l *Lane) slotAt(f *feed, t float64) (*slot, Drop, *feed) {
	if int(f.num) < len(l.slots) {
		s := &l.slots[f.num]
		if uint64(int64(t)-s.start) < uint64(s.span) && t >= 0 && t <= l.limit && s.gen == f.gen {
			return s, added, nil
		}
	}
	return l.slot(f, t)
}

// supersede puts into c the one of the two that is later, at a tie o. It returns
// how many datapoints the other has, and whether c is another than before.
func supersede(c, o *cell.Cell) (lost int64, changed bool) {
	if o.Count == 0 || c.Count > 0 && o.LastTime < c.LastTime {
		return o.Count, false
	}
	lost = c.Count
	*c = *o
	return lost, true
}

// replace is absorb where a later part takes the place of those before. The
// caller holds out.mu.
func (b *bucket) replace(c *cell.Cell) (lost int64) {
	lost, changed := supersede(&b.cell, c)
	if changed {
		if b.revoked && b.emitted > 0 && !b.changed {
			lost = 0 // they count as too old already
		}
		b.carried, b.changed, b.unkept = 0, true, true
		if b.part != nil {
			b.part.cell = *c
		}
	}
	return lost
}
