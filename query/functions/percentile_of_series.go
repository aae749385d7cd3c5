package functions

var percentileOfSeries = function{
	name:  "percentileOfSeries",
	group: "Combine",
	doc:   "Takes the n-th percentile of all series at each point.",
	params: []Param{
		list, required("n", typeFloat), optional("interpolate", typeBoolean).absent(false),
	},
	run: func(c *call) ([]*Series, error) {
		n, err := c.percent(1)
		if err != nil {
			return nil, err
		}
		list := c.list(0)
		if len(list) == 0 {
			return nil, nil
		}
		g, values, err := c.combine(list, func(row []float64, _ int) float64 {
			return percentile(row, n, c.flag(2))
		})
		if err != nil {
			return nil, err
		}
		s, err := c.series("percentileOfSeries("+list[0].Path+","+short(n)+")", g.start, g.step, values)
		return []*Series{s}, err
	},
}

// percent returns the i-th parameter, above 0 and up to 100.
func (c *call) percent(i int) (float64, error) {
	n := c.number(i, 0)
	if n <= 0 || n > 100 {
		return 0, refuse("%s: %s must be above 0 and at most 100, got %s", c.fn.name, c.fn.params[i].Name, short(n))
	}
	return n, nil
}
