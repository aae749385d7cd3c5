package functions

var setXFilesFactor = function{
	name:   "setXFilesFactor",
	alias:  "xFilesFactor",
	group:  "Special",
	doc:    "Says which part of the points, 0 to 1, must be there where points are merged or series combined.",
	params: []Param{list, required("xFilesFactor", typeFloat)},
	run: func(c *call) ([]*Series, error) {
		c.ev.xff = c.number(1, 0)
		list := c.list(0)
		for _, s := range list {
			s.XFilesFactor = c.ev.xff
			s.tag("xFilesFactor", repr(c.ev.xff, false))
		}
		return list, nil
	},
}
