package carbonconf

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"

	"github.com/coalesce-metrics/coalesce/config"
)

// top writes the settings that are of no table.
func (c *conversion) top() {
	rules := c.path(c.text("AGGREGATION_RULES"))
	c.from("", "AGGREGATION_RULES")
	if c.missing(rules) {
		c.out.comment(0, "There is no such file now. Neither carbon-aggregator nor coalesce starts without it.")
		c.warnf("AGGREGATION_RULES", "there is no %s, without which neither carbon-aggregator nor coalesce starts", excerpt(rules))
	}
	c.out.set("rules", rules)

	c.from("carbon-aggregator leaves the names of outputs as the rules write them.")
	c.out.set("prefix", "")

	c.data()

	if line, udp := c.plaintext(); line == udp && line != "" {
		c.from("TCP as well as UDP.", "LINE_RECEIVER_INTERFACE", "LINE_RECEIVER_PORT",
			"ENABLE_UDP_LISTENER", "UDP_RECEIVER_INTERFACE", "UDP_RECEIVER_PORT")
		c.out.set("listen", line)
	} else {
		c.from("This would open TCP as well as UDP; what carbon-aggregator opens is under [[listener]].")
		c.out.set("listen", "")
	}
	c.from("", "PICKLE_RECEIVER_INTERFACE", "PICKLE_RECEIVER_PORT")
	c.out.set("listen_pickle", c.address("PICKLE"))

	note := ""
	if c.out.silent = !c.given("DESTINATIONS") || c.text("DESTINATION_PROTOCOL") == "protobuf"; c.out.silent {
		note = "Take the # away when there is a destination."
	}
	c.from(note, "FORWARD_ALL")
	c.out.set("forward_all", c.truth("FORWARD_ALL"))
	c.out.silent = false
}

// plaintext returns where carbon listens for lines over TCP and over UDP, ""
// where it does not.
func (c *conversion) plaintext() (tcp, udp string) {
	if c.truth("ENABLE_UDP_LISTENER") {
		udp = c.address("UDP")
	}
	return c.address("LINE"), udp
}

// address returns where a receiver listens, or "" where it is off.
func (c *conversion) address(receiver string) string {
	port := receiver + "_RECEIVER_PORT"
	n := c.number(port)
	if n != float64(int(n)) || n < 0 || n > 65535 {
		c.errorf(port, "not a port; accepted: 0 to 65535")
	}
	host := c.text(receiver + "_RECEIVER_INTERFACE")
	if n == 0 {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(int(n)))
}

// limits writes what one listener takes.
func (c *conversion) limits() {
	c.out.heading("[limits]")
	note := "For each listener, instead of all together."
	if math.IsInf(c.number("MAX_RECEIVER_CONNECTIONS"), 1) {
		note = "There is always a bound; this is the highest, for each listener."
	}
	c.from(note, "MAX_RECEIVER_CONNECTIONS")
	c.out.set("max_connections", c.whole("MAX_RECEIVER_CONNECTIONS", 1, 1_000_000))

	switch {
	case !c.given("METRIC_CLIENT_IDLE_TIMEOUT"):
	case c.unset("METRIC_CLIENT_IDLE_TIMEOUT"):
		c.from("No idle_timeout.", "METRIC_CLIENT_IDLE_TIMEOUT")
	default:
		c.from("In carbon, lines that are refused or filtered do not count against it; here every byte does.", "METRIC_CLIENT_IDLE_TIMEOUT")
		c.out.set("idle_timeout", c.seconds("METRIC_CLIENT_IDLE_TIMEOUT", config.Second, 365*config.Day))
	}
	if frame := config.Size(c.whole("PICKLE_RECEIVER_MAX_LENGTH", int(config.KiB), int(256*config.MiB))); c.given("PICKLE_RECEIVER_MAX_LENGTH") {
		c.from("", "PICKLE_RECEIVER_MAX_LENGTH")
		c.out.set("max_frame", frame)
	}
	if c.given("MIN_TIMESTAMP_RESOLUTION") {
		c.from("", "MIN_TIMESTAMP_RESOLUTION")
		c.out.set("timestamp_resolution", config.Duration(c.whole("MIN_TIMESTAMP_RESOLUTION", 0, 86400))*config.Second)
	}
}

