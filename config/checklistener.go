package config

import (
	"net/netip"
	"slices"
)

// checkListener checks one [[listener]] by itself, its address aside.
func (k *checker) checkListener(path string, l *Listener) {
	key := func(name string) string { return join(path, name) }
	stream := l.Transport != "udp"
	framed := l.Protocol == "pickle" || l.Protocol == "protobuf"
	if framed && !stream {
		k.errorf(key("protocol"), l.Protocol, `not over udp; accepted: "plaintext", or transport = "tcp" or "unix"`)
	}
	if slices.Contains([]string{"gzip", "zstd", "snappy"}, l.Compression) && (framed || !stream) {
		k.errorf(key("compression"), l.Compression, `only for plaintext over tcp or unix; accepted: "none"`)
	}
	if !stream {
		const where = "on a udp listener, which has no connections"
		k.noEffect(true, key("max_connections"), l.MaxConnections, where)
		k.noEffect(true, key("idle_timeout"), l.IdleTimeout, where)
	}
	if framed {
		k.noEffect(l.MaxLine != k.config.Limits.MaxLine, key("max_line"), l.MaxLine, "on pickle and protobuf, which have no lines")
	} else {
		k.noEffect(l.MaxFrame != k.config.Limits.MaxFrame, key("max_frame"), l.MaxFrame, "on plaintext, which has no frames")
	}
	k.checkListenerTLS(key, l)
	if l.Transport == "unix" && l.ReusePort {
		k.errorf(key("reuse_port"), l.ReusePort, "not on a unix listener, which has no port; accepted: false")
	}
	k.checkAllow(key("allow"), l)
}

// checkListenerTLS checks the keys of TLS.
func (k *checker) checkListenerTLS(key func(string) string, l *Listener) {
	k.checkServerTLS(key, l.TLSCert, l.TLSKey, l.TLSClientCA)
	if l.TLSCert != "" && l.Transport != "tcp" {
		k.errorf(key("tls_cert"), l.TLSCert, "not over %s; accepted: transport = \"tcp\"", l.Transport)
	}
}

// checkServerTLS checks the keys of TLS that every server has.
func (k *checker) checkServerTLS(key func(string) string, cert, certKey, clientCA string) {
	k.checkPair(key("tls_cert"), cert, key("tls_key"), certKey)
	if clientCA != "" && cert == "" {
		k.errorf(key("tls_client_ca"), clientCA, "without tls_cert, so that there is no TLS; accepted: tls_cert and tls_key beside it")
	}
}

// checkAllow checks the networks that a listener lets in.
func (k *checker) checkAllow(key string, l *Listener) {
	if l.Transport == "unix" && len(l.Allow) > 0 {
		k.errorf(key, nil, "not on a unix listener, whose clients have no address; accepted: the permissions of its folder")
		return
	}
	if len(l.Allow) > listMax {
		k.errorf(key, nil, "%d networks; accepted: at most %d", len(l.Allow), listMax)
	}
	for i, text := range l.Allow {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().Is4In6() {
			hint := ""
			if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
				hint = `, such as "` + netip.PrefixFrom(ip, ip.BitLen()).String() + `" for this address alone`
			}
			k.errorf(element(key, i), text, `not a network; accepted: CIDR form such as "10.0.0.0/8" or "fd00::/8"%s`, hint)
		} else if p != p.Masked() {
			k.errorf(element(key, i), text, "has bits behind its length; accepted: %q", p.Masked())
		}
	}
}
