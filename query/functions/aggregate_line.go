package functions

var aggregateLine = function{
	name:  "aggregateLine",
	group: "Calculate",
	doc:   "Draws a line at the average of each series, or at another aggregate of its values.",
	params: []Param{
		list, optional("func", typeAggFunc).absent("average"), optional("keepStep", typeBoolean).absent(false),
	},
	run: func(c *call) ([]*Series, error) {
		list, aggregate := c.list(0), aggFuncs[c.text(1, "average")]
		for i, s := range list {
			level := aggregate(s.Values)
			text := "None"
			if !missing(level) {
				text = short(level)
			}
			name := "aggregateLine(" + s.Name + ", " + text + ")"
			if c.flag(2) {
				for j := range s.Values {
					s.Values[j] = level
				}
			} else {
				line, err := c.constant(level, repr(level, c.text(1, "") == "count"))
				if err != nil {
					return nil, err
				}
				list[i] = line[0]
			}
			list[i].rename(name)
		}
		return list, nil
	},
}
