package functions

import "math"

var interpolate = function{
	name:  "interpolate",
	group: "Transform",
	doc:   "Fills gaps on a straight line between the values around them; gaps of more points than the limit stay.",
	params: []Param{
		list, optional("limit", typeIntOrInf).absent(infinity),
	},
	run: func(c *call) ([]*Series, error) {
		list, limit := c.list(0), c.number(1, math.Inf(1))
		for _, s := range list {
			s.rename("interpolate(" + s.Name + ")")
			for g := range s.gaps() {
				if g.from == 0 || g.to == len(s.Values) || float64(g.to-g.from) > limit {
					continue
				}
				before, behind := s.Values[g.from-1], s.Values[g.to]
				for i := g.from; i < g.to; i++ {
					s.Values[i] = before + float64(i-g.from+1)*(behind-before)/float64(g.to-g.from+1)
				}
			}
		}
		return list, nil
	},
}
