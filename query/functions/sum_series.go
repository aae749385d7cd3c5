package functions

var sumSeries = shortFor(function{
	name:  "sumSeries",
	alias: "sum",
	doc:   "Adds series: each point is the sum of the points that are there.",
}, "sum")
