package ingest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

func prefixes(t testing.TB, texts ...string) (out []netip.Prefix) {
	t.Helper()
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func TestAllows(t *testing.T) {
	tests := map[string]struct {
		networks []string
		yes, no  []string
	}{
		"everyone": {nil, []string{"10.0.0.1", "::1"}, nil},
		"IPv4": {[]string{"10.0.0.0/8", "192.168.7.9/32"}, []string{"10.255.0.1", "::ffff:10.0.0.1", "192.168.7.9"},
			[]string{"11.0.0.1", "192.168.7.8", "::1", "::10.0.0.1"}},
		"IPv6": {[]string{"2001:db8::/32", "fe80::/10"}, []string{"2001:db8:7::1", "fe80::1%eth0"},
			[]string{"2001:db9::1", "10.0.0.1"}},
		"IPv4 written as IPv6": {[]string{"::ffff:10.0.0.0/104"}, []string{"10.1.2.3", "::ffff:10.1.2.3"}, []string{"11.0.0.1"}},
		"not masked":           {[]string{"10.1.2.3/8"}, []string{"10.9.9.9"}, []string{"11.1.2.3"}},
		"all of IPv4":          {[]string{"0.0.0.0/0"}, []string{"1.2.3.4"}, []string{"::1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in, err := New(Config{Acquire: (&recorder{}).acquire, Now: vectorClock,
				Listeners: []Listener{{Transport: "tcp", Address: ":0", Allow: prefixes(t, tt.networks...)}}})
			if err != nil {
				t.Fatal(err)
			}
			for _, addr := range tt.yes {
				if !in.listeners[0].allows(netip.MustParseAddr(addr)) {
					t.Errorf("%s is refused", addr)
				}
			}
			for _, addr := range tt.no {
				if in.listeners[0].allows(netip.MustParseAddr(addr)) {
					t.Errorf("%s is allowed", addr)
				}
			}
		})
	}
}

// from connects from a local address of its own.
func from(t testing.TB, in *Ingest, i int, local string) net.Conn {
	t.Helper()
	a := in.Addrs()[i]
	d := net.Dialer{}
	if a.Network() == "udp" {
		d.LocalAddr = &net.UDPAddr{IP: net.ParseIP(local)}
	} else {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(local)}
	}
	c, err := d.Dial(a.Network(), a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAllow(t *testing.T) {
	for _, transport := range []string{"tcp", "udp"} {
		for _, address := range []string{"127.0.0.1:0", "[::]:0"} { // the latter sees IPv4 as mapped
			t.Run(transport+"/"+address, func(t *testing.T) {
				var log logged
				l := Listener{Transport: transport, Address: address, Allow: prefixes(t, "127.0.0.2/32"), MaxConnections: 1}
				r := &recorder{t: t}
				in := listen(t, Config{Listeners: []Listener{l}, Acquire: r.acquire, Now: vectorClock, Logger: log.logger()})
				in.listeners[0].addr = loopback(in.Addrs()[0])
				in.Start()
				for range 3 { // they take nobody's place
					c := from(t, in, 0, "127.0.0.1")
					c.Write([]byte("bad 1 1500000000\n"))
					if transport == "tcp" {
						if _, err := c.Read(make([]byte, 1)); err == nil {
							t.Error("the connection is still open")
						}
					}
				}
				until(t, "they are refused", func() bool { return in.Stats()[0].NotAllowed == 3 })
				send(t, from(t, in, 0, "127.0.0.2"), "good 1 1500000000\n")
				until(t, "the other is read", func() bool { return len(r.all()) == 1 })
				// Those that Stop finds are looked at, too.
				from(t, in, 0, "127.0.0.1").Write([]byte("bad 1 1500000000\n"))
				stop(t, in)
				s := in.Stats()[0]
				refused{}.check(t, s, 1, 0)
				want := Stats{Connected: 1, Datagrams: 0}
				if transport == "udp" {
					want = Stats{Connected: 0, Datagrams: 1}
				}
				if s.NotAllowed != 4 || s.Bytes != 18 || s.Connected != want.Connected || s.Datagrams != want.Datagrams {
					t.Errorf("%+v", s)
				}
				if got := log.String(); strings.Count(got, "outside the allowed networks") != 1 || !strings.Contains(got, "sender=127.0.0.1:") {
					t.Errorf("logged:\n%s", got)
				}
			})
		}
	}
}

// loopback is where a client on this machine reaches a listener on every address.
func loopback(a net.Addr) net.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.Port}
	case *net.UDPAddr:
		return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.Port}
	}
	return a
}

