package functions

var limit = function{
	name:   "limit",
	group:  "Filter Series",
	doc:    "Keeps the first n series.",
	params: []Param{list, required("n", typeInteger)},
	run:    func(c *call) ([]*Series, error) { return head(c.list(0), c.int(1, 0)), nil },
}
