package functions

import "strings"

var aggregateWithWildcards = function{
	name:  "aggregateWithWildcards",
	group: "Combine",
	doc:   "Aggregates the series whose names are the same without the nodes at some positions.",
	params: []Param{
		list, required("func", typeAggFunc), optional("position", typeNode).many(),
	},
	run: func(c *call) ([]*Series, error) { return c.withoutNodes(c.text(1, ""), 2) },
}

var sumSeriesWithWildcards = wildcardsBy("sumSeriesWithWildcards", "sum",
	"Adds the series whose names are the same without the nodes at some positions.")

var averageSeriesWithWildcards = wildcardsBy("averageSeriesWithWildcards", "average",
	"Averages the series whose names are the same without the nodes at some positions.")

var multiplySeriesWithWildcards = wildcardsBy("multiplySeriesWithWildcards", "multiply",
	"Multiplies the series whose names are the same without the nodes at some positions.")

func wildcardsBy(name, by, doc string) function {
	return function{
		name:   name,
		group:  "Combine",
		doc:    doc,
		params: []Param{list, optional("position", typeNode).many()},
		run:    func(c *call) ([]*Series, error) { return c.withoutNodes(by, 1) },
	}
}

// withoutNodes aggregates what is the same without the nodes of the parameter at.
func (c *call) withoutNodes(by string, at int) ([]*Series, error) {
	without := map[int]bool{}
	for _, n := range c.nodes(at) {
		without[n.number] = true
	}
	var results []*Series
	for _, g := range groupBy(c.list(0), func(s *Series) string {
		var kept []string
		for i, part := range strings.Split(s.Name, ".") {
			if !without[i] {
				kept = append(kept, part)
			}
		}
		return strings.Join(kept, ".")
	}) {
		found, err := c.aggregate(g.list, by, c.ev.xff)
		if err != nil {
			return nil, err
		}
		found[0].Name = g.key
		results = append(results, found[0])
	}
	return results, nil
}
