package upstream

import (
	"time"

	"github.com/coalesce-metrics/coalesce/route"
)

// fall notes that d cannot be connected to. Routes that choose among destinations
// give its rows to another one from here on, those that wait first.
func (u *Upstream) fall(d *destination) {
	u.routing.Lock()
	defer u.routing.Unlock()
	if u.stopping {
		return // each keeps what it has
	}
	d.mu.Lock()
	was := d.down
	d.down = true
	d.mu.Unlock()
	if was {
		return
	}
	old := u.states
	u.states = old.Down(d.index)
	u.version++
	u.hand(d, old)
}

// rise notes that d is connected: it takes rows of newer timestamps than any before,
// so that later values of a (name, timestamp) go where its first ones went.
func (u *Upstream) rise(d *destination) {
	u.routing.Lock()
	defer u.routing.Unlock()
	d.mu.Lock()
	was := d.down
	d.down = false
	d.mu.Unlock()
	if !was || u.stopping {
		return
	}
	old := u.states
	since := min(u.newest.Load(), time.Now().Add(maxFuture).Unix()) + 1
	u.states = old.Up(d.index, since)
	u.settled = max(since, u.settled+1) // Up may have raised it over the others
	u.version++
	for _, other := range u.dests {
		other.mu.Lock()
		down := other.down
		other.mu.Unlock()
		if down {
			u.hand(other, old) // rows wait there because all were down
		}
	}
}

// hand moves what waits for d, which is down, to where it goes by the new states;
// routing is held for writing.
func (u *Upstream) hand(d *destination, old route.States) {
	d.mu.Lock()
	var from, stay [4]queue
	own := [4]*queue{&d.again, &d.back, &d.late, &d.queue}
	n := int64(0)
	for i, q := range own {
		from[i], *q = *q, queue{}
		if q != &d.again {
			n += int64(from[i].lines)
		}
	}
	d.transit += n
	d.mu.Unlock()

	moved := int64(0)
	for i := range from {
		again := own[i] == &d.again
		for from[i].spans > 0 {
			s := from[i].pop()
			gone := u.handSpan(d, s, old, again, &stay[i])
			if !again {
				moved += gone
			}
			s.block.release()
		}
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	for i, q := range own {
		stay[i].append(q)
		*q = stay[i]
	}
	d.transit -= n
	d.stats.Moved += moved
	d.unshut()
	if moved > 0 {
		d.log.Info("rows go over to other destinations", "datapoints", moved)
	}
}

// handSpan moves the lines of s that go elsewhere now, and returns how many; the
// others go to stay. Those that were written before go to others again only. What was
// on the disk stays: rows that came later, even to another run, may be there already.
func (u *Upstream) handSpan(d *destination, s span, old route.States, again bool, stay *queue) (moved int64) {
	if s.stays {
		stay.push(s)
		return 0
	}
	p := u.plans.Load()
	sp := new(splitter)
	class := classOf(s.kind)
	b := s.bytes()
	for at := 0; at < len(b); {
		next := at + lineLen(b[at:])
		line := b[at:next]
		part := span{block: s.block, off: s.off + at, end: s.off + next, lines: 1, kind: s.kind}
		at = next
		name := line[:nameLen(line)]
		pl := u.planOf(p, sp, class, name, p.hash(class, name))
		stamp := stampOf(line)
		had := u.router.table.Resolve(pl.of, stamp, old)
		to := u.router.table.Resolve(pl.of, stamp, u.states)
		if to.Has(d.index) || !had.Has(d.index) {
			stay.push(part)
			continue
		}
		moved++
		for i, other := range u.dests {
			switch {
			case !to.Has(i) || had.Has(i):
			case again:
				other.sendAgain(part)
			default:
				other.push(part)
			}
		}
	}
	return moved
}

// sendAgain has rows go again that were written to another destination, unless there
// may be an older value here, which would follow them.
func (d *destination) sendAgain(s span) {
	d.mu.Lock()
	if d.behind() || d.back.spans > 0 || !d.to.resends() || d.stopping {
		d.mu.Unlock()
		return
	}
	d.again.push(s)
	wake := d.idle
	d.idle = false
	d.mu.Unlock()
	if wake {
		signal(d.wake)
	}
}
