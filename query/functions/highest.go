package functions

import (
	"cmp"
	"slices"
)

var highest = function{
	name:   "highest",
	group:  "Filter Series",
	doc:    "Keeps the n series with the highest average, or the highest other aggregate, in this order.",
	params: rankParams,
	run: func(c *call) ([]*Series, error) {
		return head(ranked(c.list(0), c.text(2, "average"), true), c.int(1, 0)), nil
	},
}

var lowest = function{
	name:   "lowest",
	group:  "Filter Series",
	doc:    "Keeps the n series with the lowest average, or the lowest other aggregate, in this order.",
	params: rankParams,
	run: func(c *call) ([]*Series, error) {
		return head(ranked(c.list(0), c.text(2, "average"), false), c.int(1, 0)), nil
	},
}

var rankParams = []Param{
	list, required("n", typeInteger), optional("func", typeAggFunc).absent("average"),
}

var highestAverage = rankBy("highestAverage", "average", true, "Keeps the n series with the highest average.")

var highestCurrent = rankBy("highestCurrent", "last", true, "Keeps the n series with the highest last value.")

var highestMax = rankBy("highestMax", "max", true,
	"Keeps the n series with the highest greatest value.")

var lowestAverage = rankBy("lowestAverage", "average", false, "Keeps the n series with the lowest average.")

var lowestCurrent = rankBy("lowestCurrent", "last", false, "Keeps the n series with the lowest last value.")

func rankBy(name, by string, down bool, doc string) function {
	return function{
		name:   name,
		group:  "Filter Series",
		doc:    doc,
		params: []Param{list, required("n", typeInteger)},
		run: func(c *call) ([]*Series, error) {
			return head(ranked(c.list(0), by, down), c.int(1, 0)), nil
		},
	}
}

// ranked sorts series by an aggregate of theirs. Those without values are
// lowest; what is equal stays in order.
func ranked(list []*Series, by string, down bool) []*Series {
	aggregate := aggFuncs[by]
	type rank struct {
		s     *Series
		value float64
	}
	ranks := make([]rank, len(list))
	for i, s := range list {
		ranks[i] = rank{s, aggregate(s.Values)}
	}
	// cmp.Compare has NaN below everything.
	slices.SortStableFunc(ranks, func(a, b rank) int {
		if down {
			a, b = b, a
		}
		return cmp.Compare(a.value, b.value)
	})
	results := make([]*Series, len(ranks))
	for i := range ranks {
		results[i] = ranks[i].s
	}
	return results
}

// head returns the first n, or all but the last -n.
func head(list []*Series, n int) []*Series {
	if n < 0 {
		n = max(len(list)+n, 0)
	}
	return list[:min(n, len(list))]
}
