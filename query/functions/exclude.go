package functions

var exclude = function{
	name:   "exclude",
	group:  "Filter Series",
	doc:    "Removes the series in whose names a regular expression is found.",
	params: []Param{list, required("pattern", typeString)},
	run:    func(c *call) ([]*Series, error) { return c.match(false) },
}
