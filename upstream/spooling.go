package upstream

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/coalesce-metrics/coalesce/spool"
)

// spoolBytes is how much goes to the disk, or comes from it, at once.
const spoolBytes = 64 << 10

// lineBytes is about the length of a line.
const lineBytes = 64

// spoolRetry is the pause after the disk could not be read.
const spoolRetry = time.Second

// openSpool opens the spool with what an earlier run has left there.
func (d *destination) openSpool() error {
	dir := spoolDir(d.cfg, &d.to)
	if err := d.loadBack(filepath.Join(dir, backDir)); err != nil {
		return err
	}
	s, err := spool.Open(dir, spool.Options{MaxBytes: d.cfg.Spool.Bytes, MaxAge: d.cfg.Spool.Age, Logger: d.log})
	if err != nil {
		return err
	}
	d.spool = s
	d.syncSpool()
	if d.spooled == 0 {
		return nil
	}
	d.log.Info("rows found in the spool", "datapoints", d.spooled)
	if err := s.Scan(d.times.add); err != nil {
		d.times.fill()
		d.log.Warn("the spool cannot be read through, so that all rows wait behind it", "err", err)
	}
	return nil
}

// closeSpool moves to the disk what is queued.
func (d *destination) closeSpool() {
	for d.spoolSome(true) {
	}
	err := d.saveBack(filepath.Join(spoolDir(d.cfg, &d.to), backDir))
	err = errors.Join(err, d.spool.Close())
	d.syncSpool()
	if err != nil {
		d.log.Error("spool not closed in order", "err", err)
	}
	if n := d.read().Spooled; n > 0 {
		d.log.Info("rows are kept in the spool", "datapoints", n)
	}
}

// backDir is a spool of the rows of again and back, which are older than those in the
// spool that it is in.
const backDir = "first"

// spooledAgain marks the kind of rows of again in that spool.
const spooledAgain = 1 << 6

// loadBack takes the rows out of the spool in dir, if there is one.
func (d *destination) loadBack(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s, err := spool.Open(dir, spool.Options{Logger: d.log})
	if err != nil {
		return err
	}
	for {
		b, ok, err := s.Peek(spoolBytes)
		if err != nil || !ok {
			n := s.Stats().Dropped[spool.Damaged]
			d.stats.Found += n
			d.stats.Dropped[SpoolDamaged] += n
			if err = errors.Join(err, s.Close()); err != nil {
				return err
			}
			return os.RemoveAll(dir)
		}
		to := &d.again
		if b.Kind&spooledAgain == 0 {
			to = &d.back
			d.stats.Found += int64(b.N)
		}
		kind := kindOf(b.Kind &^ spooledAgain)
		d.arenas[classOf(kind)].store(b.Lines, b.N, kind, func(s span) {
			s.stays = true
			to.push(s)
		})
		s.Ack(len(b.Lines))
	}
}

// saveBack moves the rows of again and back to a spool in dir.
func (d *destination) saveBack(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.again.spans+d.back.spans == 0 {
		return nil
	}
	s, err := spool.Open(dir, spool.Options{Logger: d.log})
	if err != nil {
		return err
	}
	for err == nil && d.again.spans > 0 {
		p := d.again.pop()
		_, err = s.Append(p.bytes(), uint8(p.kind)|spooledAgain)
		p.block.release()
	}
	for err == nil && d.back.spans > 0 {
		p := d.back.pop()
		var stored int
		stored, err = s.Append(p.bytes(), uint8(p.kind))
		d.spooled += int64(stored)
		d.stats.Dropped[SpoolError] += int64(p.lines - stored)
		p.block.release()
	}
	return errors.Join(err, s.Close())
}

// runSpooler moves rows to the disk until Stop begins.
func (d *destination) runSpooler() {
	defer close(d.spoolEnded)
	for {
		select {
		case <-d.spoolWake:
		case <-d.hurry:
			return
		}
		for more := true; more; {
			select {
			case <-d.hurry:
				return
			default:
				more = d.spoolSome(false)
			}
		}
	}
}

