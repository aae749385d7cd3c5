package functions

var mostDeviant = function{
	name:   "mostDeviant",
	group:  "Filter Series",
	doc:    "Keeps the n series with the greatest standard deviation. Series without values are left out.",
	params: []Param{list, required("n", typeInteger)},
	run: func(c *call) ([]*Series, error) {
		return head(ranked(nonEmpty(c.list(0), 0), "stddev", true), c.int(1, 0)), nil
	},
}
