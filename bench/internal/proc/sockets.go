package proc

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// Sockets is the state of the TCP sockets that are bound to one local port.
type Sockets struct {
	Listening bool
	Open      int   // connections that can still yield data
	Unread    int64 // bytes received that the process has not read
}

// Numbers of TCP states in /proc/net/tcp.
const (
	established = "01"
	closeWait   = "08" // closed by the peer, not yet read to the end or not closed
	listen      = "0A"
)

// PortSockets looks up the sockets of a port in the kernel's tables.
func PortSockets(port int) (Sockets, error) {
	var s Sockets
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(table)
		if os.IsNotExist(err) { // no IPv6
			continue
		}
		if err != nil {
			return Sockets{}, err
		}
		if err := s.add(string(b), port); err != nil {
			return Sockets{}, fmt.Errorf("%s: %w", table, err)
		}
	}
	return s, nil
}

// add takes in one table: a heading, then lines of number, local address,
// remote address, state, queues "tx:rx" and more, numbers in hexadecimal.
func (s *Sockets) add(table string, port int) error {
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 || !strings.HasSuffix(f[1], suffix) {
			continue
		}
		switch f[3] {
		case listen: // its queue counts connections, not bytes
			s.Listening = true
		case established, closeWait:
			_, rx, _ := strings.Cut(f[4], ":")
			n, err := strconv.ParseInt(rx, 16, 64)
			if err != nil {
				return fmt.Errorf("line %q: queues: %w", line, err)
			}
			s.Open++
			s.Unread += n
		}
	}
	return nil
}

// FreePort returns a TCP port on loopback that is free now.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
