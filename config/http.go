package config

import (
	"net/netip"
	"strings"

	"github.com/coalesce-metrics/coalesce/keys"
)

// Key is one of the keys that clients present over HTTP, written [[key]].
type Key struct {
	// Name is what it is called in the log, and what owns the rules that its
	// client makes. Empty is an error.
	Name string `toml:"name"`
	// Hash is "sha256:" and the digits of the key's SHA-256; the key itself is
	// nowhere. Empty is an error.
	Hash string `toml:"hash"`
	// Roles are what its client may do: "read", "ingest" and "manage", none of
	// which includes another. Empty is an error.
	Roles []string `toml:"roles"`
}

// HTTP is the server of queries, metrics and health.
type HTTP struct {
	// Listen is the server's address, which must be a loopback address where
	// there is no [[key]]. Default "127.0.0.1:2080"; port 0 takes a free port;
	// empty means off.
	Listen string `toml:"listen" flag:"http"`
	// TLSCert and TLSKey are the paths of the certificate chain and its key in
	// PEM. Default empty: no TLS. Both or neither.
	TLSCert string `toml:"tls_cert"`
	TLSKey  string `toml:"tls_key"`
	// TLSClientCA is the path of the certificate authorities, in PEM, one of
	// which must have signed the certificate that every client then presents,
	// beside its key. Default empty: clients need none. Without TLSCert it is an
	// error.
	TLSClientCA string `toml:"tls_client_ca"`
	// MaxConnections is how many connections are held at once; further clients
	// wait. Default 1024. Zero is an error.
	MaxConnections int `toml:"max_connections" accept:"1..1000000"`
	// RequestTimeout bounds the time in which a request is read and answered.
	// Default 1 min. Zero is an error.
	RequestTimeout Duration `toml:"request_timeout" accept:"1s..1h"`
	// Rate is how many requests a second each key may make, or each address
	// where there are no keys. Default zero: any number.
	Rate int `toml:"rate" accept:"0..1000000"`
	// Burst is how many requests may come at once before Rate tells. Default
	// zero: as many as Rate. Without effect where there is no Rate.
	Burst int `toml:"burst" accept:"0..1000000"`
}

// AllKeys returns the keys as package keys takes them. Those that [Load] reports
// are left out. The caller owns the slice.
func (c *Config) AllKeys() []keys.Key {
	var all []keys.Key
	for _, k := range c.Keys {
		hash, err := keys.ParseHash(k.Hash)
		var roles keys.Roles
		for _, name := range k.Roles {
			if r, err := keys.ParseRole(name); err == nil {
				roles = roles.With(r)
			}
		}
		if err == nil && keys.CheckName(k.Name) == nil {
			all = append(all, keys.Key{Name: k.Name, Roles: roles, Hash: hash})
		}
	}
	return all
}

// checkHTTP checks the server and its keys. Without keys it refuses addresses
// that others can reach.
func (k *checker) checkHTTP(c *Config) {
	k.checkKeys(c)
	const key, none = "http.listen", `or "" for no HTTP server`
	h := c.HTTP
	local, valid := onLoopback(h.Listen)
	switch {
	case h.Listen == "":
	case !valid && len(c.Keys) > 0:
		k.errorf(key, h.Listen, "%s, %s", errAddress, none)
	case !valid:
		k.errorf(key, h.Listen, "not an address; accepted: %s, %s, with a port from 0 to 65535", loopbackForms, none)
	case !local && len(c.Keys) == 0:
		k.errorf(key, h.Listen, "not a loopback address, and there is no [[key]], without which no other is served; "+
			"accepted: a [[key]], or %s, %s", loopbackForms, none)
	case !local && h.TLSCert == "":
		k.report(Warning, []string{key}, h.Listen, "keys come unencrypted from other machines; accepted: http.tls_cert and http.tls_key, or a loopback address "+
			"with something in front that speaks TLS")
	}
	k.checkServerTLS(func(name string) string { return join("http", name) }, h.TLSCert, h.TLSKey, h.TLSClientCA)
	if h.Rate == 0 && h.Burst != 0 {
		k.noEffect(true, "http.burst", h.Burst, "without http.rate")
	}
	if c.Query.Timeout > h.RequestTimeout {
		k.report(Warning, []string{"query.timeout", "http.request_timeout"}, c.Query.Timeout,
			"above http.request_timeout = %q, which ends a request before; accepted: at most that", h.RequestTimeout)
	}
}

// checkKeys checks each [[key]] and that they differ.
func (k *checker) checkKeys(c *Config) {
	names, hashes := map[string]string{}, map[keys.Hash]string{}
	for i := range c.Keys {
		x, path := &c.Keys[i], element("key", i)
		name := []string{join(path, "name"), path}
		if err := keys.CheckName(x.Name); err != nil {
			k.report(Error, name, x.Name, "%s", err)
		} else if other, taken := names[x.Name]; taken {
			k.report(Error, name, x.Name, "the name of %s; accepted: each name once", other)
		} else {
			names[x.Name] = path
		}
		hash, err := keys.ParseHash(x.Hash)
		if err != nil {
			k.secret([]string{join(path, "hash"), path}, "%s", err)
		} else if other, taken := hashes[hash]; taken {
			k.secret([]string{join(path, "hash"), path}, "the hash of %s; accepted: each key once", other)
		} else {
			hashes[hash] = path
		}
		roles := join(path, "roles")
		if len(x.Roles) == 0 {
			k.report(Error, []string{roles, path}, nil, `empty; accepted: one or more of "read", "ingest" and "manage"`)
		}
		for j, role := range x.Roles {
			if _, err := keys.ParseRole(role); err != nil {
				k.report(Error, []string{element(roles, j), roles}, role, "%s", err)
			}
		}
	}
}

// checkNode refuses addresses of the query node that others can reach.
func (k *checker) checkNode(c *Config) {
	const key, none = "node.listen", `or "" for none`
	switch local, valid := onLoopback(c.Node.Listen); {
	case c.Node.Listen == "" || local:
	case !valid:
		k.errorf(key, c.Node.Listen, "not an address; accepted: %s, %s, with a port from 0 to 65535", loopbackForms, none)
	default:
		k.errorf(key, c.Node.Listen, "not a loopback address, and the query node asks for no key; accepted: %s, %s", loopbackForms, none)
	}
}

const loopbackForms = `"127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT"`

// onLoopback reports whether only this machine can reach an address, and whether
// it is one.
func onLoopback(listen string) (local, valid bool) {
	host, _, err := splitAddress(listen)
	if err != nil {
		return false, false
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback(), true
}
