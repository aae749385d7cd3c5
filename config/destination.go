package config

import (
	"path/filepath"
	"strings"
)

// Destination is one [[destination]]: a place that rows are sent to.
type Destination struct {
	// Name is what routes and metrics call the destination, at most 255 bytes.
	// Default the address. No two may be equal.
	Name string `toml:"name"`
	// Address is "host:port[:instance]", which is plaintext, or a URL. It has
	// no default.
	Address string `toml:"address"`
	// Kind says what the destination makes of a second row with the same name
	// and timestamp. Default "store": it keeps the last. An "aggregator" would
	// count both, so it is never sent a second one: no resend, no early
	// emission of open buckets, and amendments are withheld.
	Kind string `toml:"kind" accept:"store|aggregator"`
	// WhenFull says what a full queue does. Default "drop-oldest"; "spool"
	// writes rows to disk, which needs [Config.Data]; "block" makes the inputs
	// wait.
	WhenFull string `toml:"when_full" accept:"drop-oldest|spool|block"`
	// Resend is for how long aggregates are kept after they were written, to
	// go again on the next connection when this one breaks. Default 10 s, but
	// zero where Kind is "aggregator" or the address is not of a connection;
	// zero is never.
	Resend Duration `toml:"resend" accept:"0s..1h"`
	// ResendRaw applies Resend to forwarded datapoints as well. Default false.
	ResendRaw bool `toml:"resend_raw"`
	// TLSCA is the path of the certificate authorities, in PEM, that the
	// destination's certificate is checked with. Default empty: the system's.
	// Any of the keys of TLS turns TLS on for plaintext and pickle; with other
	// schemes than these and tls they are an error.
	TLSCA string `toml:"tls_ca"`
	// TLSCert and TLSKey are the paths of the certificate chain and its key, in
	// PEM, that the destination is shown. Default empty: none. Both or neither.
	TLSCert string `toml:"tls_cert"`
	TLSKey  string `toml:"tls_key"`
	// TLSServerName is the name that the destination's certificate must have.
	// Default empty: the host of the address.
	TLSServerName string `toml:"tls_server_name"`
	// MaxDatapointsPerMessage is how many datapoints a message of pickle has at
	// most. Default 500. Zero is an error. Without effect on other protocols.
	MaxDatapointsPerMessage int `toml:"max_datapoints_per_message" accept:"1..100000"`
	// QueueDatapoints is [Queue.Datapoints] for this destination. Default the
	// value of [queue].
	QueueDatapoints int `toml:"queue_datapoints" accept:"1..1000000000"`
	// QueueBytes is [Queue.Bytes] for this destination, in bytes. Default the
	// value of [queue].
	QueueBytes Size `toml:"queue_bytes" accept:"64KiB..1TiB"`
	// Schemas and Aggregation are the paths of carbon's files that say how
	// whisper files are made. Default "storage-schemas.conf" and
	// "storage-aggregation.conf"; an empty Aggregation takes carbon's defaults,
	// an empty Schemas is an error. Without effect on other destinations.
	Schemas     string `toml:"schemas"`
	Aggregation string `toml:"aggregation"`
}

// Route is one [[route]]: which destinations the rows of some names go to.
type Route struct {
	// Send is the kind of rows: "raw" are forwarded datapoints, "aggregates"
	// are rows of outputs and of the daemon's own series. Default "all".
	Send string `toml:"send" accept:"all|raw|aggregates"`
	// Pattern is a regular expression that must be found in the name. Default
	// empty: every name is taken.
	Pattern string `toml:"pattern"`
	// To lists the destinations by name. It has no default.
	To []string `toml:"to"`
	// Mode is how destinations are chosen. Default "all": each of them; "hash":
	// the owners of the name in a hash ring; "aggregated-hash": the owners of
	// every output that a raw datapoint feeds; "failover": the first that is
	// up; "round-robin": one that is up, names shared equally.
	Mode string `toml:"mode" accept:"all|hash|failover|round-robin|aggregated-hash"`
	// Hash is the function of the ring, by carbon's name. Default "carbon_ch".
	// It and the next two have no effect in modes without a ring.
	Hash string `toml:"hash" accept:"carbon_ch|fnv1a_ch|mmh3_ch"`
	// Replication is how many owners a name has in the ring. Default 1; zero is
	// an error.
	Replication int `toml:"replication" accept:"1..256"`
	// Diverse places the owners of a name on distinct hosts. Default true.
	Diverse bool `toml:"diverse"`
	// Stop keeps what the route takes from the routes behind it. Default true.
	Stop bool `toml:"stop"`
}

