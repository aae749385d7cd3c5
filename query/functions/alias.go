package functions

var alias = function{
	name:   "alias",
	group:  "Alias",
	doc:    "Gives series a name.",
	params: []Param{list, required("newName", typeString)},
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		for _, s := range list {
			s.Name = c.text(1, "")
		}
		return list, nil
	},
}
