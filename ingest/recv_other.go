//go:build !linux

package ingest

import (
	"net/netip"
	"syscall"
)

// rawAddr is the sender of a datagram.
type rawAddr struct{ netip.AddrPort }

// ip returns the address, one of IPv4 as such.
func (a *rawAddr) ip() netip.Addr { return a.Addr() }

// receiveNow reads one datagram from a non-blocking socket.
func receiveNow(fd uintptr, buf []byte, from *rawAddr) (int, error) {
	n, sa, err := syscall.Recvfrom(int(fd), buf, 0)
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		from.AddrPort = netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		from.AddrPort = netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return n, err
}

// kernelDrops returns 0: only Linux tells them by socket.
func kernelDrops(syscall.Conn) uint64 { return 0 }
