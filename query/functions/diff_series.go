package functions

var diffSeries = shortFor(function{
	name: "diffSeries",
	doc:  "Takes all other series from the first.",
}, "diff")
