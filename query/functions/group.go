package functions

var groupLists = function{
	name:   "group",
	group:  "Combine",
	doc:    "Makes one list out of several.",
	params: []Param{optional("seriesLists", typeSeriesList).many()},
	run:    func(c *call) ([]*Series, error) { return c.list(0), nil },
}
