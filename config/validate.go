package config

import (
	"reflect"
	"strings"
	"unicode"
)

// Validate checks the settings by themselves and against each other. [Load] has
// already done so; Validate is for a config that was made or changed in code,
// so its problems have no place in a file.
func (c *Config) Validate() Problems {
	k := &checker{config: c}
	k.check(c)
	return k.problems
}

// check runs every check that needs no more than the values.
func (k *checker) check(c *Config) {
	k.ranges(reflect.ValueOf(c).Elem(), "")
	k.checkNames(c)
	k.checkLimits(c)
	k.checkListeners(c)
	k.checkDestinations(c)
	k.checkRoutes(c)
	k.checkPlace(c)
	k.checkStore(c)
	k.checkViews(c)
	k.checkMeasurements(c)
	k.checkHTTP(c)
	k.checkNode(c)
}

// checkNames checks paths and parts of metric names.
func (k *checker) checkNames(c *Config) {
	if c.Rules == "" {
		k.errorf("rules", c.Rules, "empty; accepted: the path of the aggregation rules")
	}
	for _, p := range []struct{ key, path string }{
		{"rules", c.Rules}, {"data", c.Data},
		{"names.rewrite_rules", c.Names.RewriteRules}, {"names.allow_list", c.Names.AllowList}, {"names.deny_list", c.Names.DenyList},
	} {
		if strings.ContainsRune(p.path, 0) {
			k.errorf(p.key, p.path, "holds a NUL; accepted: a path")
		}
	}
	if c.Names.RewriteAggregates && c.Names.RewriteRules == "" {
		k.report(Warning, []string{"names.rewrite_aggregates"}, true, "has no effect without names.rewrite_rules; accepted: both, or neither")
	}
	n := c.Names
	k.noEffect(n.ListSyntax == "glob" && n.AllowList == "" && n.DenyList == "", "names.list_syntax", n.ListSyntax,
		"without names.allow_list or names.deny_list")
	const partMax = 255
	if len(c.Prefix) > partMax || strings.ContainsFunc(c.Prefix, func(r rune) bool { return !inName(r) }) {
		k.errorf("prefix", c.Prefix, "cannot begin a metric name; accepted: at most %d bytes without blanks, "+
			"control characters and ;", partMax)
	}
	m := c.Metrics
	if len(m.Prefix) > partMax || !validNodes(m.Prefix) {
		k.errorf("metrics.prefix", m.Prefix, "cannot begin a metric name; accepted: nodes joined by dots, none of them empty, "+
			"at most %d bytes without blanks, control characters and ;", partMax)
	}
	if len(m.Instance) > partMax || !validNodes(m.Instance) || strings.Contains(m.Instance, ".") {
		k.errorf("metrics.instance", m.Instance, "cannot be part of a node; accepted: 1 to %d bytes without dots, blanks, "+
			"control characters and ;", partMax)
	}
}

// inName reports whether a rune may be in the name of a series, tags aside.
func inName(r rune) bool {
	return r != ';' && !unicode.IsSpace(r) && !unicode.IsControl(r)
}

// validNodes reports whether s is one or more nodes joined by dots.
func validNodes(s string) bool {
	for node := range strings.SplitSeq(s, ".") {
		if node == "" || strings.ContainsFunc(node, func(r rune) bool { return !inName(r) }) {
			return false
		}
	}
	return true
}

// checkLimits checks limits against each other.
func (k *checker) checkLimits(c *Config) {
	l, q, a := c.Limits, c.Queue, c.Aggregation
	k.checkWholeSeconds([]string{"limits.timestamp_resolution"}, l.TimestampResolution, `"10s", or "0s"`)
	lines := []struct {
		key string
		max Size
	}{{"limits.max_line", l.MaxLine}}
	for i, listener := range c.Listeners {
		if key := join(element("listener", i), "max_line"); !k.defaulted(key) {
			lines = append(lines, struct {
				key string
				max Size
			}{key, listener.MaxLine})
		}
	}
	longest := lines[0]
	for _, line := range lines {
		if line.max > longest.max {
			longest = line
		}
		if line.max > l.ReadBuffer {
			k.report(Error, []string{line.key, "limits.read_buffer"}, line.max,
				"above limits.read_buffer = %q; accepted: at most that", l.ReadBuffer)
		}
		if line.max > q.Bytes {
			k.report(Error, []string{line.key, "queue.bytes"}, line.max,
				"above queue.bytes = %q, so that the longest line could not be forwarded; accepted: at most that", q.Bytes)
		}
	}
	for i := range c.Destinations {
		// One that inherits its queue has been checked above.
		if key, d := join(element("destination", i), "queue_bytes"), &c.Destinations[i]; !k.defaulted(key) && d.QueueBytes > 0 && d.QueueBytes < longest.max {
			k.report(Error, []string{key, longest.key}, d.QueueBytes,
				"below %s = %q, so that the longest line could not be forwarded; accepted: at least that", longest.key, longest.max)
		}
	}
	if q.ReconnectMin > q.ReconnectMax {
		k.report(Error, []string{"queue.reconnect_min", "queue.reconnect_max"}, q.ReconnectMin,
			"above queue.reconnect_max = %q; accepted: at most that", q.ReconnectMax)
	}
	if a.MaxBuckets < a.MaxOutputs {
		k.report(Warning, []string{"aggregation.max_buckets", "aggregation.max_outputs"}, a.MaxBuckets,
			"below aggregation.max_outputs = %d, which can then not be reached; accepted: a multiple of it", a.MaxOutputs)
	}
}
