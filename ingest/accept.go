package ingest

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"time"
)

// accept takes connections until Stop, then those left in the backlog.
func (l *listener) accept() {
	defer l.close()
	var wait backoff
	for l.takeSlot() {
		conn, err := l.streams.Accept()
		if err == nil {
			wait.over(l)
			if !l.admit(conn) {
				l.freeSlot()
				continue
			}
			l.in.running.Go(func() {
				defer l.freeSlot()
				l.serve(conn)
			})
			continue
		}
		l.freeSlot()
		if l.in.stopping() {
			break
		}
		wait.next(l, err)
		select {
		case <-time.After(wait.delay):
		case <-l.in.stop:
		}
	}
	l.acceptBacklog()
}

// takeSlot waits until l may have one connection more. It returns false when
// Stop begins.
func (l *listener) takeSlot() bool {
	if l.in.stopping() {
		return false
	}
	if l.slots == nil {
		return true
	}
	select {
	case l.slots <- struct{}{}:
		return true
	default:
	}
	l.counts.limitReached.Add(1)
	if l.limitLog.due() {
		l.in.log.Warn("as many connections as allowed; others wait", "listener", l.Name, "max_connections", l.MaxConnections)
	}
	select {
	case l.slots <- struct{}{}:
		return true
	case <-l.in.stop:
		return false
	}
}

func (l *listener) freeSlot() {
	if l.slots != nil {
		<-l.slots
	}
}

// acceptBacklog takes the connections that clients made before Stop, without
// waiting for more and whatever the limit: they may have sent already. It asks
// the kernel itself, because package net accepts nothing once a deadline is over.
func (l *listener) acceptBacklog() {
	raw, err := l.streams.SyscallConn()
	if err != nil {
		return
	}
	var wait backoff
	for !l.in.aborted.Load() {
		var conn net.Conn
		raw.Control(func(fd uintptr) { conn, err = acceptNow(int(fd)) })
		switch {
		case err == nil:
			if l.admit(conn) {
				l.in.running.Go(func() { l.serve(conn) })
			}
		case errors.Is(err, syscall.EAGAIN):
			return
		case errors.Is(err, syscall.EINTR), errors.Is(err, syscall.ECONNABORTED):
		default: // no descriptor left, perhaps: connections being drained free some
			wait.next(l, err)
			time.Sleep(min(wait.delay, drainQuiet))
		}
	}
}

func acceptNow(fd int) (net.Conn, error) {
	nfd, _, err := syscall.Accept(fd)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(nfd)
	f := os.NewFile(uintptr(nfd), "")
	defer f.Close() // FileConn has its own
	return net.FileConn(f)
}

// backoff spaces attempts to accept and logs the first and the last of a series
// of errors.
type backoff struct {
	delay  time.Duration
	errors uint64
}

const (
	firstDelay   = 5 * time.Millisecond
	longestDelay = time.Second
)

// next counts an error and sets the delay: twice the last one, give or take a
// quarter.
func (b *backoff) next(l *listener, err error) {
	l.counts.acceptErrors.Add(1)
	if b.errors++; b.errors == 1 {
		b.delay = firstDelay
		l.in.log.Error("cannot accept connections; trying on", "listener", l.Name, "err", err)
	} else {
		b.delay = min(2*b.delay, longestDelay)
	}
	b.delay += time.Duration((rand.Float64() - 0.5) / 2 * float64(b.delay))
}

// over ends a series of errors.
func (b *backoff) over(l *listener) {
	if b.errors > 0 {
		l.in.log.Info("accepting connections again", "listener", l.Name, "errors", b.errors)
		*b = backoff{}
	}
}
