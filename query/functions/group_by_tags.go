package functions

import (
	"slices"
	"strings"
)

var groupByTags = function{
	name:  "groupByTags",
	group: "Combine",
	doc:   "Combines the series that have the same values of tags, and names the results after these.",
	params: []Param{
		list, required("callback", typeAggOrSeries), required("tags", typeTag).many(),
	},
	run: func(c *call) ([]*Series, error) {
		list, by := c.list(0), c.text(1, "")
		tags := make([]string, len(c.args[2]))
		for i, v := range c.args[2] {
			tags[i] = v.text
		}
		name := ""
		if !slices.Contains(tags, "name") {
			if name = by; oneName(list) {
				name = list[0].Tags["name"]
			}
		}
		var results []*Series
		combine := c.ev.combiner(by)
		for _, g := range groupBy(list, func(s *Series) string { return s.tagKey(name, tags) }) {
			found, err := combine(c, g.list)
			if err != nil {
				return nil, err
			}
			found[0].rename(g.key)
			found[0].Tags = keyTags(g.key)
			results = append(results, found[0])
		}
		return results, nil
	},
}

func oneName(list []*Series) bool {
	for _, s := range list {
		if s.Tags["name"] != list[0].Tags["name"] {
			return false
		}
	}
	return len(list) > 0
}

// tagKey writes the tags of s in order behind a name, its own where that is
// empty.
func (s *Series) tagKey(name string, tags []string) string {
	if name == "" {
		name = s.Tags["name"]
	}
	pairs := make([]string, 0, len(tags))
	for _, tag := range tags {
		if tag != "name" {
			pairs = append(pairs, ";"+tag+"="+s.Tags[tag])
		}
	}
	slices.Sort(pairs)
	return name + strings.Join(pairs, "")
}

// keyTags takes apart what tagKey wrote. A tag may have no value.
func keyTags(key string) map[string]string {
	first, rest, _ := strings.Cut(key, ";")
	tags := map[string]string{}
	for pair := range strings.SplitSeq(rest, ";") {
		if tag, value, ok := strings.Cut(pair, "="); ok {
			tags[tag] = value
		}
	}
	tags["name"] = first
	return tags
}
