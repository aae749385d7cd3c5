package functions

import (
	"math"
	"strconv"
)

var log = function{
	name:   "log",
	group:  "Transform",
	doc:    "Takes the logarithm of each value, to base 10 where no other is given.",
	params: []Param{list, optional("base", typeInteger).absent(10)},
	run: func(c *call) ([]*Series, error) {
		base := c.int(1, 10)
		if base < 2 {
			return nil, refuse("log: base must be at least 2, got %d", base)
		}
		list := c.list(0)
		for _, s := range list {
			s.tag("log", strconv.Itoa(base))
			s.rename("log(" + s.Name + ", " + strconv.Itoa(base) + ")")
			for i, v := range s.Values {
				s.Values[i] = logarithm(v) / math.Log(float64(base))
			}
		}
		return list, nil
	},
}

// logarithm is missing where there is none.
func logarithm(v float64) float64 {
	if v <= 0 {
		return nan
	}
	return math.Log(v)
}
