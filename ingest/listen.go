package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// A listener is one bound address.
type listener struct {
	Listener
	in     *Ingest
	counts counts
	addr   net.Addr

	streams streamListener // tcp and unix
	packets *net.UDPConn   // udp

	slots chan struct{} // one for each connection, where their number is bounded

	// Each is used by the listener's own goroutine only.
	limitLog, readLog oncePerMinute
}

// streamListener is what the listeners of package net have in common.
type streamListener interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

func newListener(in *Ingest, cfg Listener) *listener {
	l := &listener{Listener: cfg, in: in}
	if cfg.MaxConnections > 0 {
		l.slots = make(chan struct{}, cfg.MaxConnections)
	}
	return l
}

func (l *listener) bind() error {
	switch l.Transport {
	case "udp":
		return l.bindUDP()
	case "unix":
		if err := removeStale(l.Address); err != nil {
			return err
		}
	}
	// A peer that vanished without a word is noticed after 70 s, as by carbon.
	lc := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 30 * time.Second, Count: 2,
	}}
	ln, err := lc.Listen(context.Background(), l.Transport, l.Address)
	if err != nil {
		return err
	}
	l.streams, l.addr = ln.(streamListener), ln.Addr()
	return nil
}

func (l *listener) bindUDP() error {
	pc, err := net.ListenPacket("udp", l.Address)
	if err != nil {
		return err
	}
	l.packets, l.addr = pc.(*net.UDPConn), pc.LocalAddr()
	want := l.in.cfg.UDPBuffer
	if want == 0 {
		return nil
	}
	if err := l.packets.SetReadBuffer(want); err != nil {
		l.close()
		return fmt.Errorf("listen udp %s: receive buffer of %d bytes: %w", l.Address, want, err)
	}
	if got := receiveBuffer(l.packets); got < want {
		l.in.log.Warn("the system grants a smaller UDP receive buffer than asked for; raise net.core.rmem_max",
			"listener", l.Name, "asked", want, "granted", got)
	}
	return nil
}

// receiveBuffer returns the kernel's receive buffer as one asks for it: Linux
// reports the double.
func receiveBuffer(c syscall.Conn) (size int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		size, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	})
	return size / 2
}

// removeStale removes the socket file of a process that is gone.
func removeStale(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("listen unix: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("listen unix %s: the file is there already and is no socket", path)
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("listen unix %s: another process listens on it", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("listen unix: remove the stale socket: %w", err)
		}
		return nil
	default:
		return fmt.Errorf("listen unix %s: cannot tell whether another process listens on it: %w", path, err)
	}
}

// run reads what comes to l until Stop.
func (l *listener) run() {
	if l.packets != nil {
		l.receive()
	} else {
		l.accept()
	}
}

// wake ends a wait for connections.
func (l *listener) wake() {
	if l.streams != nil {
		l.streams.SetDeadline(time.Now())
	}
}

// close closes l; a unix socket's file goes with it.
func (l *listener) close() {
	if l.streams != nil {
		l.streams.Close()
	}
	if l.packets != nil {
		l.packets.Close()
	}
}
