package ingest

import (
	"fmt"
	"net"
	"net/netip"
)

// unmapped returns networks with those of IPv4 addresses in IPv6 as what they
// are, because senders are compared that way.
func unmapped(networks []netip.Prefix) []netip.Prefix {
	const mapped = 96 // bits in front of the IPv4 address
	var out []netip.Prefix
	for _, p := range networks {
		if p.Addr().Is4In6() && p.Bits() >= mapped {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
		}
		out = append(out, p)
	}
	return out
}

// allows reports whether a client at addr may send.
func (l *listener) allows(addr netip.Addr) bool {
	if len(l.Allow) == 0 {
		return true
	}
	addr = addr.Unmap().WithZone("")
	for _, p := range l.Allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// admit reports whether conn's client may send. It closes conn if not. The
// listener's own goroutine calls it.
func (l *listener) admit(conn net.Conn) bool {
	if len(l.Allow) == 0 {
		return true
	}
	var addr netip.Addr // in no network: the client is gone already
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		addr = a.AddrPort().Addr()
	}
	if l.allows(addr) {
		return true
	}
	l.denied(conn.RemoteAddr())
	conn.Close()
	return false
}

// denied counts a connection or datagram that is not allowed.
func (l *listener) denied(sender fmt.Stringer) {
	n := l.counts.notAllowed.Add(1)
	if !l.deniedLog.due() {
		return
	}
	who := unknownSender
	if sender != nil {
		who = sender.String()
	}
	l.in.log.Warn("a client from outside the allowed networks", "listener", l.Name, "sender", who, "refused_so_far", n)
}
