package functions

var aggregateSeriesLists = function{
	name:  "aggregateSeriesLists",
	group: "Combine",
	doc:   "Aggregates the first series of two lists, the second of both, and so on.",
	params: []Param{
		required("seriesListFirstPos", typeSeriesList), required("seriesListSecondPos", typeSeriesList),
		required("func", typeAggFunc), optional("xFilesFactor", typeFloat),
	},
	run: func(c *call) ([]*Series, error) {
		return c.aggregatePairs(c.text(2, ""), c.number(3, c.ev.xff))
	},
}

var sumSeriesLists = pairsBy("sumSeriesLists", "sum",
	"Adds the first series of two lists, the second of both, and so on.")

var diffSeriesLists = pairsBy("diffSeriesLists", "diff",
	"Takes the first series of the second list from the first of the first list, and so on.")

var multiplySeriesLists = pairsBy("multiplySeriesLists", "multiply",
	"Multiplies the first series of two lists, the second of both, and so on.")

func pairsBy(name, by, doc string) function {
	return function{
		name:   name,
		group:  "Combine",
		doc:    doc,
		params: aggregateSeriesLists.params[:2],
		run:    func(c *call) ([]*Series, error) { return c.aggregatePairs(by, c.ev.xff) },
	}
}

func (c *call) aggregatePairs(by string, xff float64) ([]*Series, error) {
	first, second, err := c.pairs()
	if err != nil {
		return nil, err
	}
	var results []*Series
	for i := range first {
		result, err := c.aggregate([]*Series{first[i], second[i]}, by, xff)
		if err != nil {
			return nil, err
		}
		result[0].Name = clip(by + "Series(" + first[i].Name + "," + second[i].Name + ")")
		results = append(results, result[0])
	}
	return results, nil
}

// pairs returns the first two parameters, lists of equal length.
func (c *call) pairs() (first, second []*Series, err error) {
	first, second = c.list(0), c.list(1)
	if len(first) != len(second) {
		return nil, nil, refuse("%s: %s has %d series and %s has %d; they must have equally many",
			c.fn.name, c.fn.params[0].Name, len(first), c.fn.params[1].Name, len(second))
	}
	return first, second, nil
}
