package functions

var invert = function{
	name:   "invert",
	group:  "Transform",
	doc:    "Takes 1 divided by each value.",
	params: []Param{list},
	run: mapValues(func(c *call, s *Series) {
		s.tag("invert", "1")
		s.rename("invert(" + s.Name + ")")
	}, func(c *call, s *Series) func(v float64) float64 {
		return func(v float64) float64 { return power(v, -1) }
	}),
}
