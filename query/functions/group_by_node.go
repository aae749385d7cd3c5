package functions

var groupByNode = function{
	name:  "groupByNode",
	group: "Combine",
	doc:   "Combines the series that have the same node, or value of a tag, and names the results after it.",
	params: []Param{
		list, required("nodeNum", typeNodeOrTag), optional("callback", typeAggOrSeries).absent("average"),
	},
	run: func(c *call) ([]*Series, error) { return c.combineByNodes(c.text(2, "average"), c.nodes(1)) },
}

// combineByNodes combines the series of the first list that share nodes.
func (c *call) combineByNodes(by string, nodes []node) ([]*Series, error) {
	var results []*Series
	combine := c.ev.combiner(by)
	for _, g := range groupBy(c.list(0), func(s *Series) string { return s.key(nodes) }) {
		found, err := combine(c, g.list)
		if err != nil {
			return nil, err
		}
		found[0].Name = g.key
		results = append(results, found[0])
	}
	return results, nil
}
