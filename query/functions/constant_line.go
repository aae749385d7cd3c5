package functions

var constantLine = function{
	name:   "constantLine",
	group:  "Special",
	doc:    "Draws a line at a value, with points at the start, the middle and the end.",
	params: []Param{required("value", typeFloat)},
	run: func(c *call) ([]*Series, error) {
		return c.constant(c.number(0, 0), c.text(0, ""))
	},
}

// constant returns a line with the value as it was written for a name.
func (c *call) constant(value float64, text string) ([]*Series, error) {
	values, err := c.values(3)
	if err != nil {
		return nil, err
	}
	for i := range values {
		values[i] = value
	}
	s, err := c.series(text, c.from, max((c.until-c.from)/2, 1), values)
	if err != nil {
		return nil, err
	}
	s.Path = "constantLine(" + text + ")"
	return []*Series{s}, nil
}
