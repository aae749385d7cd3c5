package functions

var transformNull = function{
	name:  "transformNull",
	group: "Transform",
	doc: "Replaces missing values by 0 or by another number; with reference series, only at points where one of " +
		"these has a value.",
	params: []Param{
		list, optional("default", typeFloat).absent(0), optional("referenceSeries", typeSeriesList),
	},
	run: func(c *call) ([]*Series, error) {
		value, list, references := c.number(1, 0), c.list(0), []*Series(nil)
		end := "," + short(value) + ")"
		if c.has(2) {
			references = c.list(2)
		}
		g, counts, err := c.combine(references, func(_ []float64, present int) float64 { return float64(present) })
		if err != nil {
			return nil, err
		}
		if len(references) > 0 {
			end = "," + short(value) + ",referenceSeries)"
		}
		for _, s := range list {
			s.tag("transformNull", repr(value, !c.has(1)))
			if len(references) > 0 {
				s.tag("referenceSeries", "1")
			}
			s.rename("transformNull(" + s.Name + end)
			for i, v := range s.Values {
				if missing(v) && (len(references) == 0 || g.at(counts, s.Start+int64(i)*s.Step) > 0) {
					s.Values[i] = value
				}
			}
		}
		return list, nil
	},
}

// at returns the one of values, which are on the grid, that a time lies in.
func (g *grid) at(values []float64, time int64) float64 {
	if i := (time - g.start) / g.step; time >= g.start && i < int64(len(values)) {
		return values[i]
	}
	return nan
}
