package config

import (
	"fmt"
	"strings"
	"unicode"
)

// destinationNameMax is the longest name of a destination, in bytes.
const destinationNameMax = 255

// checkDestinations checks the destinations and their names, but not the form
// of their addresses, which those who connect know best.
func (k *checker) checkDestinations(c *Config) {
	all := c.AllDestinations()
	if n := len(all); n > listMax {
		k.report(Error, []string{"upstream", "destination"}, c.Upstream, "%d destinations; accepted: at most %d", n, listMax)
		return
	}
	taken := map[string]string{} // keys by name
	for i, d := range all {
		address := c.DestinationKey(i)
		name := address
		if i >= len(c.Upstream) {
			path := element("destination", i-len(c.Upstream))
			if name = join(path, "name"); !k.given(name) {
				name = address
			}
			k.checkDestination(c, path, &c.Destinations[i-len(c.Upstream)])
		}
		if strings.TrimSpace(d.Address) == "" {
			k.report(Error, []string{address, strings.TrimSuffix(address, ".address")}, d.Address,
				`empty destination; accepted: "host:port" or a URL such as "stdout:"`)
			continue
		}
		if other, ok := taken[d.Name]; ok {
			k.errorf(name, d.Name, "already the name of %s; accepted: a name of its own for each destination", strings.TrimSuffix(strings.TrimSuffix(other, ".name"), ".address"))
			continue
		}
		taken[d.Name] = name
	}
	if c.ForwardAll != nil && *c.ForwardAll && len(all) == 0 {
		k.report(Warning, []string{"forward_all"}, true, "has no effect without an upstream; accepted: one in upstream, or forward_all = false")
	}
}

// checkDestination checks one [[destination]] by itself.
func (k *checker) checkDestination(c *Config, path string, d *Destination) {
	key := func(name string) string { return join(path, name) }
	if len(d.Name) > destinationNameMax || strings.ContainsFunc(d.Name, unicode.IsControl) {
		k.errorf(key("name"), d.Name, "not a name of a destination; accepted: at most %d bytes without control characters", destinationNameMax)
	}
	k.checkKind(key, d)
	if d.WhenFull == "spool" && c.Data == "" {
		k.report(Error, []string{key("when_full"), "data"}, d.WhenFull, `needs a data directory; accepted: a directory in data, `+
			`or when_full = "drop-oldest" or "block"`)
	}
	scheme := d.scheme()
	k.checkDestinationTLS(key, d)
	k.noEffect(scheme != "pickle" && d.MaxDatapointsPerMessage != 500, key("max_datapoints_per_message"),
		d.MaxDatapointsPerMessage, "on other protocols than pickle")
	if scheme == "whisper" {
		if d.Schemas == "" {
			k.errorf(key("schemas"), d.Schemas, "empty, so that no whisper file could be made; accepted: the path of carbon's storage-schemas.conf")
		}
		return
	}
	def := c.newDestination()
	def.resolve(c.dir())
	k.noEffect(d.Schemas != def.Schemas, key("schemas"), d.Schemas, "on other destinations than whisper:///dir")
	k.noEffect(d.Aggregation != def.Aggregation, key("aggregation"), d.Aggregation, "on other destinations than whisper:///dir")
}

// checkKind checks what a second row with the same timestamp depends on.
func (k *checker) checkKind(key func(string) string, d *Destination) {
	if d.Kind == "aggregator" {
		if d.Resend != 0 {
			k.errorf(key("resend"), d.Resend, `not for kind = "aggregator", which would count the rows twice; accepted: "0s"`)
		}
		if d.ResendRaw {
			k.errorf(key("resend_raw"), d.ResendRaw, `not for kind = "aggregator", which would count the rows twice; accepted: false`)
		}
		return
	}
	k.noEffect(!d.resends() && d.Resend != 0, key("resend"), d.Resend, "where the address is not of a connection")
	k.noEffect(d.ResendRaw && d.Resend == 0, key("resend_raw"), d.ResendRaw, `with resend = "0s"`)
}

// checkDestinationTLS checks the keys of TLS. What has no effect is an error
// here, since it would leave open what was to be protected.
func (k *checker) checkDestinationTLS(key func(string) string, d *Destination) {
	k.checkPair(key("tls_cert"), d.TLSCert, key("tls_key"), d.TLSKey)
	switch d.scheme() {
	case "tls", "plaintext", "pickle":
		return
	}
	for _, f := range []struct{ name, value string }{
		{"tls_ca", d.TLSCA}, {"tls_cert", d.TLSCert}, {"tls_key", d.TLSKey}, {"tls_server_name", d.TLSServerName},
	} {
		if f.value != "" {
			k.errorf(key(f.name), f.value, `there is no TLS for %s; accepted: an address of tls, plaintext or pickle`, excerpt(fmt.Sprintf("%q", d.Address)))
		}
	}
}

// checkPair refuses a certificate without its key, and a key alone.
func (k *checker) checkPair(certKey, cert, keyKey, key string) {
	switch {
	case cert != "" && key == "":
		k.errorf(certKey, cert, "without tls_key; accepted: both, or neither")
	case cert == "" && key != "":
		k.errorf(keyKey, key, "without tls_cert; accepted: both, or neither")
	}
}

// noEffect warns of a key that is given but has no effect, if it is so.
func (k *checker) noEffect(is bool, key string, value any, where string) {
	if is && k.given(key) {
		k.report(Warning, []string{key}, value, "has no effect %s; accepted: leaving it out", where)
	}
}
