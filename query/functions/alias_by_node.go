package functions

var aliasByNode = function{
	name:   "aliasByNode",
	group:  "Alias",
	doc:    "Names series after nodes of their names, from the end where negative, or after values of tags.",
	params: []Param{list, required("nodes", typeNodeOrTag).many()},
	run:    func(c *call) ([]*Series, error) { return c.aliasByNodes(), nil },
}

var aliasByTags = function{
	name:   "aliasByTags",
	group:  "Alias",
	doc:    "Names series after values of tags, or after nodes of their names.",
	params: []Param{list, required("tags", typeNodeOrTag).many()},
	run:    func(c *call) ([]*Series, error) { return c.aliasByNodes(), nil },
}

func (c *call) aliasByNodes() []*Series {
	list, nodes := c.list(0), c.nodes(1)
	for _, s := range list {
		s.Name = s.key(nodes)
	}
	return list
}
