package functions

var offset = function{
	name:   "offset",
	group:  "Transform",
	doc:    "Adds a constant to each value.",
	params: []Param{list, required("factor", typeFloat)},
	run: mapValues(func(c *call, s *Series) {
		s.tag("offset", repr(c.number(1, 0), false))
		s.rename("offset(" + s.Name + "," + short(c.number(1, 0)) + ")")
	}, func(c *call, s *Series) func(v float64) float64 {
		return func(v float64) float64 { return v + c.number(1, 0) }
	}),
}