// listeners writes those that have no key at the top.
func (c *conversion) listeners() {
	line, udp := c.plaintext()
	if line != udp {
		note := ""
		if line == "" {
			note = "Off."
		}
		c.from(note, "LINE_RECEIVER_INTERFACE", "LINE_RECEIVER_PORT")
		c.listener("plaintext", "tcp", line)
		c.udp(udp)
	}
	names := []string{"PROTOBUF_RECEIVER_INTERFACE", "PROTOBUF_RECEIVER_PORT"}
	protobuf := c.address("PROTOBUF")
	switch given := c.onlyGiven(names); {
	case protobuf != "":
		c.from("", names...)
		c.listener("protobuf", "tcp", protobuf)
		if c.given("PICKLE_RECEIVER_MAX_LENGTH") {
			c.out.set("max_frame", config.MiB)
		}
	case len(given) > 0:
		c.from("Off.", given...)
	}
}

// udp writes the UDP listener, if it is on.
func (c *conversion) udp(address string) {
	names := []string{"ENABLE_UDP_LISTENER", "UDP_RECEIVER_INTERFACE", "UDP_RECEIVER_PORT"}
	switch given := c.onlyGiven(names); {
	case address != "":
		c.from("", names...)
		c.listener("plaintext", "udp", address)
	case len(given) > 0:
		c.from("Off.", given...)
	}
}

// listener writes one, unless the address is empty.
func (c *conversion) listener(protocol, transport, address string) {
	if address == "" {
		return
	}
	c.out.setLine("[[listener]]")
	c.out.set("protocol", protocol)
	c.out.set("transport", transport)
	c.out.set("address", address)
}

// onlyGiven returns those of some keys that the file has.
func (c *conversion) onlyGiven(names []string) []string {
	var given []string
	for _, key := range names {
		if c.given(key) {
			given = append(given, key)
		}
	}
	return given
}

// names writes what becomes of names.
func (c *conversion) names() {
	c.out.heading("[names]")
	rewrite := c.path(c.text("REWRITE_RULES"))
	c.from("", "REWRITE_RULES")
	c.optional("rewrite_rules", rewrite)

	if c.truth("USE_WHITELIST") {
		c.from("", "USE_WHITELIST")
		c.optional("allow_list", c.path("whitelist.conf"))
		c.optional("deny_list", c.path("blacklist.conf"))
	} else if c.given("USE_WHITELIST") {
		c.from("No allow_list and no deny_list.", "USE_WHITELIST")
	}
	if c.given("TAG_RELAY_NORMALIZED") {
		c.from("carbon does it just before it sends; here the rules see the canonical form, too.", "TAG_RELAY_NORMALIZED")
		c.out.set("normalise_tags", c.truth("TAG_RELAY_NORMALIZED"))
	}
}

// optional sets the path of a file that carbon does without. Where there is
// none it becomes a comment.
func (c *conversion) optional(key, path string) {
	if c.missing(path) {
		c.out.comment(0, fmt.Sprintf("There is no such file now; once there is, take the # away from %s.", key))
		c.out.silent = true
	}
	c.out.set(key, path)
	c.out.silent = false
}

