package archive

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

const (
	// maxSegment is the size at which a segment ends, unless MaxJournal asks for
	// smaller ones; it is also how much is written at a time at most.
	maxSegment = 16 << 20
	maxChunk   = 4 << 20
	minSegment = 16 << 10
	// minSegments is how many segments MaxJournal has room for at least, so that at
	// most that part of it is dropped at once.
	minSegments = 8
	// emptySegment is the size from which a segment is removed when nothing in it is
	// needed, though it is not full: less costs no time at the next start.
	emptySegment = 1 << 20

	// diskWait is how long Commit waits for the disk.
	diskWait     = 10 * time.Second
	firstDelay   = time.Second // until a failed disk or store is tried again; it doubles
	longestDelay = time.Minute
)

// journal is where cells are until the store has them. What is on the disk is
// touched by one job at a time, in a goroutine of its own, since a disk may hang.
// Guarded by Archive.mu, but for the last group, which belongs to the job.
type journal struct {
	fs    layer
	state file
	st    state // as it is to be on the disk
	dirty bool  // it is not
	// fresh is the hull of the cells kept since all were journaled.
	fresh   span
	segs    []*segment // oldest first
	bytes   int64
	next    uint64
	current *segment // is being written; nil before the first record of a segment
	retire  bool     // begin another one
	limit   int64    // size at which a segment ends
	closed  bool

	flight   chan struct{} // closed when the job is done; nil without one
	failing  bool
	delay    time.Duration
	retryAt  time.Time
	removeAt time.Time // earlier ones are not tried, after one has failed

	active file
	buf    []byte
}

// job is what is to be done on the disk.
type job struct {
	from, to uint64   // places in the queue that data is of
	data     []byte   // records
	seg      *segment // that they go to, at its size
	begin    bool     // seg is to be made
	end      bool     // what has been written is to be closed first
	state    *state   // to be saved
	remove   []*segment

	// What became of it.
	saved     *state
	removed   int
	err       error // of the data or the state
	removeErr error
	spoilt    bool // nothing may be appended to seg
}

