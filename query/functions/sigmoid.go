package functions

import "math"

var sigmoid = function{
	name:   "sigmoid",
	group:  "Transform",
	doc:    "Maps each value to between 0 and 1 by the logistic function.",
	params: []Param{list},
	run: mapValues(func(c *call, s *Series) {
		s.tag("sigmoid", "sigmoid")
		s.rename("sigmoid(" + s.Name + ")")
	}, func(c *call, s *Series) func(v float64) float64 {
		return func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
	}),
}
