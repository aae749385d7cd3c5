package functions

import "strconv"

var delay = function{
	name:   "delay",
	group:  "Transform",
	doc:    "Moves the values by a number of points, later or, where it is negative, earlier.",
	params: []Param{list, required("steps", typeInteger)},
	run: func(c *call) ([]*Series, error) {
		steps := c.int(1, 0)
		list := c.list(0)
		for _, s := range list {
			s.tag("delay", strconv.Itoa(steps))
			s.rename("delay(" + s.Name + "," + strconv.Itoa(steps) + ")")
			values, err := c.values(len(s.Values))
			if err != nil {
				return nil, err
			}
			n := min(max(steps, -steps), len(values))
			if steps < 0 {
				copy(values, s.Values[n:])
			} else {
				copy(values[n:], s.Values)
			}
			s.Values = values
		}
		return list, nil
	},
}
