package functions

var groupByNodes = function{
	name:  "groupByNodes",
	group: "Combine",
	doc:   "Combines the series that have the same nodes, or values of tags, and names the results after them.",
	params: []Param{
		list, required("callback", typeAggOrSeries), optional("nodes", typeNodeOrTag).many(),
	},
	run: func(c *call) ([]*Series, error) { return c.combineByNodes(c.text(1, ""), c.nodes(2)) },
}
