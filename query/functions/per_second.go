package functions

var perSecond = function{
	name:   "perSecond",
	group:  "Transform",
	doc:    "Takes how much a counter grew in each second: nonNegativeDerivative divided by the step.",
	params: counterParams,
	run: func(c *call) ([]*Series, error) {
		return c.deltas("perSecond", func(delta float64, step int64) float64 { return roundTo(delta/float64(step), 6) }), nil
	},
}
