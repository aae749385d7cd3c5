package functions

var isNonNull = function{
	name:   "isNonNull",
	group:  "Transform",
	doc:    "Gives 1 where there is a value and 0 where there is none.",
	params: []Param{list},
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		for _, s := range list {
			s.tag("isNonNull", "1")
			s.rename("isNonNull(" + s.Name + ")")
			for i, v := range s.Values {
				if s.Values[i] = 1; missing(v) {
					s.Values[i] = 0
				}
			}
		}
		return list, nil
	},
}
