package functions

var squareRoot = function{
	name:   "squareRoot",
	group:  "Transform",
	doc:    "Takes the square root of each value.",
	params: []Param{list},
	run: mapValues(func(c *call, s *Series) {
		s.tag("squareRoot", "1")
		s.rename("squareRoot(" + s.Name + ")")
	}, func(c *call, s *Series) func(v float64) float64 {
		return func(v float64) float64 { return power(v, 0.5) }
	}),
}
