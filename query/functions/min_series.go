package functions

var minSeries = shortFor(function{
	name: "minSeries",
	doc:  "Takes the least of all series at each point.",
}, "min")
