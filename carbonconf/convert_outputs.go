package carbonconf

import (
	"fmt"
	"path"

	"github.com/coalesce-metrics/coalesce/route"
)

// nodes returns carbon's destinations. What is wrong with them is reported by
// destinations.
func (c *conversion) nodes() []route.Node {
	if !c.given("DESTINATIONS") {
		return nil
	}
	nodes, _ := route.ParseNodes(c.text("DESTINATIONS"))
	return nodes
}

// checkNodes reports what is wrong with carbon's destinations.
func (c *conversion) checkNodes() {
	if _, err := route.ParseNodes(c.text("DESTINATIONS")); err != nil {
		c.errorf("DESTINATIONS", "%s", err)
	}
	type owner struct {
		host, instance string
		has            bool
	}
	seen := map[owner]bool{}
	for _, n := range c.nodes() {
		if n.Port < 1 || n.Port > 65535 {
			c.errorf("DESTINATIONS", "%s has no port; accepted: 1 to 65535", quote(n.String()))
		}
		o := owner{n.Host, n.Instance, n.HasInstance}
		if seen[o] {
			c.errorf("DESTINATIONS", "%s has the host and instance of another one, for which carbon does not start; "+
				"accepted: instances of their own", quote(n.String()))
		}
		seen[o] = true
	}
}

// destinations writes where rows go, and how they wait.
func (c *conversion) destinations() {
	c.out.heading("[queue]")
	c.from("For each destination. carbon-aggregator spreads its outputs over a period, while coalesce sends all of them at its end: "+
		"raise this where there are more outputs than that.", "MAX_QUEUE_SIZE")
	c.out.set("datapoints", c.whole("MAX_QUEUE_SIZE", 1, 1_000_000_000))

	if !c.given("DESTINATIONS") {
		c.from("Aggregates are made but sent nowhere, until there is an upstream or a [[destination]].", "DESTINATIONS")
		c.warnf("DESTINATIONS", "aggregates are sent nowhere")
		return
	}
	c.checkNodes()
	scheme, nodes := c.scheme(), c.nodes()
	c.from("", c.sending()...)
	if scheme == "" {
		c.out.comment(0, "coalesce does not send protobuf. Put the ports of the same daemons' pickle receivers here "+
			"(PICKLE_RECEIVER_PORT of theirs, often 2004), and take the # away from the settings of [[destination]] and [[route]].")
		c.warnf("DESTINATION_PROTOCOL", "coalesce does not send protobuf; give the destinations' pickle ports, where the file says so")
		scheme = "pickle"
		c.out.silent = true
	}
	if c.truth("USE_FLOW_CONTROL") {
		c.out.comment(0, "A full queue makes the inputs wait. (UDP cannot wait, in carbon neither.)")
	} else {
		c.out.comment(0, "A full queue drops: carbon-aggregator the newest datapoints, coalesce the oldest.")
	}
	c.out.comment(0, `If a destination is an aggregator, too, add kind = "aggregator".`)
	if c.tls() && scheme == "pickle" {
		c.out.comment(0, "The keys of TLS turn it on for pickle.")
	}
	for i, n := range nodes {
		if i > 0 {
			c.out.blank()
		}
		c.destination(scheme, n)
	}
	c.route(nodes)
	c.out.silent = false
}

// sending lists the keys that say how rows are sent: those that matter or that
// the file gives.
func (c *conversion) sending() []string {
	names := []string{"DESTINATIONS", "DESTINATION_PROTOCOL"}
	names = append(names, c.onlyGiven([]string{"DESTINATION_TRANSPORT", "DESTINATION_SSL_CA"})...)
	names = append(names, "USE_FLOW_CONTROL")
	return append(names, c.onlyGiven([]string{"MAX_DATAPOINTS_PER_MESSAGE"})...)
}

// scheme returns that of every destination, "" for one that there is not.
func (c *conversion) scheme() string {
	switch c.text("DESTINATION_PROTOCOL") {
	case "pickle":
		return "pickle"
	case "line":
		if c.tls() {
			return "tls"
		}
		return "plaintext"
	case "protobuf":
		return ""
	}
	c.errorf("DESTINATION_PROTOCOL", "carbon does not start with it; accepted: pickle, line or protobuf")
	return "pickle"
}

// tls reports whether connections are encrypted.
func (c *conversion) tls() bool {
	transport := c.text("DESTINATION_TRANSPORT")
	if transport != "ssl" && transport != "none" {
		c.warnf("DESTINATION_TRANSPORT", `taken as "none", as carbon does; accepted: none or ssl`)
	}
	return transport == "ssl"
}

func (c *conversion) destination(scheme string, n route.Node) {
	c.out.setLine("[[destination]]")
	c.out.set("name", n.String())
	c.out.set("address", scheme+"://"+n.String())
	whenFull := "drop-oldest"
	if c.truth("USE_FLOW_CONTROL") {
		whenFull = "block"
	}
	c.out.set("when_full", whenFull)
	if c.tls() {
		c.tlsKeys(scheme, n)
	}
	if c.given("MAX_DATAPOINTS_PER_MESSAGE") && scheme == "pickle" {
		c.out.set("max_datapoints_per_message", c.whole("MAX_DATAPOINTS_PER_MESSAGE", 1, 100_000))
	}
}

// tlsKeys writes those of a destination.
func (c *conversion) tlsKeys(scheme string, n route.Node) {
	if c.unset("DESTINATION_SSL_CA") {
		if scheme != "tls" {
			c.out.set("tls_server_name", n.Host)
		}
		return
	}
	ca := c.text("DESTINATION_SSL_CA")
	if !path.IsAbs(ca) {
		c.warnf("DESTINATION_SSL_CA", "relative to wherever carbon was started; taken as relative to %s", excerpt(c.path(".")))
	}
	c.out.set("tls_ca", c.path(ca))
}

// route writes the one route of an aggregator.
func (c *conversion) route(nodes []route.Node) {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.String()
	}
	hash := c.text("ROUTER_HASH_TYPE")
	switch route.HashType(hash) {
	case route.CarbonCH, route.FNV1aCH, route.MMH3CH:
	default:
		if !c.unset("ROUTER_HASH_TYPE") {
			c.warnf("ROUTER_HASH_TYPE", "taken as carbon_ch, as carbon does; accepted: carbon_ch, fnv1a_ch or mmh3_ch")
		}
		hash = string(route.CarbonCH)
	}
	c.from("carbon-aggregator hashes the names of all it sends, in the order of DESTINATIONS.",
		append([]string{"REPLICATION_FACTOR", "DIVERSE_REPLICAS"}, c.onlyGiven([]string{"ROUTER_HASH_TYPE"})...)...)
	replication := c.whole("REPLICATION_FACTOR", 1, 256)
	if len(names) > 0 && replication > len(names) {
		replication = len(names)
		c.out.comment(0, fmt.Sprintf("There are no more than %d destinations.", replication))
	}
	c.out.setLine("[[route]]")
	c.out.set("to", names)
	c.out.set("mode", "hash")
	c.out.set("hash", hash)
	c.out.set("replication", replication)
	c.out.set("diverse", c.truth("DIVERSE_REPLICAS"))
}
