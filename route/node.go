package route

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Node is a destination by the names that carbon gives it. Nodes are comparable.
type Node struct {
	// Host is a name or an address as it is written in the configuration, without
	// brackets: carbon hashes its spelling.
	Host string
	Port int
	// Instance tells apart several daemons on one host. An empty instance ("h:1:")
	// is another one than none ("h:1"), which HasInstance tells apart.
	Instance    string
	HasInstance bool
}

// String returns the canonical form, which ParseNode reads back.
func (n Node) String() string {
	s := net.JoinHostPort(n.Host, strconv.Itoa(n.Port))
	if n.HasInstance {
		s += ":" + n.Instance
	}
	return s
}

// maxNodeText is the longest element that ParseNode reads, in bytes.
const maxNodeText = 1024

// nodeForms lists the accepted forms for error messages.
const nodeForms = "accepted: host:port[:instance], [IPv6]:port[:instance]"

// ParseNode reads one element of carbon's DESTINATIONS. As in carbon, blanks around
// it and around the port are ignored, what follows the port's colon is the instance,
// colons included, and the port is any whole number: whoever dials it checks its
// range. Unlike carbon it refuses a host that is empty, contains a bracket or begins with
// a blank. Errors quote s and list the accepted forms.
func ParseNode(s string) (Node, error) {
	n, err := parseNode(strings.TrimSpace(s))
	if err != nil {
		return Node{}, fmt.Errorf("destination %.100q: %w; %s", s, err, nodeForms)
	}
	return n, nil
}

// ParseNodes reads the whole of carbon's DESTINATIONS: elements with commas between
// them. An element that repeats an earlier one, port included, is left out as in
// carbon. Errors are those of ParseNode, or that there are too many.
func ParseNodes(list string) ([]Node, error) {
	var nodes []Node
	for s := range strings.SplitSeq(list, ",") {
		n, err := ParseNode(s)
		if err != nil {
			return nil, err
		}
		if slices.Contains(nodes, n) {
			continue
		}
		if len(nodes) == MaxDestinations {
			return nil, fmt.Errorf("more than %d destinations", MaxDestinations)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func parseNode(s string) (Node, error) {
	if len(s) > maxNodeText {
		return Node{}, fmt.Errorf("%d bytes are more than %d", len(s), maxNodeText)
	}
	var host, rest string
	var ok bool
	if strings.HasPrefix(s, "[") {
		// Carbon looks for the last such pair, so that it may only end the host.
		i := strings.LastIndex(s, "]:")
		if ok = i > 0; ok {
			host, rest = s[1:i], s[i+2:]
		}
	} else {
		host, rest, ok = strings.Cut(s, ":")
	}
	switch {
	case !ok:
		return Node{}, fmt.Errorf("no port")
	case host == "":
		return Node{}, fmt.Errorf("no host")
	case strings.ContainsAny(host, "[]"):
		return Node{}, fmt.Errorf("host %q contains a bracket", host)
	case strings.TrimLeftFunc(host, unicode.IsSpace) != host:
		return Node{}, fmt.Errorf("host %q begins with a blank", host)
	}
	text, instance, hasInstance := strings.Cut(rest, ":")
	port, ok := pythonInt(text)
	if !ok {
		return Node{}, fmt.Errorf("port %q is not a whole number", text)
	}
	return Node{Host: host, Port: port, Instance: instance, HasInstance: hasInstance}, nil
}
