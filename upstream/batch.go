package upstream

import "net"

// A batch is what one write takes: spans up to batchBytes (a larger single span
// alone), and not more than the kernel takes in one call.
const (
	batchBytes = 256 << 10
	batchSpans = 1024
)

// siftBytes is how much of the queue is sorted at once into what may pass the spool
// and what not, for which the lock is held.
const siftBytes = 32 << 10

// take moves the oldest spans into flight and returns their bytes, valid until
// settle. With nothing to send but what is spooled it returns none, and that the
// writer is done if Stop has begun; otherwise the next push signals wake.
func (d *destination) take() (bufs net.Buffers, done bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.finished:
		return nil, true
	case d.again.spans > 0:
		d.fill(&d.again, fromAgain)
	case d.back.spans > 0:
		d.fill(&d.back, fromBack)
	default:
		for d.queue.spans > 0 && len(d.batch) == 0 {
			if d.behind() {
				d.sift()
			} else {
				d.fill(&d.queue, fromQueue)
			}
		}
	}
	if len(d.batch) == 0 {
		d.idle = !d.stopping
		return nil, d.stopping
	}
	return d.launch(), false
}

// fill moves the oldest spans of q to the batch; mu is held.
func (d *destination) fill(q *queue, from source) {
	d.from = from
	size := 0
	for q.spans > 0 && len(d.batch) < batchSpans {
		if size += q.at(0).size(); size > batchBytes && len(d.batch) > 0 {
			return
		}
		d.batch = append(d.batch, q.pop())
	}
}

// behind reports whether there are older rows than those of queue on the disk or on
// the way from or to it; mu is held.
func (d *destination) behind() bool {
	return d.spooled > 0 || d.late.spans > 0 || d.from == fromSpool && len(d.batch) > 0
}

// sift moves the oldest lines of queue to the batch, or to late if there may be an
// older value of their (name, timestamp) in the spool; mu is held.
func (d *destination) sift() {
	d.from = fromQueue
	s := d.queue.cut(siftBytes)
	b := s.bytes()
	begin, waits := 0, false
	run := func(end int) {
		if end == begin {
			return
		}
		p := s.part(begin, end)
		begin = end
		if !waits {
			d.batch = append(d.batch, p)
			return
		}
		d.late.push(p)
		p.block.release()
		d.rate.grant(p.lines)
	}
	for at := 0; at < len(b); {
		next := at + lineLen(b[at:])
		if w := d.times.has(stampOf(b[at:next])); w != waits {
			run(at)
			waits = w
		}
		at = next
	}
	run(len(b))
	s.block.release()
	if d.late.spans > 0 {
		signal(d.spoolWake)
	}
}

// launch returns the bytes of the batch, which is in flight now; mu is held.
func (d *destination) launch() net.Buffers {
	d.bufs = d.bufs[:0]
	for i := range d.batch {
		s := &d.batch[i]
		d.bufs = append(d.bufs, s.bytes())
		if d.from != fromAgain {
			d.stats.InFlight += int64(s.lines)
		}
	}
	return d.bufs
}

// settle ends the flight of the batch, of which p was taken. The line that was cut
// and all behind it return to where they were taken from, which may exceed its
// bounds by them until the next push: a broken connection as such loses nothing.
func (d *destination) settle(p progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.finished {
		return // they were counted as dropped
	}
	d.stats.BytesWritten += p.wire
	d.stats.InFlight = 0
	n, at := p.taken, d.now()
	written := -p.lost
	sent := 0
	for ; sent < len(d.batch) && n >= int64(d.batch[sent].size()); sent++ {
		s := d.batch[sent]
		n -= int64(s.size())
		written += int64(s.lines)
		d.remember(s, at)
	}
	if sent < len(d.batch) {
		s := &d.batch[sent]
		if whole, lines := s.taken(int(n)); whole > 0 {
			written += int64(lines)
			d.remember(s.part(0, whole), at)
			s.skip(whole, lines)
		}
	}
	if d.from == fromAgain {
		d.stats.Resent += written
	} else {
		d.stats.Written += written
		d.stats.Dropped[Unencodable] += p.lost
	}
	d.giveBack(d.batch[sent:])
	clear(d.batch)
	d.batch = d.batch[:0]
	d.from = fromQueue
	d.tidy()
	d.unshut()
}

// giveBack returns spans that were not taken; mu is held.
func (d *destination) giveBack(spans []span) {
	to := &d.queue
	switch {
	case d.from == fromSpool:
		for i := range spans {
			d.spooled += int64(spans[i].lines)
			spans[i].block.release()
		}
		return
	case d.from == fromAgain:
		to = &d.again
	case d.from == fromBack, d.spooled > 0 || d.late.spans > 0:
		to = &d.back // newer rows may have reached the disk meanwhile
	}
	for i := len(spans) - 1; i >= 0; i-- {
		to.unpop(spans[i])
	}
}
