package functions

var maxSeries = shortFor(function{
	name: "maxSeries",
	doc:  "Takes the greatest of all series at each point.",
}, "max")
