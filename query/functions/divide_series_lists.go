package functions

var divideSeriesLists = function{
	name:  "divideSeriesLists",
	group: "Combine",
	doc:   "Divides the first series of a list by the first of another, the second by the second, and so on.",
	params: []Param{
		required("dividendSeriesList", typeSeriesList), required("divisorSeriesList", typeSeriesList),
	},
	run: func(c *call) ([]*Series, error) {
		dividends, divisors, err := c.pairs()
		if err != nil {
			return nil, err
		}
		results := make([]*Series, len(dividends))
		for i, s := range dividends {
			if results[i], err = c.quotient("divideSeries", s, divisors[i], 1); err != nil {
				return nil, err
			}
		}
		return results, nil
	},
}
