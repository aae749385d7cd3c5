package views

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/coalesce-metrics/coalesce/plaintext"
)

// maxNode is how long the node of a view's name may be, in bytes, before it is
// made to begin with a letter.
const maxNode = 128

// nodeOf returns the node that stands for a view: letters and digits, and _ for
// everything else, beginning with a letter.
func nodeOf(name string) string {
	node := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			return c
		}
		return '_'
	}, name)
	node = node[:min(len(node), maxNode)]
	switch {
	case node[0] >= '0' && node[0] <= '9':
		return "key_" + node
	case node[0] == '_':
		return "key" + node
	}
	return node
}

// blank reports what would end a name in a line of plaintext, or the line.
func blank(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }

// safeKey returns the key of a tag as Graphite takes it.
func safeKey(key string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(";!^=", c) || blank(c) {
			return '_'
		}
		return c
	}, key)
}

// safeValue returns the value of a tag as Graphite takes it; empty is no tag.
func safeValue(value string) string {
	return strings.TrimLeft(replace(value, ";"), "~")
}

// safeNode returns the value of a tag as a node, which is never empty.
func safeNode(value string) string {
	return cmp.Or(replace(value, ";./\\"), "_")
}

// replace puts _ in the place of blanks and some characters.
func replace(value, some string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(some, c) || blank(c) {
			return '_'
		}
		return c
	}, value)
}

// seriesName makes the names of the series that a view is exported as.
type seriesName struct {
	node  string // of the view
	head  string // what they begin with
	nodes bool   // values are nodes, not tags
	tags  []tag  // in the order of their keys
	le    int    // of tags, those before le
}

// tag is a column in a name.
type tag struct {
	key    string
	column int
}

func newSeriesName(e Export, v *View) seriesName {
	n := seriesName{node: nodeOf(v.Name), nodes: e.Nodes}
	n.head = n.node
	if e.Prefix != "" {
		n.head = e.Prefix + "." + n.node
	}
	for i, c := range v.Columns {
		n.tags = append(n.tags, tag{safeKey(c), i})
	}
	if n.nodes {
		n.le = len(n.tags)
		return n
	}
	slices.SortFunc(n.tags, func(x, y tag) int { return cmp.Compare(x.key, y.key) })
	n.le, _ = slices.BinarySearchFunc(n.tags, leTag, func(t tag, key string) int { return cmp.Compare(t.key, key) })
	return n
}

// values returns what of a row's values goes into the names: before le, and
// behind.
func (n *seriesName) values(values []string) (before, behind string) {
	var b strings.Builder
	for i, t := range n.tags {
		if i == n.le {
			before = b.String()
			b.Reset()
		}
		if n.nodes {
			b.WriteString("." + safeNode(values[t.column]))
		} else if value := safeValue(values[t.column]); value != "" {
			b.WriteString(";" + t.key + "=" + value)
		}
	}
	if n.le == len(n.tags) {
		return b.String(), ""
	}
	return before, b.String()
}

// appendName appends the name of a series without its end, which is what values
// returned. bucket is the bound of a bucket, or nil.
func (n *seriesName) appendName(dst []byte, field, before, behind string, le []byte) []byte {
	dst = append(dst, n.head...)
	if field != "" {
		dst = append(append(dst, '.'), field...)
	}
	dst = append(dst, before...)
	switch {
	case le == nil:
	case n.nodes:
		for i, c := range append([]byte{'.'}, le...) {
			if c == '.' && i > 0 {
				c = '_'
			}
			dst = append(dst, c)
		}
	default:
		dst = append(append(dst, ";"+leTag+"="...), le...)
	}
	return append(dst, behind...)
}

// les returns the bounds as they are in names, and behind them that of the last
// bucket.
func les(bounds []float64) [][]byte {
	all := make([][]byte, 0, len(bounds)+1)
	for _, b := range bounds {
		all = append(all, plaintext.AppendValue(nil, b))
	}
	return append(all, []byte("+Inf"))
}
