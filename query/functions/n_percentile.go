package functions

var nPercentile = function{
	name:   "nPercentile",
	group:  "Calculate",
	doc:    "Replaces all values of each series by their n-th percentile. Series without values are left out.",
	params: []Param{list, required("n", typeFloat)},
	run: func(c *call) ([]*Series, error) {
		var results []*Series
		for _, s := range c.list(0) {
			level, err := c.level(s)
			if err != nil {
				return nil, err
			}
			if missing(level) {
				continue
			}
			s.rename("nPercentile(" + s.Name + ", " + short(c.number(1, 0)) + ")")
			for i := range s.Values {
				s.Values[i] = level
			}
			results = append(results, s)
		}
		return results, nil
	},
}
