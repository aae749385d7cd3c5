package functions

import "math"

var exp = function{
	name:   "exp",
	group:  "Transform",
	doc:    "Raises e to the power of each value.",
	params: []Param{list},
	run: mapValues(func(c *call, s *Series) {
		s.tag("exp", "e")
		s.rename("exp(" + s.Name + ")")
	}, func(c *call, s *Series) func(v float64) float64 {
		return func(v float64) float64 { return power(math.E, v) }
	}),
}
