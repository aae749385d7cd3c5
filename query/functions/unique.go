package functions

var unique = function{
	name:   "unique",
	group:  "Filter Series",
	doc:    "Makes one list out of several, with the first series of each name.",
	params: []Param{lists},
	run: func(c *call) ([]*Series, error) {
		var kept []*Series
		seen := map[string]bool{}
		for _, s := range c.list(0) {
			if !seen[s.Name] {
				seen[s.Name] = true
				kept = append(kept, s)
			}
		}
		return kept, nil
	},
}
