package functions

var aliasSub = function{
	name:  "aliasSub",
	group: "Alias",
	doc:   "Replaces what a regular expression matches in the names of series.",
	params: []Param{
		list, required("search", typeString), required("replace", typeString),
	},
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		if err := c.substitute(list); err != nil {
			return nil, err
		}
		return list, nil
	},
}
