package functions

import (
	"iter"
	"math"
)

var keepLastValue = function{
	name:  "keepLastValue",
	group: "Transform",
	doc:   "Fills gaps with the value before them; gaps of more points than the limit stay.",
	params: []Param{
		list, optional("limit", typeIntOrInf).absent(infinity),
	},
	run: func(c *call) ([]*Series, error) {
		list, limit := c.list(0), c.number(1, math.Inf(1))
		for _, s := range list {
			s.rename("keepLastValue(" + s.Name + ")")
			for g := range s.gaps() {
				if g.from > 0 && float64(g.to-g.from) <= limit {
					for i := g.from; i < g.to; i++ {
						s.Values[i] = s.Values[g.from-1]
					}
				}
			}
		}
		return list, nil
	},
}

// gap is a run of missing values: those from one index to before another.
type gap struct{ from, to int }

// gaps returns the runs of missing values of s, which may be filled meanwhile.
func (s *Series) gaps() iter.Seq[gap] {
	return func(yield func(gap) bool) {
		for i := 0; i < len(s.Values); i++ {
			if !missing(s.Values[i]) {
				continue
			}
			from := i
			for i < len(s.Values) && missing(s.Values[i]) {
				i++
			}
			if !yield(gap{from, i}) {
				return
			}
		}
	}
}
