package functions

var pow = function{
	name:   "pow",
	group:  "Transform",
	doc:    "Raises each value to a power.",
	params: []Param{list, required("factor", typeFloat)},
	run: mapValues(func(c *call, s *Series) {
		s.tag("pow", repr(c.number(1, 0), false))
		s.rename("pow(" + s.Name + "," + short(c.number(1, 0)) + ")")
	}, func(c *call, s *Series) func(v float64) float64 {
		return func(v float64) float64 { return power(v, c.number(1, 0)) }
	}),
}
