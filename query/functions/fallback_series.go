package functions

var fallbackSeries = function{
	name:  "fallbackSeries",
	group: "Special",
	doc:   "Gives the series of the first list, or, if there are none, those of the second.",
	params: []Param{
		list, required("fallback", typeSeriesList),
	},
	run: func(c *call) ([]*Series, error) {
		if list := c.list(0); len(list) > 0 {
			return list, nil
		}
		return c.list(1), nil
	},
}
