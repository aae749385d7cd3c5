package functions

import (
	"slices"
	"strings"
)

var sortByName = function{
	name:  "sortByName",
	group: "Sorting",
	doc:   "Sorts series by name; natural has server2 before server10.",
	params: []Param{
		list, optional("natural", typeBoolean).absent(false), optional("reverse", typeBoolean).absent(false),
	},
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		keys := make(map[*Series]string, len(list))
		for _, s := range list {
			keys[s] = s.Name
			if c.flag(1) {
				keys[s] = naturalKey(s.Name)
			}
		}
		slices.SortStableFunc(list, func(a, b *Series) int {
			if c.flag(2) {
				a, b = b, a
			}
			return strings.Compare(keys[a], keys[b])
		})
		return list, nil
	},
}

// naturalKey has each number in a name with ten digits at least.
func naturalKey(name string) string {
	var b strings.Builder
	for len(name) > 0 {
		rest := strings.TrimLeft(name, "0123456789")
		if digits := strings.TrimLeft(name[:len(name)-len(rest)], "0"); len(rest) < len(name) {
			b.WriteString(strings.Repeat("0", max(10-len(digits), 0)) + digits)
		}
		text := strings.IndexAny(rest, "0123456789")
		if text < 0 {
			text = len(rest)
		}
		b.WriteString(rest[:text])
		name = rest[text:]
	}
	return b.String()
}
