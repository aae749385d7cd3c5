package functions

import "strings"

var substr = function{
	name:  "substr",
	group: "Special",
	doc:   "Names series after the nodes of their names from start to before stop, without the functions around them.",
	params: []Param{
		list, optional("start", typeNode).absent(0), optional("stop", typeNode).absent(0),
	},
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		for _, s := range list {
			s.Name = nodesOf(s.Name, c.int(1, 0), c.int(2, 0))
		}
		return list, nil
	},
}

// nodesOf returns some nodes of what stands in a name's innermost parentheses;
// stop 0 is behind the last. Numbers below 0 count from the end.
func nodesOf(name string, start, stop int) string {
	from, to := strings.LastIndexByte(name, '(')+1, strings.IndexByte(name, ')')
	if to < 0 {
		to = len(name)
	}
	parts := strings.Split(name[min(from, to):to], ".")
	if stop == 0 {
		stop = len(parts)
	}
	start, stop = within(start, len(parts)), within(stop, len(parts))
	inside, _, _ := strings.Cut(strings.Join(parts[min(start, stop):stop], "."), ",")
	return inside
}

// within returns an index as Python's slices take it.
func within(i, n int) int {
	if i < 0 {
		i += n
	}
	return min(max(i, 0), n)
}