// spoolSome moves some rows to the disk: late ones, else the oldest ones if there are
// too many, or in any case with all. It returns false when there are none.
func (d *destination) spoolSome(all bool) bool {
	spans := d.pick(all)
	if len(spans) == 0 {
		return false
	}
	lines := spans[0].bytes()
	if len(spans) > 1 {
		lines = nil
		for i := range spans {
			lines = append(lines, spans[i].bytes()...)
		}
	}
	n := 0
	for i := range spans {
		n += spans[i].lines
	}
	stored, err := d.spool.Append(lines, uint8(spans[0].kind))
	for i := range spans {
		spans[i].block.release()
	}
	d.spoolFailed("rows cannot be spooled and are dropped", err)
	d.mu.Lock()
	d.spooled -= int64(n - stored)
	d.stats.Dropped[SpoolError] += int64(n - stored)
	d.dry = false
	wake := d.idle
	d.idle = false
	d.mu.Unlock()
	d.syncSpool()
	if wake {
		signal(d.wake) // there is something to drain
	}
	return true
}

// pick takes rows of one kind for the spool out of the queues. From here on they
// count as spooled.
func (d *destination) pick(all bool) (spans []span) {
	d.mu.Lock()
	defer d.mu.Unlock()
	size := 0
	add := func(q *queue) {
		s := q.cut(spoolBytes - size)
		size += s.size()
		d.spooled += int64(s.lines)
		spans = append(spans, s)
	}
	for d.late.spans > 0 && size < spoolBytes && (len(spans) == 0 || d.late.at(0).kind == spans[0].kind) {
		add(&d.late)
	}
	if len(spans) > 0 {
		return spans
	}
	if d.queue.spans > 0 && (all || d.over(d.soft)) {
		add(&d.queue)
		d.times.add(spans[0].bytes())
	}
	d.unshut()
	return spans
}

// drainSpool writes some rows of the spool to s, if its rate allows and everything
// that goes before them is gone. It returns whether it did, otherwise for how long
// there is nothing to do here; below 0 means until signalled.
func (d *destination) drainSpool(s sink) (wrote bool, pause time.Duration, err error) {
	if pause = d.drainPause(); pause != 0 {
		return false, pause, nil
	}
	// About a tenth of a second's worth, since it goes at once.
	b, ok, err := d.spool.Peek(min(spoolBytes, d.cfg.Spool.Rate*lineBytes/10))
	d.syncSpool()
	if err != nil {
		d.spoolFailed("the spool cannot be read", err)
		d.mu.Lock()
		d.dry = false
		d.mu.Unlock()
		return false, spoolRetry, nil
	}
	if !ok {
		return false, -1, nil
	}
	d.mu.Lock()
	if d.finished {
		d.mu.Unlock()
		return false, -1, nil
	}
	d.from, d.dry = fromSpool, false
	d.arenas[classOf(kindOf(b.Kind))].store(b.Lines, b.N, kindOf(b.Kind), func(s span) {
		s.block.retain()
		s.stays = true
		d.batch = append(d.batch, s)
	})
	d.spooled -= int64(b.N)
	d.rate.spend(b.N)
	bufs := d.launch()
	d.mu.Unlock()
	p, err := s.write(bufs)
	d.settle(p)
	d.spool.Ack(int(p.taken))
	d.syncSpool()
	return true, 0, err
}

// drainPause returns for how long nothing of the spool may be sent; below 0 means
// until signalled.
func (d *destination) drainPause() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.spooled == 0 || d.dry || d.stopping || d.again.spans+d.back.spans > 0 {
		return -1
	}
	d.dry = true // until something is appended, should Peek find nothing
	if pause := d.rate.pause(time.Now()); pause > 0 {
		d.dry = false
		return pause
	}
	return 0
}

// kindOf returns the kind of spooled rows. A later version may have more.
func kindOf(k uint8) Kind { return min(Kind(k), NumKinds-1) }

// syncSpool enters into the books what the spool has lost or found by itself.
func (d *destination) syncSpool() {
	now := d.spool.Stats()
	d.mu.Lock()
	defer d.mu.Unlock()
	for r, n := range now.Dropped {
		if more := n - d.seen.Dropped[r]; more > 0 {
			d.seen.Dropped[r] = n
			d.stats.Dropped[SpoolFull+Reason(r)] += more
			d.spooled -= more
		}
	}
	if more := now.Found - d.seen.Found; more > 0 {
		d.seen.Found = now.Found
		d.stats.Found += more
		d.spooled += more
	}
	d.stats.SpoolBytes = now.Bytes
	d.tidy()
}

// tidy forgets what was spooled when that is gone; mu is held.
func (d *destination) tidy() {
	if !d.behind() {
		d.times.clear()
		d.rate.reset()
	}
}

func (d *destination) spoolFailed(text string, err error) {
	if err == nil {
		return
	}
	d.mu.Lock()
	n := d.trouble.add(time.Now(), 1)
	d.mu.Unlock()
	if n > 0 {
		d.log.Error(text, "err", err, "times", n)
	}
}
