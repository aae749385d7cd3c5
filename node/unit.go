package node

import "strings"

// unitOf returns the unit of the values of a metric, "" where it is not known.
func (n *Node) unitOf(metric string) string {
	if unit, ok := n.cfg.Source.Unit(metric); ok {
		return unit
	}
	metric = strings.TrimSuffix(metric, "_total")
	i := strings.LastIndexByte(metric, '_')
	if i < 0 {
		return ""
	}
	switch token := metric[i+1:]; token {
	case "bytes", "seconds", "milliseconds", "percent", "ratio", "celsius":
		return token
	case "ms":
		return "milliseconds"
	case "us":
		return "microseconds"
	case "ns":
		return "nanoseconds"
	}
	return ""
}
