package functions

var removeAboveValue = removeBy("removeAboveValue", "Removes the values above n.",
	func(c *call, _ *Series) (float64, bool, error) { return c.number(1, 0), true, nil })

var removeBelowValue = removeBy("removeBelowValue", "Removes the values below n.",
	func(c *call, _ *Series) (float64, bool, error) { return c.number(1, 0), false, nil })

var removeAbovePercentile = removeBy("removeAbovePercentile", "Removes the values above the n-th percentile of their series.",
	func(c *call, s *Series) (float64, bool, error) {
		level, err := c.level(s)
		return level, true, err
	})

var removeBelowPercentile = removeBy("removeBelowPercentile", "Removes the values below the n-th percentile of their series.",
	func(c *call, s *Series) (float64, bool, error) {
		level, err := c.level(s)
		return level, false, err
	})

// removeBy removes the values above, or else below, the level of a series.
func removeBy(name, doc string, level func(c *call, s *Series) (level float64, above bool, err error)) function {
	return function{
		name:   name,
		group:  "Filter Data",
		doc:    doc,
		params: []Param{list, required("n", typeFloat)},
		run: func(c *call) ([]*Series, error) {
			list := c.list(0)
			for _, s := range list {
				level, above, err := level(c, s)
				if err != nil {
					return nil, err
				}
				s.rename(name + "(" + s.Name + ", " + short(c.number(1, 0)) + ")")
				for i, v := range s.Values {
					if above && v > level || !above && v < level {
						s.Values[i] = nan
					}
				}
			}
			return list, nil
		},
	}
}

// level returns the percentile of a series that the parameter 1 asks for.
func (c *call) level(s *Series) (float64, error) {
	n, err := c.percent(1)
	if err != nil {
		return nan, err
	}
	level := percentile(s.Values, n, false)
	if !missing(level) {
		s.tag("nPercentile", repr(n, false))
	}
	return level, nil
}
