package functions

var grep = function{
	name:   "grep",
	group:  "Filter Series",
	doc:    "Keeps the series in whose names a regular expression is found.",
	params: []Param{list, required("pattern", typeString)},
	run:    func(c *call) ([]*Series, error) { return c.match(true) },
}
