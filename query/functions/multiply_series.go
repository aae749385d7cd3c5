package functions

var multiplySeries = function{
	name:     "multiplySeries",
	group:    "Combine",
	doc:      "Multiplies series. A point that is missing in one of them is missing.",
	params:   []Param{lists},
	combines: true,
	run: func(c *call) ([]*Series, error) {
		if list := c.list(0); len(list) == 1 {
			return list, nil
		}
		return c.aggregate(c.list(0), "multiply", c.ev.xff)
	},
}
