package functions

var scaleToSeconds = function{
	name:   "scaleToSeconds",
	group:  "Transform",
	doc:    "Turns values per step into values per so many seconds.",
	params: []Param{list, required("seconds", typeFloat)},
	run: mapValues(func(c *call, s *Series) {
		s.tag("scaleToSeconds", repr(c.number(1, 0), false))
		s.rename("scaleToSeconds(" + s.Name + "," + whole(c.number(1, 0)) + ")")
	}, func(c *call, s *Series) func(v float64) float64 {
		factor := c.number(1, 0) / float64(s.Step)
		return func(v float64) float64 { return roundTo(v*factor, 6) }
	}),
}
