package config

import "net/netip"

// Limits bounds what one listener takes from outside.
type Limits struct {
	// MaxConnections is how many connections one listener holds at once.
	// Default 10000. Zero is an error: there is no "unlimited".
	MaxConnections int `toml:"max_connections" accept:"1..1000000"`
	// IdleTimeout closes a connection that sent nothing for so long. Default zero: never.
	IdleTimeout Duration `toml:"idle_timeout" accept:"0s|1s..365d"`
	// MaxLine is the longest accepted line in bytes, its end not counted.
	// Default 16 KiB; at most ReadBuffer. Zero is an error.
	MaxLine Size `toml:"max_line" accept:"128B..1MiB"`
	// MaxFrame is the longest accepted frame of pickle and protobuf in bytes,
	// its length not counted. Default 1 MiB. Zero is an error.
	MaxFrame Size `toml:"max_frame" accept:"1KiB..256MiB"`
	// ReadBuffer is how many bytes one connection reads at a time. Default
	// 256 KiB. Zero is an error.
	ReadBuffer Size `toml:"read_buffer" accept:"4KiB..16MiB"`
	// UDPBuffer is the receive buffer in bytes that a UDP socket asks the
	// kernel for, which may grant less. Default 4 MiB; zero leaves the
	// kernel's default.
	UDPBuffer Size `toml:"udp_buffer" accept:"0B|4KiB..1GiB"`
	// TimestampResolution floors timestamps to its multiples, in whole
	// seconds. Default zero: timestamps stay as received.
	TimestampResolution Duration `toml:"timestamp_resolution" accept:"0s..1d"`
}

// Listener is one [[listener]]: an address on which datapoints arrive.
type Listener struct {
	// Protocol is the wire format. Default "plaintext". Pickle and protobuf
	// need a stream, "tcp" or "unix".
	Protocol string `toml:"protocol" accept:"plaintext|pickle|protobuf"`
	// Transport is "tcp", "udp" or "unix" (a stream socket). Default "tcp".
	Transport string `toml:"transport" accept:"tcp|udp|unix"`
	// Address is "host:port" or, for unix, the socket's path. It has no
	// default; port 0 takes a free port.
	Address string `toml:"address"`
	// MaxConnections is [Limits.MaxConnections] for this listener. Default the
	// value of [limits]; without effect on udp.
	MaxConnections int `toml:"max_connections" accept:"1..1000000"`
	// IdleTimeout is [Limits.IdleTimeout] for this listener. Default the value
	// of [limits]; zero means never; without effect on udp.
	IdleTimeout Duration `toml:"idle_timeout" accept:"0s|1s..365d"`
	// MaxLine is [Limits.MaxLine] for this listener, in bytes. Default the
	// value of [limits]; at most [Limits.ReadBuffer]. Without effect on pickle
	// and protobuf.
	MaxLine Size `toml:"max_line" accept:"128B..1MiB"`
	// MaxFrame is [Limits.MaxFrame] for this listener, in bytes. Default the
	// value of [limits]; without effect on plaintext.
	MaxFrame Size `toml:"max_frame" accept:"1KiB..256MiB"`
	// Compression is how each connection is compressed from its first byte to
	// its last; "snappy" is its framing format. Default "none"; the others need
	// plaintext over a stream.
	Compression string `toml:"compression" accept:"none|gzip|zstd|snappy"`
	// TLSCert and TLSKey are the paths of the certificate chain and its key in
	// PEM. Default empty: no TLS. Both or neither, and only on tcp.
	TLSCert string `toml:"tls_cert"`
	TLSKey  string `toml:"tls_key"`
	// TLSClientCA is the path of the certificate authorities, in PEM, one of
	// which must have signed the certificate that every client then presents.
	// Default empty: clients need none. Without TLSCert it is an error.
	TLSClientCA string `toml:"tls_client_ca"`
	// Allow lists the networks in CIDR form that clients may be in; see
	// [Listener.AllowedNetworks]. Default none, which lets everyone in. At
	// most 256; an error on unix.
	Allow []string `toml:"allow"`
	// ReusePort lets several sockets share the address (SO_REUSEPORT), between
	// which the kernel then divides connections and datagrams. Default false;
	// an error on unix.
	ReusePort bool `toml:"reuse_port"`
}

// AllListeners returns every address to listen on: the plaintext listeners of
// Listen over TCP and UDP and the pickle listener of ListenPickle, each where
// its address is not empty, then Listeners in file order. The caller owns the
// slice.
func (c *Config) AllListeners() []Listener {
	all := make([]Listener, 0, len(c.Listeners)+3)
	add := func(protocol, transport, address string) {
		if address != "" {
			l := c.newListener()
			l.Protocol, l.Transport, l.Address = protocol, transport, address
			all = append(all, l)
		}
	}
	add("plaintext", "tcp", c.Listen)
	add("plaintext", "udp", c.Listen)
	add("pickle", "tcp", c.ListenPickle)
	return append(all, c.Listeners...)
}

// newListener returns what a [[listener]] holds where it says nothing.
func (c *Config) newListener() Listener {
	return Listener{
		Protocol:       "plaintext",
		Transport:      "tcp",
		MaxConnections: c.Limits.MaxConnections,
		IdleTimeout:    c.Limits.IdleTimeout,
		MaxLine:        c.Limits.MaxLine,
		MaxFrame:       c.Limits.MaxFrame,
		Compression:    "none",
	}
}

// AllowedNetworks returns Allow parsed; nil lets everyone in. Elements that are
// no network, which [Load] reports, are left out. The caller owns the slice.
func (l *Listener) AllowedNetworks() []netip.Prefix {
	var networks []netip.Prefix
	for _, text := range l.Allow {
		if p, err := netip.ParsePrefix(text); err == nil {
			networks = append(networks, p)
		}
	}
	return networks
}
