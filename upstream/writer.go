package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

var errPeerClosed = errors.New("closed by the other side")

// run is the writer: it keeps a connection and writes what is queued, until Stop.
func (d *destination) run() {
	defer close(d.ended)
	defer d.cancel()
	pause := backoff{min: d.cfg.ReconnectMin, max: d.cfg.ReconnectMax}
	for {
		ctx, cancel := context.WithTimeout(d.ctx, d.cfg.ConnectTimeout)
		s, err := d.open(ctx)
		cancel()
		if err == nil {
			began := time.Now()
			d.connected()
			err = d.serve(s)
			d.disconnected(s, err)
			s.close()
			if time.Since(began) >= d.cfg.ReconnectMax {
				pause.reset()
			}
		} else if d.ctx.Err() == nil {
			d.notConnected(err)
		}
		if err == nil || d.spools() || !d.wait(pause.next()) {
			return
		}
	}
}

// spools reports whether what is left goes to the disk now rather than to another
// connection.
func (d *destination) spools() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stopping && d.spool != nil
}

// wait pauses for t, or less when Stop begins meanwhile. It returns false when the
// writer is to end.
func (d *destination) wait(t time.Duration) bool {
	hurry := d.hurry
	select {
	case <-hurry:
		hurry = nil // has cut one pause short already
	default:
	}
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hurry:
	case <-d.ctx.Done():
	}
	return d.ctx.Err() == nil
}

// serve writes what is queued to s, and what is spooled beside. It returns nil when
// the writer is to end, otherwise why s is of no more use.
func (d *destination) serve(s sink) error {
	var last time.Time
	for {
		bufs, done := d.take()
		if done {
			return nil
		}
		if len(bufs) > 0 {
			last = time.Now()
			p, err := s.write(bufs)
			d.settle(p)
			if err != nil {
				return d.writeError(s, err)
			}
		}
		pause := time.Duration(-1)
		if d.spool != nil {
			wrote, p, err := d.drainSpool(s)
			if err != nil {
				return d.writeError(s, err)
			}
			if pause = p; wrote {
				continue
			}
		}
		if len(bufs) == 0 {
			if end, err := d.sleep(s, last, pause); end {
				return err
			}
		}
	}
}

// sleep waits until there is something to write, but not before FlushInterval after
// last, or until pause is over, unless it is below 0. When s or the writer is to end,
// it returns true and serve's result.
func (d *destination) sleep(s sink, last time.Time, pause time.Duration) (end bool, err error) {
	var over <-chan time.Time
	if pause >= 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-d.wake:
	case <-over:
		return false, nil
	case <-d.hurry:
		return false, nil
	case <-s.gone():
		return true, d.peerClosed()
	case <-d.ctx.Done():
		return true, nil
	}
	rest := d.cfg.FlushInterval - time.Since(last)
	if rest <= 0 {
		return false, nil
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.hurry:
	case <-s.gone():
		return true, d.peerClosed()
	case <-d.ctx.Done():
		return true, nil
	}
	return false, nil
}

func (d *destination) connected() {
	d.mu.Lock()
	d.stats.Connected = true
	d.stats.Connects++
	d.refused = throttle{}
	d.since = time.Now()
	d.flaps++
	times := int64(1)
	if d.flaps > flapsLogged {
		times = d.arrivals.add(d.since, 1)
	}
	d.mu.Unlock()
	if times > 0 {
		d.log.Info("destination connected", "times", times)
	}
	if d.chosen {
		d.up.rise(d)
	}
}

func (d *destination) notConnected(err error) {
	d.mu.Lock()
	d.stats.ConnectErrors++
	d.stats.LastError = err.Error()
	attempts := d.refused.add(time.Now(), 1)
	d.mu.Unlock()
	if attempts > 0 {
		d.log.Warn("destination not connected", "err", err, "attempts", attempts)
	}
	if d.chosen {
		d.up.fall(d)
	}
	if d.spool != nil {
		d.spool.Expire()
		d.syncSpool()
	}
}

// The log tells of the first few connections that are lost soon one by one, of
// more one line in a while, until one has lasted.
const (
	flapsLogged = 3
	steadyAfter = time.Minute
)

// disconnected notes the end of s; err is nil for an orderly one.
func (d *destination) disconnected(s sink, err error) {
	d.mu.Lock()
	d.stats.Connected = false
	now := time.Now()
	if now.Sub(d.since) >= steadyAfter {
		d.flaps, d.arrivals, d.losses = 0, throttle{}, throttle{}
	}
	times := int64(1)
	if err != nil && d.flaps > flapsLogged {
		times = d.losses.add(now, 1)
	}
	d.mu.Unlock()
	if err != nil {
		if times > 0 {
			d.log.Warn("destination lost", "err", err, "times", times)
		}
		d.revive()
		return
	}
	select {
	case <-s.gone():
		d.revive() // the other side was first
	default:
	}
}

// writeError notes a failed write and returns its cause, or nil when Stop broke it
// off.
func (d *destination) writeError(s sink, err error) error {
	if d.ctx.Err() != nil {
		return nil
	}
	select {
	case <-s.gone():
		err = errPeerClosed // the write failed because of that
	default:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats.WriteErrors++
	d.stats.LastError = err.Error()
	return err
}

// peerClosed notes the end of an idle connection and returns its cause, or nil when
// it was Stop.
func (d *destination) peerClosed() error {
	if d.ctx.Err() != nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats.PeerCloses++
	d.stats.LastError = errPeerClosed.Error()
	return errPeerClosed
}

// backoff is the pause before the next attempt to connect.
type backoff struct{ min, max, cur time.Duration }

// next returns the pause, of which up to half is left to chance, and doubles it.
func (b *backoff) next() time.Duration {
	d := max(b.cur, b.min)
	b.cur = min(2*d, b.max)
	return d - rand.N(d/2+1)
}

func (b *backoff) reset() { b.cur = 0 }

// logInterval is the shortest time between two log lines of one throttle.
const logInterval = 10 * time.Second

// throttle lets a repeated log line through at its first occurrence and then at
// most once every logInterval.
type throttle struct {
	next    time.Time
	pending int64
}

// add notes n occurrences. It returns how many there were since the last line when
// it is time for one, otherwise zero.
func (t *throttle) add(now time.Time, n int64) int64 {
	t.pending += n
	if now.Before(t.next) {
		return 0
	}
	n, t.pending, t.next = t.pending, 0, now.Add(logInterval)
	return n
}
