// Package heldport gives tests TCP ports on which nobody listens but they themselves,
// at times.
package heldport

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// New returns an address on which nobody listens until the end of the test, unless by
// [Listen]. A socket is bound to it that does not listen: so no other program gets the
// port, no client does as its own, and connections to it are refused.
func New(t testing.TB) (address string) {
	t.Helper()
	syscall.ForkLock.RLock() // programs that start must not hold it, too
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := share(fd); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	a := name.(*unix.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
}

// Listen listens on an address of New, any number of times one after the other.
func Listen(t testing.TB, address string) net.Listener {
	t.Helper()
	c := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) (err error) {
		if e := conn.Control(func(fd uintptr) { err = share(int(fd)) }); e != nil {
			return e
		}
		return err
	}}
	ln, err := c.Listen(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// share lets a socket have a port together with others that are shared.
func share(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }
