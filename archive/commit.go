package archive

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Commit writes what was kept to the journal, and returns when it is durable. A disk
// that fails is retried by later calls, a while apart; meanwhile what is kept is in
// memory alone, and Stats and the log say so. One that hangs is waited for once.
func (a *Archive) Commit() { a.commit() }

// commit is Commit. It returns true when all that is pending is durable.
func (a *Archive) commit() bool {
	if a.journal == nil {
		return true
	}
	var timeout <-chan time.Time
	for {
		a.mu.Lock()
		flight, hangs := a.journal.flight, a.journal.failing
		if flight == nil {
			j := a.nextJob()
			if j == nil {
				ok := !a.journal.failing
				a.mu.Unlock()
				return ok
			}
			flight, hangs = make(chan struct{}), false
			a.journal.flight = flight
			go a.perform(j)
		}
		a.mu.Unlock()
		if hangs {
			return false
		}
		if timeout == nil {
			t := time.NewTimer(diskWait)
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-flight:
		case <-timeout:
			a.mu.Lock()
			if a.journal.flight == flight {
				a.journalFailed(fmt.Errorf("the disk has not answered for %v", diskWait))
			}
			a.mu.Unlock()
			return false
		}
	}
}

// nextJob returns what there is to do, or nil; mu is held.
func (a *Archive) nextJob() *job {
	j, q := a.journal, &a.pending.queue
	if j.closed || j.failing && time.Now().Before(j.retryAt) {
		return nil
	}
	q.trim()
	a.releaseSegments()
	if q.journaled == q.end() {
		j.fresh = span{}
		if !j.st.risk.empty() {
			j.st.risk, j.dirty = span{}, true
		}
	}
	w := &job{from: q.journaled, to: q.journaled}
	if j.current != nil && (j.retire || j.current.size >= j.limit) {
		w.end, j.current, j.retire = true, nil, false
	}
	if w.from < q.end() {
		a.encode(w)
	}
	if j.dirty {
		st := j.st
		w.state = &st
	}
	if !time.Now().Before(j.removeAt) {
		for _, s := range j.segs {
			if s.live > 0 || s == j.current {
				break
			}
			w.remove = append(w.remove, s)
		}
	}
	if len(w.data) == 0 && w.to == w.from && w.state == nil && len(w.remove) == 0 && !w.end {
		return nil
	}
	return w
}

// encode fills the job with records from the queue; mu is held.
func (a *Archive) encode(w *job) {
	j := a.journal
	w.seg = j.current
	if w.seg == nil {
		w.begin = true
		w.seg = newSegment(a.cfg.Dir, j.next, rand.Uint32())
	}
	w.data = j.buf[:0]
	var r record
	for _, it := range a.pending.queue.from(w.from) {
		if int64(len(w.data)) >= min(j.limit, maxChunk) {
			break
		}
		w.to++
		if i := it.e.cell(it.seq); i >= 0 {
			c := &it.e.cells[i]
			r = record{kind: kindCell, series: it.e.series, step: c.step, start: c.start, ids: r.ids[:0], data: c.data}
			if len(c.consumed) > 0 {
				r.kind = kindMerged
				for _, d := range c.consumed {
					r.ids = append(r.ids, d.id)
				}
			}
		} else if i := it.e.delta(it.seq); i >= 0 {
			d := &it.e.deltas[i]
			r = record{kind: kindDelta, series: it.e.series, step: d.period, start: d.start, ids: append(r.ids[:0], d.id), data: d.data}
		} else if it.e.dropped {
			r = record{kind: kindDrop, series: it.e.series, ids: r.ids[:0]}
		} else {
			continue
		}
		w.data = appendRecord(w.data, &r, w.seg.salt, w.seg.size+int64(len(w.data)))
	}
	if len(w.data) == 0 {
		w.seg, w.begin = nil, false
	}
}
