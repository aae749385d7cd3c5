package functions

import "math"

var absolute = function{
	name:   "absolute",
	group:  "Transform",
	doc:    "Drops the sign of each value.",
	params: []Param{list},
	run: mapValues(func(c *call, s *Series) {
		s.tag("absolute", "1")
		s.rename("absolute(" + s.Name + ")")
	}, func(c *call, s *Series) func(v float64) float64 {
		return math.Abs
	}),
}
