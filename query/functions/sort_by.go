package functions

var sortBy = function{
	name:  "sortBy",
	group: "Sorting",
	doc:   "Sorts series by their average, or by another aggregate.",
	params: []Param{
		list, optional("func", typeAggFunc).absent("average"), optional("reverse", typeBoolean).absent(false),
	},
	run: func(c *call) ([]*Series, error) {
		return ranked(c.list(0), c.text(1, "average"), c.flag(2)), nil
	},
}

var sortByTotal = function{
	name:   "sortByTotal",
	group:  "Sorting",
	doc:    "Sorts series by their sum, the highest first.",
	params: []Param{list},
	run:    func(c *call) ([]*Series, error) { return ranked(c.list(0), "sum", true), nil },
}

var sortByMaxima = function{
	name:   "sortByMaxima",
	group:  "Sorting",
	doc:    "Sorts series by their greatest value, the highest first.",
	params: []Param{list},
	run:    func(c *call) ([]*Series, error) { return ranked(c.list(0), "max", true), nil },
}

var sortByMinima = function{
	name:   "sortByMinima",
	group:  "Sorting",
	doc:    "Sorts series by their least value, the lowest first. Series without a value above 0 are left out.",
	params: []Param{list},
	run: func(c *call) ([]*Series, error) {
		return ranked(filter(c.list(0), "max", ">", 0), "min", false), nil
	},
}
