package wire

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

// A Node is one path that a query of /metrics/find matched. Leaf tells that it
// is a series, Branch that series are below it; one of them is true, and where
// both are, formats for machines have the node twice, the branch first. Nodes
// are written in the order given, except where a format has its own.
type Node struct {
	Path         string
	Leaf, Branch bool
	// First is the time of a leaf's first datapoint, Last the end of its last
	// bucket, in Unix seconds. Where Last is 0 they are not known.
	First, Last int64
}

func (n *Node) name() string { return n.Path[strings.LastIndexByte(n.Path, '.')+1:] }

// interval returns the range of time of a leaf. It never ends before it begins:
// graphite-web would drop all nodes.
func (n *Node) interval() (first, last int64, ok bool) {
	return n.First, max(n.First, n.Last), n.Last != 0
}

// each runs through the nodes, as branch and as leaf.
func each(nodes []Node) iter.Seq2[*Node, bool] {
	return func(yield func(*Node, bool) bool) {
		for i := range nodes {
			n := &nodes[i]
			if n.Branch && !yield(n, false) || n.Leaf && !yield(n, true) {
				return
			}
		}
	}
}

// entries returns how many each runs through.
func entries(nodes []Node) int {
	n := 0
	for range each(nodes) {
		n++
	}
	return n
}

// growFor makes room for nodes that are written with the path so many times and
// about as many bytes besides.
func growFor(dst []byte, nodes []Node, paths, besides int) []byte {
	size := 0
	for i := range nodes {
		size += paths*len(nodes[i].Path) + besides
	}
	return slices.Grow(dst, size)
}

// AppendFindTreeJSON appends the names of the nodes for a tree to browse, sorted,
// branches first. Each name is there once, as a branch where any node of that
// name is one. With wildcards, several are preceded by one that stands for all.
func AppendFindTreeJSON(dst []byte, query string, nodes []Node, wildcards bool) []byte {
	branch := make(map[string]bool)
	for n, leaf := range each(nodes) {
		name := n.name()
		branch[name] = branch[name] || !leaf
	}
	var branches, leaves []string
	for name, is := range branch {
		if is {
			branches = append(branches, name)
		} else {
			leaves = append(leaves, name)
		}
	}
	slices.Sort(branches)
	slices.Sort(leaves)

	dst = growFor(dst, nodes, 2, 70)
	parent := query[:strings.LastIndexByte(query, '.')+1]
	dst = append(dst, '[')
	empty := len(dst)
	add := func(name string, leaf bool) {
		if len(dst) > empty {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"text":`...)
		dst = AppendString(dst, name)
		dst = append(dst, `,"id":`...)
		dst = AppendString(dst, parent+name)
		if leaf {
			dst = append(dst, `,"allowChildren":0,"expandable":0,"leaf":1}`...)
		} else {
			dst = append(dst, `,"allowChildren":1,"expandable":1,"leaf":0}`...)
		}
	}
	if wildcards && len(branch) > 1 {
		add("*", len(branches) == 0)
	}
	for _, name := range branches {
		add(name, false)
	}
	for _, name := range leaves {
		add(name, true)
	}
	return append(dst, ']')
}

// AppendFindJSON appends the nodes as JSON, leaves with their intervals.
func AppendFindJSON(dst []byte, nodes []Node) []byte {
	dst = growFor(dst, nodes, 1, 90)
	dst = append(dst, '[')
	empty := len(dst)
	for n, leaf := range each(nodes) {
		if len(dst) > empty {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"path":`...)
		dst = AppendString(dst, n.Path)
		if !leaf {
			dst = append(dst, `,"is_leaf":false}`...)
			continue
		}
		dst = append(dst, `,"is_leaf":true,"intervals":[`...)
		if first, last, ok := n.interval(); ok {
			dst = append(dst, `{"start":`...)
			dst = strconv.AppendInt(dst, first, 10)
			dst = append(dst, `,"end":`...)
			dst = strconv.AppendInt(dst, last, 10)
			dst = append(dst, '}')
		}
		dst = append(dst, "]}"...)
	}
	return append(dst, ']')
}

// CompleterQuery returns what is to be looked for when text has been typed so
// far and the format is Completer.
func CompleterQuery(text string) string {
	text = strings.ReplaceAll(text, "..", "*.")
	if !strings.HasSuffix(text, "*") {
		text += "*"
	}
	return text
}

// AppendFindCompleter appends the nodes for completion of what is typed: the
// paths of branches end in a dot. With wildcards, several are followed by one
// that stands for all.
func AppendFindCompleter(dst []byte, nodes []Node, wildcards bool) []byte {
	dst = growFor(dst, nodes, 2, 40)
	dst = append(dst, `{"metrics":[`...)
	count := 0
	for n, leaf := range each(nodes) {
		if count++; count > 1 {
			dst = append(dst, ',')
		}
		path, isLeaf := n.Path, `,"is_leaf":"1"}`
		if !leaf {
			path, isLeaf = path+".", `,"is_leaf":"0"}`
		}
		dst = append(dst, `{"path":`...)
		dst = AppendString(dst, path)
		dst = append(dst, `,"name":`...)
		dst = AppendString(dst, n.name())
		dst = append(dst, isLeaf...)
	}
	if wildcards && count > 1 {
		dst = append(dst, `,{"name":"*"}`...)
	}
	return append(dst, "]}"...)
}

// AppendFindNodeList appends the parts of the paths at a position, sorted, each
// once. Parts are counted from 0, or back from -1, which is the last; paths
// without that part have none.
func AppendFindNodeList(dst []byte, nodes []Node, position int) []byte {
	var parts []string
	for i := range nodes {
		path := strings.Split(nodes[i].Path, ".")
		at := position
		if at < 0 {
			at += len(path)
		}
		if 0 <= at && at < len(path) {
			parts = append(parts, path[at])
		}
	}
	slices.Sort(parts)
	dst = append(dst, `{"nodes":[`...)
	for i, part := range slices.Compact(parts) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, part)
	}
	return append(dst, "]}"...)
}
