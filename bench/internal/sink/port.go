package sink

import (
	"net"
	"os"
	"syscall"
)

// A port is a TCP port on loopback that is taken, whether it is listened on or not.
// Until it is, connections to it are refused.
type port struct {
	number int
	file   *os.File // the socket
	l      net.Listener
}

func takePort() (*port, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	p := &port{file: os.NewFile(uintptr(fd), "port")}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		p.close()
		return nil, os.NewSyscallError("bind", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		p.close()
		return nil, os.NewSyscallError("getsockname", err)
	}
	p.number = name.(*syscall.SockaddrInet4).Port
	return p, nil
}

func (p *port) listen() (net.Listener, error) {
	if err := syscall.Listen(int(p.file.Fd()), syscall.SOMAXCONN); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	var err error
	p.l, err = net.FileListener(p.file)
	return p.l, err
}

func (p *port) close() {
	if p.l != nil {
		p.l.Close()
	}
	p.file.Close()
}