// aggregation writes how long buckets live.
func (c *conversion) aggregation() {
	c.out.heading("[aggregation]")
	c.from("", "MAX_AGGREGATION_INTERVALS")
	c.out.set("keep", c.whole("MAX_AGGREGATION_INTERVALS", 1, 10_000))

	switch {
	case !c.given("WRITE_BACK_FREQUENCY"):
		c.used["WRITE_BACK_FREQUENCY"] = true
	case c.unset("WRITE_BACK_FREQUENCY") || c.number("WRITE_BACK_FREQUENCY") <= 0:
		c.from("Buckets are emitted when they close. (carbon-aggregator spins with 0, although its example file offers it.)", "WRITE_BACK_FREQUENCY")
		c.out.set("write_back", config.Duration(0))
	default:
		c.from("Open buckets are emitted as often. A bucket is emitted when it closes in any case.", "WRITE_BACK_FREQUENCY")
		c.out.set("write_back", c.seconds("WRITE_BACK_FREQUENCY", config.Second, config.Day))
	}
	if c.given("CACHE_METRIC_NAMES_MAX") {
		n := c.number("CACHE_METRIC_NAMES_MAX")
		if n <= 0 {
			c.from("carbon remembers every name for ever; coalesce 4000000, and then forgets those idle longest.", "CACHE_METRIC_NAMES_MAX")
			return
		}
		c.from("For all rules together, instead of for each.", "CACHE_METRIC_NAMES_MAX")
		c.out.set("max_series", c.whole("CACHE_METRIC_NAMES_MAX", 1, 134_217_728))
	}
}

// firstInstance is carbon's default for --instance. What another one is given must not
// collide with it, as both may be on one host.
const firstInstance = "a"

// data writes the data directory.
func (c *conversion) data() {
	c.from("carbon-aggregator loses its open buckets when it stops. coalesce keeps them in this directory; " +
		`a relative one is beside this file. "" keeps nothing on disk.`)
	if c.options.Instance == firstInstance {
		c.out.comment(0, `data = "coalesce-data"`)
		return
	}
	c.out.comment(0, "Each instance on a host needs one of its own.")
	c.out.set("data", "coalesce-data-"+strings.ReplaceAll(c.options.Instance, "/", "_"))
}

// http writes the address of the server of queries and metrics.
func (c *conversion) http() {
	if c.options.Instance == firstInstance {
		return
	}
	c.out.heading("[http]")
	c.from("Each instance on a host needs an address of its own. With port 0 it takes a free one, which the log names.")
	c.out.set("listen", "127.0.0.1:0")
}

// metrics writes how the daemon's own series are called.
func (c *conversion) metrics() {
	c.out.heading("[metrics]")
	prefix := c.text("CARBON_METRIC_PREFIX")
	if c.given("CARBON_METRIC_PREFIX") {
		c.from("", "CARBON_METRIC_PREFIX")
		if validNodes(prefix) {
			c.out.set("prefix", prefix)
		} else {
			c.out.comment(0, "That cannot begin the name of a series, so that the default stays.")
			c.warnf("CARBON_METRIC_PREFIX", `cannot begin the name of a series; it is "carbon" now`)
		}
	}
	if c.given("CARBON_METRIC_INTERVAL") {
		c.from("", "CARBON_METRIC_INTERVAL")
		interval := config.Duration(0)
		if c.number("CARBON_METRIC_INTERVAL") > 0 {
			interval = c.seconds("CARBON_METRIC_INTERVAL", config.Second, config.Day)
		}
		c.out.set("interval", interval)
	}
	c.from("The --instance of carbon-aggregator.")
	instance := strings.ReplaceAll(c.options.Instance, ".", "_")
	if !validNodes(instance) {
		c.file.problem(config.Error, 0, "the instance %s cannot be part of the name of a series; accepted: a name without blanks, control characters and ;", quote(instance))
		instance = "a"
	}
	c.out.set("instance", instance)
}

// validNodes reports whether s is nodes of a name, joined by dots.
func validNodes(s string) bool {
	const max = 200
	for node := range strings.SplitSeq(s, ".") {
		if node == "" || len(s) > max || strings.ContainsFunc(node, func(r rune) bool { return r == ';' || isSpace(r) || r < ' ' || r == 0x7f }) {
			return false
		}
	}
	return true
}
