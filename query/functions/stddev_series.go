package functions

var stddevSeries = shortFor(function{
	name: "stddevSeries",
	doc:  "Takes the standard deviation of all series at each point.",
}, "stddev")
