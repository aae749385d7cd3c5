package archive

import (
	"errors"
	"io/fs"
	"os"
	"slices"
)

// openJournal makes pending what the segments hold. Nobody else has a yet.
func (a *Archive) openJournal() error {
	dir := a.cfg.Dir
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	j := &journal{fs: disk, next: 1, limit: max(min(maxSegment, a.cfg.MaxJournal/minSegments), minSegment)}
	for _, e := range entries {
		s, err := parseName(dir, e.Name())
		if err != nil {
			return err
		}
		if s != nil {
			j.segs = append(j.segs, s)
			j.next = max(j.next, s.seq+1)
		}
	}
	sortSegments(j.segs)
	var fresh bool
	if j.state, j.st, fresh, err = loadState(j.fs, dir, a.view.Load().since, a.opened); err != nil {
		return err
	}
	a.journal = j
	if fresh && len(j.segs) > 0 {
		a.cfg.Logger.Warn("the state of the journal was missing or damaged: buckets that began before now are not amended through the store", "dir", dir)
	}
	a.lost = j.st.lost.add(j.st.risk)
	if !j.st.risk.empty() {
		a.cfg.Logger.Warn("the journal had failed before an earlier run ended: cells of that time may be lost", "from", j.st.risk.from, "until", j.st.risk.to)
	}
	r := replay{a: a, consumed: make(map[uint64]bool)}
	for _, s := range j.segs {
		if err := r.segment(s); err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.state.Close()
			return err
		}
	}
	r.finish()
	return nil
}

// replay makes pending again what the journal holds.
type replay struct {
	a        *Archive
	consumed map[uint64]bool // deltas that have been merged
	native   []int64
	maxID    uint64
}

// maxRead bounds what is read of one segment.
const maxRead = 4 * maxSegment

// segment adds the cells of a segment. What the disk does not give of it counts as
// damaged.
func (r *replay) segment(s *segment) error {
	a := r.a
	b, err := readFile(s.path, maxRead)
	if err != nil && len(b) == 0 {
		return err
	}
	var hull span
	d := parseSegment(b, s.salt, func(rec *record) {
		hull = hull.join(span{rec.start, rec.start + rec.step})
		r.record(s, rec)
	})
	if err != nil {
		d.records++
	}
	s.size = int64(len(b))
	a.journal.bytes += s.size
	a.stats.TornBytes += d.torn
	if d.records > 0 {
		a.stats.Found += d.records
		a.stats.Dropped[JournalDamaged] += d.records
		if hull.empty() {
			hull = span{a.journal.st.since, a.opened}
		}
		a.lost = a.lost.add(hull)
		a.cfg.Logger.Error("the journal is damaged: cells are lost", "segment", s.path, "records", d.records, "bytes", d.bytes, "err", err)
	}
	a.evict()
	return nil
}

func (r *replay) record(s *segment, rec *record) {
	a := r.a
	p := &a.pending
	if rec.kind == kindDrop {
		if e := p.entries[rec.series.Name]; e != nil {
			a.stats.Found -= p.empty(e)
		}
		return
	}
	rec.series.Seen = rec.start
	if native := a.chain.index(rec.step) < 0 || rec.step < rec.series.Period; native && rec.kind == kindCell {
		rec.series.Period = rec.step // it was journaled when the series had another
	}
	if rec.step == rec.series.Period && !slices.Contains(r.native, rec.step) {
		r.native = append(r.native, rec.step)
	}
	for _, id := range rec.ids {
		r.maxID = max(r.maxID, id)
	}
	e := p.entry(&rec.series)
	data := p.arena.add(rec.data)
	if rec.kind == kindDelta {
		id := rec.ids[0]
		if !r.consumed[id] && !slices.ContainsFunc(e.deltas, func(d delta) bool { return d.id == id }) {
			p.putDelta(e, delta{period: rec.step, start: rec.start, data: data, id: id, seg: s})
			s.live++
			a.stats.Found++
		}
		p.leave(e)
		return
	}
	for _, id := range rec.ids {
		r.consumed[id] = true
		if i := slices.IndexFunc(e.deltas, func(d delta) bool { return d.id == id }); i >= 0 {
			e.deltas[i].seg.release(1)
			p.removeDelta(e, i)
			a.stats.Found--
		}
	}
	if !p.put(e, pcell{step: rec.step, start: rec.start, data: data}) {
		a.stats.Found++
	}
	i, _ := e.find(rec.step, rec.start)
	e.cells[i].journaled(s)
	s.live++
}

// finish ends the replay.
func (r *replay) finish() {
	a := r.a
	p := &a.pending
	p.seq = max(p.seq, r.maxID)
	p.queue.journaled = p.queue.end()
	j := a.journal
	j.st.risk = span{}
	j.st.lost = a.lost
	j.dirty = true
	slices.Sort(r.native)
	a.publish(func(v *view) {
		v.since, v.lost, v.native = j.st.since, a.lost, r.native
	})
	if a.stats.Found > 0 {
		a.cfg.Logger.Info("cells of an earlier run are in the journal and not known to be in the store", "cells", p.cells, "bytes", j.bytes)
	}
}
