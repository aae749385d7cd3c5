package functions

var aliasByMetric = function{
	name:   "aliasByMetric",
	group:  "Alias",
	doc:    "Names series after the last node of their names.",
	params: []Param{list},
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		for _, s := range list {
			s.Name = nodesOf(s.Name, -1, 0)
		}
		return list, nil
	},
}
