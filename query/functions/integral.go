package functions

var integral = function{
	name:   "integral",
	group:  "Transform",
	doc:    "Adds up the values from the first point on.",
	params: []Param{list},
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		for _, s := range list {
			s.tag("integral", "1")
			s.rename("integral(" + s.Name + ")")
			total := 0.0
			for i, v := range s.Values {
				if !missing(v) {
					total += v
					s.Values[i] = total
				}
			}
		}
		return list, nil
	},
}
