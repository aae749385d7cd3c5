package functions

var add = function{
	name:   "add",
	group:  "Transform",
	doc:    "Adds a constant to each value.",
	params: []Param{list, required("constant", typeFloat)},
	run: mapValues(func(c *call, s *Series) {
		s.tag("add", repr(c.number(1, 0), false))
		s.rename("add(" + s.Name + "," + whole(c.number(1, 0)) + ")")
	}, func(c *call, s *Series) func(v float64) float64 {
		return func(v float64) float64 { return v + c.number(1, 0) }
	}),
}