// Two may share a port only where both ask for it.
func TestReusePort(t *testing.T) {
	for _, transport := range []string{"tcp", "udp"} {
		t.Run(transport, func(t *testing.T) {
			l := anywhere(t, transport)
			l.ReusePort = true
			first, r1 := start(t, Config{Listeners: []Listener{l}})
			l.Address = first.Addrs()[0].String()
			second, r2 := start(t, Config{Listeners: []Listener{l}})
			const clients = 40
			for i := range clients {
				send(t, dial(t, second, 0), fmt.Sprintf("m%d 1 1500000000\n", i))
			}
			until(t, "all is read", func() bool { return len(r1.all())+len(r2.all()) == clients })
			l.ReusePort = false
			third, err := New(Config{Acquire: r1.acquire, Now: vectorClock, Listeners: []Listener{l}})
			if err != nil {
				t.Fatal(err)
			}
			if err := third.Listen(); err == nil || !strings.Contains(err.Error(), "address already in use") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// handOver opens a socket as a service manager does.
func handOver(t testing.TB, transport string) *os.File {
	t.Helper()
	l := anywhere(t, transport)
	var socket interface{ File() (*os.File, error) }
	if transport == "udp" {
		pc, err := net.ListenPacket("udp", l.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer pc.Close()
		socket = pc.(*net.UDPConn)
	} else {
		ln, err := net.Listen(transport, l.Address)
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := ln.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		defer ln.Close()
		socket = ln.(interface{ File() (*os.File, error) })
	}
	f, err := socket.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSocketHandedOver(t *testing.T) {
	for _, transport := range []string{"tcp", "udp", "unix"} {
		t.Run(transport, func(t *testing.T) {
			socket := handOver(t, transport)
			in, r := start(t, Config{Listeners: []Listener{{Transport: transport, Socket: socket}}, UDPBuffer: 8192})
			socket.Close() // Listen has its own
			c := dial(t, in, 0)
			send(t, c, "a 1 1500000000\n")
			until(t, "it is read", func() bool { return len(r.all()) == 1 })
			stop(t, in)
			s := in.Stats()[0]
			if s.Address != in.Addrs()[0].String() || strings.HasSuffix(s.Address, ":0") {
				t.Errorf("bound to %q, %v", s.Address, in.Addrs())
			}
			if transport == "unix" {
				if _, err := os.Stat(s.Address); err != nil {
					t.Errorf("the service manager's socket file is gone: %v", err)
				}
			}
		})
	}
}

// What clients sent before the daemon ran is there when it does, and a daemon
// that stops leaves the socket as it is for the next.
func TestSocketOutlivesDaemon(t *testing.T) {
	socket := handOver(t, "tcp")
	ln, err := net.FileListener(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for i := range 3 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		send(t, c, fmt.Sprintf("m%d 1 1500000000\n", i))
		c.Close()
		in, r := start(t, Config{Listeners: []Listener{{Transport: "tcp", Socket: socket}}})
		stop(t, in)
		if got := r.all(); len(got) != 1 || got[0].Metric != fmt.Sprintf("m%d", i) {
			t.Errorf("run %d: got %v", i, got)
		}
	}
}

func TestUnfitSockets(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	taken, _ := start(t, Config{Listeners: []Listener{anywhere(t, "tcp")}})
	connected, err := dial(t, taken, 0).(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	tests := map[string]struct {
		transport string
		socket    *os.File
		want      string
	}{
		"no socket":        {"tcp", file, "cannot be used"},
		"no packet socket": {"udp", file, "cannot be used"},
		"of another kind":  {"tcp", handOver(t, "unix"), "it is a unix socket"},
		"datagrams":        {"tcp", handOver(t, "udp"), "cannot be used"},
		"streams":          {"udp", handOver(t, "tcp"), "cannot be used"},
		"does not listen":  {"tcp", connected, "it does not listen"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in, err := New(Config{Acquire: (&recorder{}).acquire, Now: vectorClock,
				Listeners: []Listener{{Transport: tt.transport, Socket: tt.socket}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := in.Listen(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
