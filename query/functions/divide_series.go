package functions

var divideSeries = function{
	name:  "divideSeries",
	group: "Combine",
	doc:   "Divides each series of a list by one series.",
	params: []Param{
		required("dividendSeriesList", typeSeriesList), required("divisorSeries", typeSeriesList),
	},
	run: func(c *call) ([]*Series, error) {
		dividends, divisors := c.list(0), c.list(1)
		switch len(divisors) {
		case 0:
			for _, s := range dividends {
				s.rename("divideSeries(" + s.Name + ",MISSING)")
				for i := range s.Values {
					s.Values[i] = nan
				}
			}
			return dividends, nil
		case 1:
		default:
			return nil, refuse("divideSeries: divisorSeries must be one series, got %d; see divideSeriesLists", len(divisors))
		}
		results := make([]*Series, len(dividends))
		for i, s := range dividends {
			var err error
			if results[i], err = c.quotient("divideSeries", s, divisors[0], 1); err != nil {
				return nil, err
			}
		}
		return results, nil
	},
}

// quotient divides two series and multiplies by a factor.
func (c *call) quotient(name string, dividend, divisor *Series, factor float64) (*Series, error) {
	g, values, err := c.combine([]*Series{dividend, divisor}, func(row []float64, _ int) float64 {
		return divide(row[0], row[1]) * factor
	})
	if err != nil {
		return nil, err
	}
	return c.series(clip(name+"("+dividend.Name+","+divisor.Name+")"), g.start, g.step, values)
}

// divide is missing where the divisor is 0.
func divide(a, b float64) float64 {
	if b == 0 {
		return nan
	}
	return a / b
}
