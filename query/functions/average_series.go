package functions

var averageSeries = shortFor(function{
	name:  "averageSeries",
	alias: "avg",
	doc:   "Averages series: each point is the average of the points that are there.",
}, "average")
