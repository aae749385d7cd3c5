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

	"golang.org/x/sys/unix"

	"github.com/coalesce-metrics/coalesce/certs"
)

// A listener is one bound address.
type listener struct {
	Listener
	in     *Ingest
	counts counts
	addr   net.Addr

	streams streamListener // tcp and unix
	packets *net.UDPConn   // udp

	slots chan struct{}       // one for each connection, where their number is bounded
	tls   *certs.Certificates // nil without TLS
	// handshake is how long a client may take for its part of the handshake.
	handshake time.Duration

	limitLog, readLog, deniedLog, handshakeLog oncePerMinute
}

// streamListener is what the listeners of package net have in common.
type streamListener interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

func newListener(in *Ingest, cfg Listener) (*listener, error) {
	l := &listener{Listener: cfg, in: in, handshake: handshakeTimeout}
	if cfg.MaxConnections > 0 {
		l.slots = make(chan struct{}, cfg.MaxConnections)
	}
	if cfg.TLS != nil {
		var err error
		if l.tls, err = l.loadCertificates(); err != nil {
			return nil, fmt.Errorf("listener %q: %w", cfg.Name, err)
		}
	}
	return l, nil
}

// A peer that vanished without a word is noticed after 70 s, as by carbon.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 30 * time.Second, Count: 2}

func (l *listener) bind() error {
	switch {
	case l.Transport == "udp":
		return l.bindUDP()
	case l.Socket != nil:
		return l.adopt()
	case l.Transport == "unix":
		if err := removeStale(l.Address); err != nil {
			return err
		}
	}
	lc := l.config()
	ln, err := lc.Listen(context.Background(), l.Transport, l.Address)
	if err != nil {
		return err
	}
	l.streams, l.addr = ln.(streamListener), ln.Addr()
	return nil
}

// config says how a socket is made.
func (l *listener) config() net.ListenConfig {
	lc := net.ListenConfig{KeepAliveConfig: keepAlive}
	if l.ReusePort {
		lc.Control = func(_, _ string, raw syscall.RawConn) error {
			var err error
			if e := raw.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			}); e != nil {
				return e
			}
			return os.NewSyscallError("setsockopt SO_REUSEPORT", err)
		}
	}
	return lc
}

func (l *listener) bindUDP() error {
	if l.Socket != nil {
		if err := l.adopt(); err != nil {
			return err
		}
	} else {
		lc := l.config()
		pc, err := lc.ListenPacket(context.Background(), "udp", l.Address)
		if err != nil {
			return err
		}
		l.packets, l.addr = pc.(*net.UDPConn), pc.LocalAddr()
	}
	want := l.in.cfg.UDPBuffer
	if want == 0 {
		return nil
	}
	if err := l.packets.SetReadBuffer(want); err != nil {
		l.close()
		return fmt.Errorf("listen udp %v: receive buffer of %d bytes: %w", l.addr, want, err)
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
