package functions

var offsetToZero = function{
	name:   "offsetToZero",
	group:  "Transform",
	doc:    "Takes the least value of a series from each of its values.",
	params: []Param{list},
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		for _, s := range list {
			least := minimum(s.Values)
			s.tag("offsetToZero", repr(least, false))
			s.rename("offsetToZero(" + s.Name + ")")
			for i, v := range s.Values {
				s.Values[i] = v - least
			}
		}
		return list, nil
	},
}
