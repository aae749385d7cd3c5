package functions

var filterSeries = function{
	name:  "filterSeries",
	group: "Filter Series",
	doc:   "Keeps the series whose aggregate of all values compares with a threshold as said.",
	params: []Param{
		list, required("func", typeAggFunc), required("operator", typeString).oneOf("!=", "<", "<=", "=", ">", ">="),
		required("threshold", typeFloat),
	},
	run: func(c *call) ([]*Series, error) {
		return filter(c.list(0), c.text(1, ""), c.text(2, ""), c.number(3, 0)), nil
	},
}

var averageAbove = filterBy("averageAbove", "average", ">", "Keeps the series whose average is above n.")

var averageBelow = filterBy("averageBelow", "average", "<=", "Keeps the series whose average is n or below.")

var currentAbove = filterBy("currentAbove", "last", ">", "Keeps the series whose last value is above n.")

var currentBelow = filterBy("currentBelow", "last", "<=", "Keeps the series whose last value is n or below.")

var maximumAbove = filterBy("maximumAbove", "max", ">", "Keeps the series whose greatest value is above n.")

var maximumBelow = filterBy("maximumBelow", "max", "<=",
	"Keeps the series whose greatest value is n or below.")

var minimumAbove = filterBy("minimumAbove", "min", ">", "Keeps the series whose least value is above n.")

var minimumBelow = filterBy("minimumBelow", "min", "<=", "Keeps the series whose least value is n or below.")

func filterBy(name, by, operator, doc string) function {
	return function{
		name:   name,
		group:  "Filter Series",
		doc:    doc,
		params: []Param{list, required("n", typeFloat)},
		run: func(c *call) ([]*Series, error) {
			return filter(c.list(0), by, operator, c.number(1, 0)), nil
		},
	}
}

// filter keeps series by an aggregate of theirs. One without values is below
// everything.
func filter(list []*Series, by, operator string, threshold float64) []*Series {
	aggregate := aggFuncs[by]
	kept := make([]*Series, 0, len(list))
	for _, s := range list {
		v := aggregate(s.Values)
		keep := false
		switch operator {
		case "=":
			keep = v == threshold
		case "!=":
			keep = v != threshold
		case ">":
			keep = v > threshold
		case ">=":
			keep = v >= threshold
		case "<":
			keep = missing(v) || v < threshold
		case "<=":
			keep = missing(v) || v <= threshold
		}
		if keep {
			kept = append(kept, s)
		}
	}
	return kept
}
