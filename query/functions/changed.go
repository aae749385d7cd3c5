package functions

var changed = function{
	name:   "changed",
	group:  "Special",
	doc:    "Gives 1 where a value differs from the one before it, gaps left out, and 0 everywhere else.",
	params: []Param{list},
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		for _, s := range list {
			s.rename("changed(" + s.Name + ")")
			previous := nan
			for i, v := range s.Values {
				s.Values[i] = 0
				switch {
				case missing(v):
				case missing(previous):
					previous = v
				case v != previous:
					previous = v
					s.Values[i] = 1
				}
			}
		}
		return list, nil
	},
}
