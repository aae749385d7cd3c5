package upstream

import (
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// packetConn notes each write as a datagram; it fails once.
type packetConn struct {
	*fakeConn
	mu      sync.Mutex
	packets []string
	fail    int // this many writes from now; negative is never
}

func (c *packetConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail--; c.fail == -1 {
		return 0, syscall.ECONNREFUSED
	}
	c.packets = append(c.packets, string(b))
	return len(b), nil
}

func TestDatagrams(t *testing.T) {
	conn := &packetConn{fakeConn: newFakeConn(), fail: 3}
	s := &datagrams{conn: conn, timeout: time.Second}
	long := strings.Repeat("x", 2000) + " 1 60\n"
	longest := strings.Repeat("x", maxDatagram-6) + " 1 60\n"
	lines := numbered(0, 200) + long + longest + "x" + longest + "m 1 60\n"
	var taken, wire, lost int64
	for rest := lines; rest != ""; {
		p, err := s.write(net.Buffers{[]byte(rest)})
		taken += p.taken
		wire += p.wire
		lost += p.lost
		rest = rest[p.taken:]
		if err == nil && rest != "" {
			t.Fatalf("%d bytes not taken", len(rest))
		}
	}
	want := strings.Replace(lines, "x"+longest, "", 1)
	if got := strings.Join(conn.packets, ""); got != want || lost != 1 || int(wire) != len(want) {
		t.Errorf("%d bytes in %d datagrams, %d lines lost, want %d bytes and one lost", len(got), len(conn.packets), lost, len(want))
	}
	for i, p := range conn.packets {
		if !strings.HasSuffix(p, "\n") || len(p) > datagramBytes && strings.Count(p, "\n") != 1 {
			t.Errorf("datagram %d has %d bytes and ends in %q", i, len(p), p[len(p)-1:])
		}
	}
	if n := len(conn.packets); n > 8 {
		t.Errorf("%d datagrams, want as few as can be", n)
	}
}

func TestUDP(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	u := newUpstream(t, "udp://"+pc.LocalAddr().String(), nil)
	u.Start()
	send(u, 0, 100)
	got, buf := "", make([]byte, 2000)
	if err := pc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for strings.Count(got, "\n") < 100 {
		n, _, err := pc.ReadFrom(buf)
		if err != nil {
			t.Fatal(err, got)
		}
		got += string(buf[:n])
	}
	if got != numbered(0, 100) {
		t.Errorf("received %q", got)
	}
}
