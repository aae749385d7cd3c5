package config

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// unixPathMax is the longest path of a unix socket on Linux, its NUL aside.
const unixPathMax = 107

var errAddress = errors.New(`not an address; accepted: "host:port", "[IPv6]:port" or ":port", ` +
	`with a port from 0 to 65535 in digits`)

// splitAddress takes "host:port" apart.
func splitAddress(address string) (host string, port uint16, err error) {
	host, digits, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, errAddress
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || !validHost(host) {
		return "", 0, errAddress
	}
	return host, uint16(n), nil
}

// validHost reports whether host is empty, an IP address or a host name.
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return true
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return len(host) <= 253
}

// endpoint is a listening address in a form that can be compared.
type endpoint struct {
	key       string
	address   string
	transport string // tcp or udp
	host      string // canonical; empty means every address
	port      uint16
	shared    string // what is spoken where the port may be shared; empty means it may not
}

// newEndpoint takes a valid TCP or UDP address apart.
func newEndpoint(key, transport, address string) (endpoint, error) {
	host, port, err := splitAddress(address)
	if err != nil {
		return endpoint{}, err
	}
	host = strings.ToLower(host)
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
		if ip.Unmap().IsUnspecified() { // 0.0.0.0 and :: listen on both families
			host = ""
		}
	}
	return endpoint{key: key, address: address, transport: transport, host: host, port: port}, nil
}

// overlaps reports whether the kernel would refuse the second of two endpoints,
// or give one the clients of the other.
func (e endpoint) overlaps(other endpoint) bool {
	return e.transport == other.transport && e.port == other.port && e.port != 0 &&
		(e.host == other.host || e.host == "" || other.host == "") &&
		(e.shared == "" || e.shared != other.shared)
}

// endpoints gathers listening addresses, and reports those that overlap.
type endpoints struct {
	k   *checker
	all []endpoint
}

// add checks an address and compares it with those before. What is spoken on a
// shared port is empty for a port that is not.
func (es *endpoints) add(key, transport, address, shared string) {
	e, err := newEndpoint(key, transport, address)
	if err != nil {
		es.k.errorf(key, address, "%s", err)
		return
	}
	e.shared = shared
	for _, other := range es.all {
		if e.overlaps(other) {
			es.k.report(Error, []string{e.key, other.key}, e.address, "listens where %s = %q does already (%s); accepted: "+
				"another port, or port 0 for a free one", other.key, other.address, e.transport)
			return
		}
	}
	es.all = append(es.all, e)
}

// checkListeners checks every listening address, by itself and for overlaps.
func (k *checker) checkListeners(c *Config) {
	es := &endpoints{k: k}
	for _, l := range []struct {
		key, address string
		transports   []string
	}{{"listen", c.Listen, []string{"tcp", "udp"}}, {"listen_pickle", c.ListenPickle, []string{"tcp"}}} {
		if l.address == "" {
			continue
		}
		if _, _, err := splitAddress(l.address); err != nil {
			k.errorf(l.key, l.address, `%s, or "" for no such listener`, err)
			continue
		}
		for _, transport := range l.transports {
			es.add(l.key, transport, l.address, "")
		}
	}
	sockets := map[string]string{}
	for i := range c.Listeners {
		l, path := &c.Listeners[i], element("listener", i)
		k.checkListener(path, l)
		switch key := join(path, "address"); {
		case l.Address == "":
			k.report(Error, []string{key, path}, l.Address, "empty; accepted: an address to listen on")
		case l.Transport == "unix":
			k.checkSocket(key, l.Address, sockets)
		case l.Transport == "tcp" || l.Transport == "udp":
			es.add(key, l.Transport, l.Address, l.shares())
		}
	}
	for _, l := range []struct{ key, address string }{{"http.listen", c.HTTP.Listen}, {"node.listen", c.Node.Listen}} {
		if _, _, err := splitAddress(l.address); err == nil {
			es.add(l.key, "tcp", l.address, "")
		}
	}
	if c.Listen == "" && c.ListenPickle == "" && len(c.Listeners) == 0 {
		k.report(Warning, []string{"listen", "listen_pickle"}, c.Listen, `no datapoint can arrive; accepted: an address, or a [[listener]]`)
	}
}

// shares returns what a listener speaks if its port may be shared, so that
// every socket on it must speak the same.
func (l *Listener) shares() string {
	if !l.ReusePort {
		return ""
	}
	return strings.Join([]string{l.Protocol, l.Compression, l.TLSCert, l.TLSClientCA}, "\x00")
}

// checkSocket checks the path of a unix socket. Sockets holds the keys of the
// paths seen before.
func (k *checker) checkSocket(key, path string, sockets map[string]string) {
	if len(path) > unixPathMax || strings.ContainsRune(path, 0) {
		k.errorf(key, path, "not a path of a unix socket, as %q; accepted: 1 to %d bytes", excerpt(path), unixPathMax)
		return
	}
	clean := filepath.Clean(path)
	if other, taken := sockets[clean]; taken {
		k.errorf(key, path, "listens where %s does already; accepted: another path", other)
		return
	}
	sockets[clean] = key
}
