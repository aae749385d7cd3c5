package functions

var derivative = function{
	name:   "derivative",
	group:  "Transform",
	doc:    "Takes the difference of each value to the one before it.",
	params: []Param{list},
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		for _, s := range list {
			s.tag("derivative", "1")
			s.rename("derivative(" + s.Name + ")")
			previous := nan
			for i, v := range s.Values {
				s.Values[i], previous = v-previous, v
			}
		}
		return list, nil
	},
}
