package functions

var scale = function{
	name:   "scale",
	group:  "Transform",
	doc:    "Multiplies each value by a factor.",
	params: []Param{list, required("factor", typeFloat)},
	run: mapValues(func(c *call, s *Series) {
		s.tag("scale", repr(c.number(1, 0), false))
		s.rename("scale(" + s.Name + "," + short(c.number(1, 0)) + ")")
	}, func(c *call, s *Series) func(v float64) float64 {
		return func(v float64) float64 { return v * c.number(1, 0) }
	}),
}
