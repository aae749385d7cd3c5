package functions

var consolidateBy = function{
	name:  "consolidateBy",
	group: "Special",
	doc:   "Says how the points of series are merged where there are more than asked for, or longer ones are needed.",
	params: []Param{
		list,
		required("consolidationFunc", typeString).oneOf("sum", "average", "avg", "avg_zero", "min", "max", "first", "last"),
	},
	run: func(c *call) ([]*Series, error) { return c.consolidateBy(c.text(1, "")), nil },
}

var cumulative = function{
	name:   "cumulative",
	group:  "Special",
	doc:    "Has the points of series merged by their sum.",
	params: []Param{list},
	run:    func(c *call) ([]*Series, error) { return c.consolidateBy("sum"), nil },
}

func (c *call) consolidateBy(by string) []*Series {
	list := c.list(0)
	for _, s := range list {
		s.Consolidate = by
		s.tag("consolidateBy", by)
		s.rename("consolidateBy(" + s.Name + `,"` + by + `")`)
	}
	return list
}
