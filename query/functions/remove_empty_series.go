package functions

var removeEmptySeries = function{
	name:   "removeEmptySeries",
	group:  "Filter Series",
	doc:    "Keeps the series with a value, or with values at the part xFilesFactor of their points at least.",
	params: []Param{list, optional("xFilesFactor", typeFloat)},
	run:    func(c *call) ([]*Series, error) { return nonEmpty(c.list(0), c.number(1, 0)), nil },
}

// nonEmpty keeps the series with enough values.
func nonEmpty(list []*Series, xff float64) []*Series {
	kept := make([]*Series, 0, len(list))
	for _, s := range list {
		if enough(present(s.Values), float64(len(s.Values)), xff) {
			kept = append(kept, s)
		}
	}
	return kept
}
