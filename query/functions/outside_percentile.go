package functions

var averageOutsidePercentile = function{
	name:   "averageOutsidePercentile",
	group:  "Filter Series",
	doc:    "Removes the series whose average lies between the n-th percentile of all averages and its opposite.",
	params: []Param{list, required("n", typeFloat)},
	run: func(c *call) ([]*Series, error) {
		n, err := c.upperPercent(1)
		if err != nil {
			return nil, err
		}
		list := c.list(0)
		averages := make([]float64, len(list))
		for i, s := range list {
			averages[i] = average(s.Values)
		}
		low, high := percentile(averages, 100-n, false), percentile(averages, n, false)
		var kept []*Series
		for i, s := range list {
			if averages[i] <= low || averages[i] >= high {
				kept = append(kept, s)
			}
		}
		return kept, nil
	},
}

var removeBetweenPercentile = function{
	name:   "removeBetweenPercentile",
	group:  "Filter Series",
	doc:    "Removes the series whose values all lie between the n-th percentile of all series and its opposite.",
	params: []Param{list, required("n", typeFloat)},
	run: func(c *call) ([]*Series, error) {
		n, err := c.upperPercent(1)
		if err != nil {
			return nil, err
		}
		list := c.list(0)
		outside := make([]bool, len(list))
		if _, _, err := c.combine(list, func(row []float64, _ int) float64 {
			low, high := percentile(row, 100-n, false), percentile(row, n, false)
			for i, v := range row {
				outside[i] = outside[i] || v <= low || v >= high
			}
			return nan
		}); err != nil {
			return nil, err
		}
		var kept []*Series
		for i, s := range list {
			if outside[i] {
				kept = append(kept, s)
			}
		}
		return kept, nil
	},
}

// upperPercent returns a percentage, or its opposite if it is below 50.
func (c *call) upperPercent(i int) (float64, error) {
	n, err := c.percent(i)
	return max(n, 100-n), err
}
