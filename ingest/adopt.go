package ingest

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// adopt takes over a copy of the socket handed down.
func (l *listener) adopt() error {
	if l.Transport == "udp" {
		pc, err := net.FilePacketConn(l.Socket)
		if err != nil {
			return l.unfit(err)
		}
		udp, ok := pc.(*net.UDPConn)
		if !ok {
			pc.Close()
			return l.unfit(fmt.Errorf("it is a %T", pc))
		}
		l.packets, l.addr = udp, udp.LocalAddr()
		return nil
	}
	ln, err := net.FileListener(l.Socket)
	if err != nil {
		return l.unfit(err)
	}
	if network := ln.Addr().Network(); network != l.Transport {
		ln.Close()
		return l.unfit(fmt.Errorf("it is a %s socket", network))
	}
	l.streams, l.addr = ln.(streamListener), ln.Addr()
	if !l.listening() {
		l.close()
		return l.unfit(fmt.Errorf("it does not listen"))
	}
	return nil
}

func (l *listener) unfit(err error) error {
	return fmt.Errorf("listen %s: the socket handed over as %q cannot be used: %w", l.Transport, l.Socket.Name(), err)
}

// listening asks the kernel: package net takes a stream socket's word for it.
func (l *listener) listening() (yes bool) {
	raw, err := l.streams.SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) {
		n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		yes = err == nil && n != 0
	})
	return yes
}
