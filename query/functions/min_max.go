package functions

var minMax = function{
	name:   "minMax",
	group:  "Transform",
	doc:    "Maps the values of a series to between 0, its least, and 1, its greatest.",
	params: []Param{list},
	run: mapValues(func(c *call, s *Series) {
		s.rename("minMax(" + s.Name + ")")
	}, func(c *call, s *Series) func(v float64) float64 {
		low := minimum(s.Values)
		span := maximum(s.Values) - low
		return func(v float64) float64 {
			if span == 0 {
				return 0
			}
			return (v - low) / span
		}
	}),
}
