package functions

var nonNegativeDerivative = function{
	name:   "nonNegativeDerivative",
	group:  "Transform",
	doc:    "Takes the difference of each value to the one before it, as of counters: a fall is where the counter began anew.",
	params: counterParams,
	run: func(c *call) ([]*Series, error) {
		return c.deltas("nonNegativeDerivative", func(delta float64, _ int64) float64 { return delta }), nil
	},
}

var counterParams = []Param{list, optional("maxValue", typeFloat), optional("minValue", typeFloat)}

// deltas replaces the values of a counter by what it grew, converted.
func (c *call) deltas(name string, convert func(delta float64, step int64) float64) []*Series {
	most, least := c.number(1, nan), c.number(2, nan)
	list := c.list(0)
	for _, s := range list {
		s.tag(name, "1")
		s.rename(name + "(" + s.Name + ")")
		previous := nan
		for i, v := range s.Values {
			if v > most || v < least {
				v = nan
			}
			s.Values[i], previous = convert(growth(v, previous, most, least), s.Step), v
		}
	}
	return list
}

// growth is how much a counter grew. One that wraps fell from most, where that
// is not missing, to least, or to 0.
func growth(v, previous, most, least float64) float64 {
	switch {
	case v >= previous:
		return v - previous
	case missing(v) || missing(previous):
		return nan
	case !missing(most) && missing(least):
		return most + 1 + v - previous
	case !missing(most):
		return most + 1 + v - previous - least
	}
	return v - least
}
