package functions

var countSeries = function{
	name:     "countSeries",
	group:    "Combine",
	doc:      "Counts the series of a list, whether they have a point or not.",
	params:   []Param{optional("seriesLists", typeSeriesList).many()},
	combines: true,
	run: func(c *call) ([]*Series, error) {
		if !c.has(0) {
			list, err := c.constant(0, "0")
			if err != nil {
				return nil, err
			}
			list[0].Path = "countSeries()"
			return list, nil
		}
		list := c.list(0)
		if len(list) == 0 {
			return nil, nil
		}
		g, values, err := c.combine(list, func(row []float64, _ int) float64 { return float64(len(row)) })
		if err != nil {
			return nil, err
		}
		s, err := c.series("countSeries("+paths(list)+")", g.start, g.step, values)
		return []*Series{s}, err
	},
}
