package ingest

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawAddr is the sender of a datagram as the kernel writes it.
type rawAddr unix.RawSockaddrInet6

// String returns address and port.
func (a *rawAddr) String() string {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&a.Port))[:])
	return netip.AddrPortFrom(a.ip(), port).String()
}

// ip returns the address, one of IPv4 as such.
func (a *rawAddr) ip() netip.Addr {
	if a.Family == unix.AF_INET {
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(a)).Addr)
	}
	return netip.AddrFrom16(a.Addr).Unmap()
}

// receiveNow reads one datagram from a non-blocking socket. Unlike the
// functions of the packages syscall and unix it allocates no address.
func receiveNow(fd uintptr, buf []byte, from *rawAddr) (int, error) {
	size := uint32(unsafe.Sizeof(*from))
	n, _, err := syscall.RawSyscall6(unix.SYS_RECVFROM, fd,
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0,
		uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(&size)))
	if err != 0 {
		return 0, err
	}
	return int(n), nil
}

// kernelDrops returns how many datagrams the kernel dropped because the
// socket's receive buffer was full.
func kernelDrops(c syscall.Conn) (drops uint64) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	// linux/sock_diag.h: the counters of SO_MEMINFO end with the drops.
	var info [9]uint32
	raw.Control(func(fd uintptr) {
		size := uint32(unsafe.Sizeof(info))
		_, _, err := syscall.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if err == 0 && size == uint32(unsafe.Sizeof(info)) {
			drops = uint64(info[8])
		}
	})
	return drops
}
