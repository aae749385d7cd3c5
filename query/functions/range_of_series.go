package functions

var rangeOfSeries = shortFor(function{
	name: "rangeOfSeries",
	doc:  "Takes the distance between the least and the greatest of all series at each point.",
}, "rangeOf")
