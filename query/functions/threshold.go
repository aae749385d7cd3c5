package functions

var threshold = function{
	name:  "threshold",
	group: "Graph",
	doc:   "Draws a line at a value, with a label. The colour is for clients that draw.",
	params: []Param{
		required("value", typeFloat), optional("label", typeString), optional("color", typeString),
	},
	run: func(c *call) ([]*Series, error) {
		list, err := c.constant(c.number(0, 0), c.text(0, ""))
		if err != nil {
			return nil, err
		}
		list[0].Name = c.text(1, list[0].Name)
		return list, nil
	},
}
