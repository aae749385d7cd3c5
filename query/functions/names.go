package functions

import (
	"slices"
	"strings"

	"github.com/coalesce-metrics/coalesce/query/target"
)

// maxName bounds the names that are made of other names, in bytes. A sum over
// thousands of renamed series would have them all in its name.
const maxName = 4096

// clip cuts a name that is too long.
func clip(name string) string {
	if len(name) <= maxName {
		return name
	}
	return strings.ToValidUTF8(name[:maxName-3], "") + "..."
}

// paths returns what the series of a list were read for, each once.
func paths(list []*Series) string {
	var b strings.Builder
	seen := make(map[string]bool, 1)
	for _, s := range list {
		if seen[s.Path] {
			continue
		}
		seen[s.Path] = true
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(s.Path)
		if b.Len() > maxName {
			break
		}
	}
	return clip(b.String())
}

// tagsOf takes a name "name;key=value;…" apart. What looks like a function, or
// breaks the rules for tags, is all name.
func tagsOf(name string) map[string]string {
	whole := map[string]string{"name": name}
	if likeCall(name) {
		return whole
	}
	first, rest, tagged := strings.Cut(name, ";")
	tags := map[string]string{"name": strings.TrimLeft(first, "~")}
	if tags["name"] == "" {
		return whole
	}
	if !tagged {
		return tags
	}
	for pair := range strings.SplitSeq(rest, ";") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" || strings.ContainsAny(key, "!^") || value == "" || value[0] == '~' {
			return whole
		}
		if key != "name" {
			tags[key] = value
		}
	}
	return tags
}

// likeCall reports whether name has letters, and parentheses around all the rest.
func likeCall(name string) bool {
	letters := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	return len(letters) < len(name) && len(letters) > 2 && letters[0] == '(' && name[len(name)-1] == ')'
}

// node chooses a part of a name: the node of a number, from the end where that
// is negative, or the value of a tag.
type node struct {
	number int
	tag    string
	isTag  bool
}

// nodes returns the values of the i-th parameter.
func (c *call) nodes(i int) []node {
	nodes := make([]node, 0, len(c.args[i]))
	for _, v := range c.args[i] {
		nodes = append(nodes, node{int(v.number), v.text, v.kind == isText})
	}
	return nodes
}

// key returns the nodes of a name, with dots between them. Of a name that is a
// call, they are those of the first path in it.
func (s *Series) key(nodes []node) string {
	path := s.Name
	if strings.HasSuffix(path, ")") {
		path = firstPath(path)
	}
	path, _, _ = strings.Cut(path, ";")
	parts := strings.Split(path, ".")
	found := make([]string, len(nodes))
	for i, n := range nodes {
		at := n.number
		if at < 0 {
			at += len(parts)
		}
		switch {
		case n.isTag:
			found[i] = s.Tags[n.tag]
		case at >= 0 && at < len(parts):
			found[i] = parts[at]
		}
	}
	return strings.Join(found, ".")
}

// firstPath returns the first path in the text of a call, or the text itself.
func firstPath(text string) string {
	e, err := target.Parse(text)
	if err != nil {
		return text
	}
	for e.Kind == target.Call && len(e.Args) > 0 {
		e = e.Args[0]
	}
	if e.Kind != target.Path {
		return text
	}
	return e.Value
}

// grouped is the series that share a key.
type grouped struct {
	key  string
	list []*Series
}

// groupBy puts series together by key, in the order in which keys come up.
func groupBy(list []*Series, key func(s *Series) string) []grouped {
	var groups []grouped
	at := map[string]int{}
	for _, s := range list {
		k := key(s)
		i, ok := at[k]
		if !ok {
			i = len(groups)
			at[k] = i
			groups = append(groups, grouped{key: k})
		}
		groups[i].list = append(groups[i].list, s)
	}
	return groups
}

// sorted returns the series by name.
func sorted(list []*Series) []*Series {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *Series) int { return strings.Compare(a.Name, b.Name) })
	return list
}
