package functions

import "strconv"

var round = function{
	name:   "round",
	group:  "Transform",
	doc:    "Rounds each value to whole numbers, or to a number of decimal places.",
	params: []Param{list, optional("precision", typeInteger).absent(0)},
	run: mapValues(func(c *call, s *Series) {
		places := c.int(1, 0)
		s.tag("round", strconv.Itoa(places))
		if !c.has(1) {
			s.rename("round(" + s.Name + ")")
			return
		}
		s.rename("round(" + s.Name + "," + short(float64(places)) + ")")
	}, func(c *call, _ *Series) func(v float64) float64 {
		return func(v float64) float64 { return roundTo(v, c.int(1, 0)) }
	}),
}