// ringed reports whether the route chooses by a hash ring.
func (r *Route) ringed() bool { return r.Mode == "hash" || r.Mode == "aggregated-hash" }

// Spool bounds what waits on disk for each destination whose WhenFull is
// "spool".
type Spool struct {
	// Bytes is how many bytes the spool of one destination takes; beyond it the
	// oldest rows are dropped. Default 1 GiB. Zero is an error.
	Bytes Size `toml:"bytes" accept:"1MiB..1024TiB"`
	// Age is how old a spooled row grows before it is dropped. Default one day.
	// Zero is an error.
	Age Duration `toml:"age" accept:"1s..3650d"`
	// Rate is how many datapoints a second are read back at most, for each
	// destination. Default 50000. Zero is an error.
	Rate int `toml:"rate" accept:"1..100000000"`
}

// Place is the place of this instance behind a relay that hashes by output: it
// makes the outputs that it owns in the relay's ring, and no others.
type Place struct {
	// Ring lists the instances as the relay does, in its order and spelling,
	// each "host:port[:instance]". Default none: this instance makes every
	// output. At most 256.
	Ring []string `toml:"ring"`
	// Self is the element of Ring that is this instance. Default empty; an
	// error where there is a ring.
	Self string `toml:"self"`
	// Hash, Replication and Diverse are those of the relay; see [Route].
	// Default "carbon_ch", 1 and true.
	Hash        string `toml:"hash" accept:"carbon_ch|fnv1a_ch|mmh3_ch"`
	Replication int    `toml:"replication" accept:"1..256"`
	Diverse     bool   `toml:"diverse"`
}

// AllDestinations returns every destination: those of Upstream, then
// Destinations in file order, with names, and without what has no effect on
// them. The caller owns the slice.
func (c *Config) AllDestinations() []Destination {
	all := make([]Destination, 0, len(c.Upstream)+len(c.Destinations))
	for _, address := range c.Upstream {
		d := c.newDestination()
		d.Address = address
		d.resolve(c.dir())
		if !d.resends() {
			d.Resend = 0
		}
		all = append(all, d)
	}
	all = append(all, c.Destinations...)
	for i := range all {
		d := &all[i]
		if d.Name == "" {
			d.Name = d.Address
		}
		if d.scheme() != "whisper" {
			d.Schemas, d.Aggregation = "", ""
		}
	}
	return all
}

// DestinationKey returns the key that gives the address of element i of
// [Config.AllDestinations], for [Config.Problem].
func (c *Config) DestinationKey(i int) string {
	if i < len(c.Upstream) {
		return element("upstream", i)
	}
	return join(element("destination", i-len(c.Upstream)), "address")
}

// newDestination returns what a [[destination]] holds where it says nothing.
func (c *Config) newDestination() Destination {
	return Destination{
		Kind:                    "store",
		WhenFull:                "drop-oldest",
		Resend:                  10 * Second,
		MaxDatapointsPerMessage: 500,
		QueueDatapoints:         c.Queue.Datapoints,
		QueueBytes:              c.Queue.Bytes,
		Schemas:                 "storage-schemas.conf",
		Aggregation:             "storage-aggregation.conf",
	}
}

// newRoute returns what a [[route]] holds where it says nothing.
func newRoute() Route {
	return Route{Send: "all", Mode: "all", Hash: "carbon_ch", Replication: 1, Diverse: true, Stop: true}
}

// dir returns the directory that relative paths are relative to.
func (c *Config) dir() string {
	if c.origin == nil {
		return "."
	}
	return filepath.Dir(c.origin.src.name)
}

// scheme returns what the address begins with: "plaintext" where it says
// nothing. Whether the address is right is not looked at.
func (d *Destination) scheme() string {
	if d.Address == "stdout:" {
		return "stdout"
	}
	// An instance may hold anything, a scheme no colon.
	if scheme, _, ok := strings.Cut(d.Address, "://"); ok && !strings.Contains(scheme, ":") {
		return scheme
	}
	return "plaintext"
}

// resends reports whether rows can go to the destination a second time after a
// connection broke.
func (d *Destination) resends() bool {
	switch d.scheme() {
	case "udp", "whisper", "stdout":
		return false
	}
	return d.Kind != "aggregator"
}
