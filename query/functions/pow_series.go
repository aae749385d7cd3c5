package functions

import (
	"math"
	"strings"
)

var powSeries = function{
	name:     "powSeries",
	group:    "Combine",
	doc:      "Raises the first series to the power of the second, the result to that of the third, and so on.",
	params:   []Param{required("seriesList", typeSeriesList).many()},
	combines: true,
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		if len(list) == 0 {
			return nil, nil
		}
		g, values, err := c.combine(list, func(row []float64, _ int) float64 {
			v := row[0]
			for _, exponent := range row[1:] {
				v = power(v, exponent)
			}
			return v
		})
		if err != nil {
			return nil, err
		}
		names := make([]string, len(list))
		for i, s := range list {
			names[i] = s.Name
		}
		s, err := c.series("powSeries("+clip(strings.Join(names, ","))+")", g.start, g.step, values)
		return []*Series{s}, err
	},
}

// power is missing where there is no finite number for it.
func power(v, exponent float64) float64 {
	if missing(v) || missing(exponent) {
		return nan
	}
	if v = math.Pow(v, exponent); math.IsInf(v, 0) {
		return nan
	}
	return v
}
