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
	return endpoint{key, address, transport, host, port}, nil
}

// overlaps reports whether the kernel would refuse the second of two endpoints.
func (e endpoint) overlaps(other endpoint) bool {
	return e.transport == other.transport && e.port == other.port && e.port != 0 &&
		(e.host == other.host || e.host == "" || other.host == "")
}

// checkListeners checks every listening address, by itself and for overlaps.
func (k *checker) checkListeners(c *Config) {
	var all []endpoint
	add := func(key, transport, address string) {
		e, err := newEndpoint(key, transport, address)
		if err != nil {
			k.errorf(key, address, "%s", err)
			return
		}
		for _, other := range all {
			if e.overlaps(other) {
				k.report(Error, []string{e.key, other.key}, e.address, "listens where %s = %q does already (%s); accepted: "+
					"another port, or port 0 for a free one", other.key, other.address, e.transport)
				return
			}
		}
		all = append(all, e)
	}
	if c.Listen != "" {
		if _, _, err := splitAddress(c.Listen); err != nil {
			k.errorf("listen", c.Listen, `%s, or "" for no such listener`, err)
		} else {
			add("listen", "tcp", c.Listen)
			add("listen", "udp", c.Listen)
		}
	}
	sockets := map[string]string{}
	for i, l := range c.Listeners {
		path := element("listener", i)
		k.checkConnectionLimits(path, l)
		switch key := join(path, "address"); {
		case l.Address == "":
			k.report(Error, []string{key, path}, l.Address, "empty; accepted: an address to listen on")
		case l.Transport == "unix":
			k.checkSocket(key, l.Address, sockets)
		case l.Transport == "tcp" || l.Transport == "udp":
			add(key, l.Transport, l.Address)
		}
	}
	if _, _, err := splitAddress(c.HTTP.Listen); err == nil {
		add("http.listen", "tcp", c.HTTP.Listen)
	}
	if c.Listen == "" && len(c.Listeners) == 0 {
		k.report(Warning, []string{"listen"}, c.Listen, `no datapoint can arrive; accepted: an address, or a [[listener]]`)
	}
}

// checkConnectionLimits warns of limits on connections where there are none.
func (k *checker) checkConnectionLimits(path string, l Listener) {
	for _, limit := range []struct {
		key   string
		value any
	}{{"max_connections", l.MaxConnections}, {"idle_timeout", l.IdleTimeout}} {
		key := join(path, limit.key)
		if _, given := k.place(key); given && l.Transport == "udp" {
			k.report(Warning, []string{key}, limit.value, "has no effect on a udp listener; accepted: tcp and unix listeners only")
		}
	}
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

// checkHTTP refuses addresses that others can reach: the server asks for no key.
func (k *checker) checkHTTP(c *Config) {
	const key, address = "http.listen", `accepted: "127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT", or "" for no HTTP server`
	if c.HTTP.Listen == "" {
		return
	}
	host, _, err := splitAddress(c.HTTP.Listen)
	if err != nil {
		k.errorf(key, c.HTTP.Listen, "not an address; %s, with a port from 0 to 65535", address)
		return
	}
	ip, err := netip.ParseAddr(host)
	if strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback() {
		return
	}
	k.errorf(key, c.HTTP.Listen, "not a loopback address; no route is served on another address without a key, "+
		"and this version has no keys; %s", address)
}