// perform does a job and enters what became of it.
func (a *Archive) perform(w *job) {
	j := a.journal
	j.write(w, a.cfg.Sync)
	if w.state != nil {
		if err := saveState(j.state, w.state, a.cfg.Sync); err != nil {
			w.err = errors.Join(w.err, err)
		} else {
			w.saved = w.state
		}
	}
	for _, s := range w.remove {
		if err := j.fs.remove(s.path); err != nil && !isNotExist(err) {
			w.removeErr = err
			break
		}
		w.removed++
	}
	if w.err != nil {
		a.saveRisk(w)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.enter(w)
	close(j.flight)
	j.flight = nil
}

// write puts the records into their segment.
func (j *journal) write(w *job, sync bool) {
	if w.end && j.active != nil {
		j.active.Close() // all in it has been forced, or need not be
		j.active = nil
	}
	if w.seg == nil {
		return
	}
	if w.begin {
		j.active, w.err = j.fs.open(w.seg.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND)
		if w.err == nil && sync {
			w.err = j.fs.syncDir(filepath.Dir(w.seg.path))
		}
		if w.err != nil {
			w.spoilt = true
			return
		}
	}
	if _, w.err = j.active.Write(w.data); w.err != nil {
		w.spoilt = j.active.Truncate(w.seg.size) != nil
	} else if sync {
		// What the disk has after a failure is not known, and the next call may tell
		// nothing of it.
		w.err = j.active.Sync()
		w.spoilt = w.err != nil
	}
	if w.spoilt {
		j.active.Close()
		j.active = nil
	}
}

// riskMargin is for what is kept until the disk is tried again, in seconds.
const riskMargin = int64(2 * longestDelay / time.Second)

// saveRisk writes down which cells the disk did not take.
func (a *Archive) saveRisk(w *job) {
	j := a.journal
	a.mu.Lock()
	if fresh := j.fresh; !fresh.empty() {
		fresh.to += riskMargin
		if risk := j.st.risk.join(fresh); risk != j.st.risk {
			j.st.risk, j.dirty = risk, true
		}
	}
	st, dirty := j.st, j.dirty
	a.mu.Unlock()
	if dirty && saveState(j.state, &st, a.cfg.Sync) == nil {
		w.saved = &st
	}
}

// enter notes what became of a job; mu is held.
func (a *Archive) enter(w *job) {
	j, q := a.journal, &a.pending.queue
	j.buf = w.data[:0]
	if cap(j.buf) > 2*maxChunk {
		j.buf = nil
	}
	if w.seg != nil {
		if w.begin {
			j.next++
			j.segs = append(j.segs, w.seg)
		}
		if j.current = w.seg; w.spoilt {
			j.current = nil
		}
	}
	if w.removed > 0 {
		for _, s := range w.remove[:w.removed] {
			j.bytes -= s.size
		}
		j.segs = append(j.segs[:0:0], j.segs[w.removed:]...)
	}
	if w.removeErr != nil {
		a.stats.JournalErrors++
		if j.removeAt.IsZero() {
			a.cfg.Logger.Warn("segments of the journal cannot be removed", "err", w.removeErr)
		}
		j.removeAt = time.Now().Add(longestDelay)
	} else if len(w.remove) > 0 {
		j.removeAt = time.Time{}
	}
	if w.saved != nil {
		j.dirty = !w.saved.equal(&j.st)
	}
	if w.err != nil {
		a.journalFailed(w.err)
		return
	}
	if w.seg != nil || w.state != nil {
		a.journalWorks()
	}
	for i := max(w.from, q.base); i < w.to; i++ {
		a.journaled(q.at(i), w.seg)
	}
	q.journaled = max(q.journaled, w.to)
	if w.seg != nil {
		n := int64(len(w.data))
		w.seg.size += n
		j.bytes += n
		a.stats.JournaledBytes += n
		a.boundJournal()
	}
}

// journaled notes that seg has what it says; mu is held.
func (a *Archive) journaled(it item, seg *segment) {
	if i := it.e.cell(it.seq); i >= 0 {
		it.e.cells[i].journaled(seg)
	} else if i := it.e.delta(it.seq); i >= 0 {
		it.e.deltas[i].seg = seg
	} else {
		return
	}
	seg.live++
}

// journalFailed notes an error; mu is held.
func (a *Archive) journalFailed(err error) {
	j := a.journal
	a.stats.JournalErrors++
	if !j.failing {
		a.cfg.Logger.Error("the journal cannot be written: until it can, cells are in memory alone", "dir", a.cfg.Dir, "err", err)
		j.delay = firstDelay / 2
	}
	j.failing = true
	a.stats.JournalOK = false
	j.delay = min(2*j.delay, longestDelay)
	j.retryAt = time.Now().Add(j.delay)
}

func (a *Archive) journalWorks() {
	if j := a.journal; j.failing {
		j.failing = false
		a.stats.JournalOK = true
		a.cfg.Logger.Info("the journal is written again", "dir", a.cfg.Dir)
	}
}

// releaseSegments has a segment that nothing is needed of, and that is not small,
// end early, so that it can be removed; mu is held.
func (a *Archive) releaseSegments() {
	if j := a.journal; j.current != nil && j.current.live == 0 && j.current.size >= min(emptySegment, j.limit) {
		j.retire = true
	}
}

// boundJournal drops the cells of the oldest segments beyond MaxJournal; mu is held.
// The segments are then removed by the next job.
func (a *Archive) boundJournal() {
	j := a.journal
	over := j.bytes - a.cfg.MaxJournal
	for _, s := range j.segs {
		if over <= 0 || s == j.current {
			break
		}
		over -= s.size
		if s.live > 0 {
			a.dropSegment(s)
		}
	}
}

// closeJournal gives the files up, unless the disk hangs.
func (a *Archive) closeJournal() {
	j := a.journal
	if j == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if j.flight != nil || j.closed {
		return
	}
	j.closed = true
	if j.active != nil {
		j.active.Close()
		j.active = nil
	}
	j.current = nil
	j.state.Close()
}
