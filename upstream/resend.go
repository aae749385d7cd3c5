package upstream

import (
	"hash/maphash"
	"time"
)

// now returns the time by a clock that nobody sets.
func (d *destination) now() int64 { return int64(time.Since(d.began)) }

// resendShare is how exactly the age of a written row is known: spans of one
// sixteenth of Resend are joined.
const resendShare = 16

// remember keeps a span that was written for as long as it may have to go again. It
// takes over the reference; mu is held.
func (d *destination) remember(s span, now int64) {
	if d.to.resends() && (s.kind != Raw || d.to.ResendRaw) {
		s.at = now - now%max(int64(d.to.Resend)/resendShare, 1)
		d.recent.push(s)
	}
	s.block.release()
	d.forget(now)
}

// forget drops what is too old to go again, and what exceeds the bounds of the queue,
// unless these are small; mu is held.
func (d *destination) forget(now int64) {
	age := int64(d.to.Resend)
	for d.recent.spans > 0 {
		old := d.recent.at(0).at < now-age-age/resendShare
		if !old && d.recent.lines <= max(d.soft.lines, hardLines) && d.recent.bytes <= max(d.soft.bytes, hardBytes) {
			return
		}
		s := d.recent.pop()
		s.block.release()
	}
}

// revive has what was written of late go again, since the connection broke. What
// went again on it already is among that, and older than what is left in again.
func (d *destination) revive() {
	d.mu.Lock()
	d.forget(d.now())
	var q queue
	for _, from := range []*queue{&d.recent, &d.again} {
		for from.spans > 0 {
			s := from.pop()
			s.at = 0
			q.push(s)
			s.block.release()
		}
	}
	d.mu.Unlock()
	latest(&q)
	if q.lines > 0 {
		d.log.Info("rows will go again", "datapoints", q.lines)
	}
	d.mu.Lock()
	q.append(&d.again) // come from another destination meanwhile
	d.again = q
	d.mu.Unlock()
}

// rowKey stands for a (name, timestamp) by 128 bits of hash, keyed at random.
type rowKey struct {
	a, b  uint64
	stamp int64
}

var rowSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func keyOf(line []byte) rowKey {
	name := line[:nameLen(line)]
	return rowKey{maphash.Bytes(rowSeeds[0], name), maphash.Bytes(rowSeeds[1], name), stampOf(line)}
}

// latest removes every line from q that is followed by a newer value of its (name,
// timestamp): the peer has had that one already.
func latest(q *queue) {
	repeats := false
	for i := range q.spans {
		k := q.at(i).kind
		repeats = repeats || k == Raw || k == Amendment
	}
	if !repeats {
		return // aggregates are made once
	}
	last := make(map[rowKey]int, q.lines)
	n := 0
	for i := range q.spans {
		for b := q.at(i).bytes(); len(b) > 0; n++ {
			size := lineLen(b)
			last[keyOf(b[:size])] = n
			b = b[size:]
		}
	}
	if n == len(last) {
		return
	}
	var kept queue
	n = 0
	for q.spans > 0 {
		s := q.pop()
		b := s.bytes()
		for at := 0; at < len(b); n++ {
			next := at + lineLen(b[at:])
			if last[keyOf(b[at:next])] == n {
				p := s.part(at, next)
				kept.push(p)
				p.block.release()
			}
			at = next
		}
		s.block.release()
	}
	*q = kept
}
