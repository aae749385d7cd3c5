package functions

import (
	"encoding/json"
	"strconv"
)

var stdev = function{
	name:  "stdev",
	group: "Calculate",
	doc: "Takes, for each point, the standard deviation of the last so many points, where at least the part " +
		"windowTolerance of them is there.",
	params: []Param{
		list, required("points", typeInteger), optional("windowTolerance", typeFloat).absent(json.Number("0.1")),
	},
	run: func(c *call) ([]*Series, error) {
		points := c.int(1, 0)
		if points < 1 || points > maxWindow {
			return nil, refuse("stdev: points must be from 1 to %d, got %d", maxWindow, points)
		}
		list := c.list(0)
		for _, s := range list {
			values, err := c.values(len(s.Values))
			if err != nil {
				return nil, err
			}
			if err := c.slide(values, s.Values, points, "stddev", c.number(2, 0.1)); err != nil {
				return nil, err
			}
			s.tag("stdev", strconv.Itoa(points))
			s.rename("stdev(" + s.Name + "," + strconv.Itoa(points) + ")")
			s.Values = values
		}
		return list, nil
	},
}
