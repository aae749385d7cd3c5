package functions

import (
	"maps"
)

var aggregate = function{
	name:  "aggregate",
	group: "Combine",
	doc:   "Makes one series out of a list, each of its points by an aggregation function of the points of all.",
	params: []Param{
		list, required("func", typeAggFunc), optional("xFilesFactor", typeFloat),
	},
	run: func(c *call) ([]*Series, error) {
		return c.aggregate(c.list(0), c.text(1, ""), c.number(2, c.ev.xff))
	},
}

// aggregate makes one series out of a list by the aggregation function of a
// name; without series there is none.
func (c *call) aggregate(list []*Series, name string, xff float64) ([]*Series, error) {
	if len(list) == 0 {
		return nil, nil
	}
	combine := aggFuncs[name]
	g, values, err := c.combine(list, func(row []float64, present int) float64 {
		if !enough(present, float64(len(row)), xff) {
			return nan
		}
		return combine(row)
	})
	if err != nil {
		return nil, err
	}
	s, err := c.series(name+"Series("+paths(list)+")", g.start, g.step, values)
	if err != nil {
		return nil, err
	}
	s.XFilesFactor = xff
	s.Tags = common(list)
	if s.Tags["name"] == "" {
		s.Tags["name"] = s.Name
	}
	s.tag("aggregatedBy", name)
	return []*Series{s}, nil
}

// combine makes each point of the values it returns out of those of all series,
// of which so many are present.
func (c *call) combine(list []*Series, f func(row []float64, present int) float64) (grid, []float64, error) {
	g, err := c.align(list)
	if err != nil {
		return g, nil, err
	}
	values, err := c.values(g.n)
	if err != nil {
		return g, nil, err
	}
	row := make([]float64, len(list))
	for i := range values {
		values[i] = f(row, g.row(row, i))
	}
	return g, values, nil
}

// common returns the tags that all series have alike.
func common(list []*Series) map[string]string {
	tags := maps.Clone(list[0].Tags)
	for _, s := range list[1:] {
		maps.DeleteFunc(tags, func(key, value string) bool {
			other, ok := s.Tags[key]
			return !ok || other != value
		})
	}
	return tags
}

// shortFor returns a function that aggregates all its lists together by the
// aggregation function of a name.
func shortFor(f function, by string) function {
	f.group, f.params, f.combines = "Combine", []Param{lists}, true
	f.run = func(c *call) ([]*Series, error) { return c.aggregate(c.list(0), by, c.ev.xff) }
	return f
}

// combiner returns what makes one series out of a list for a name, or nil.
func (ev *evaluator) combiner(name string) func(c *call, list []*Series) ([]*Series, error) {
	if f := ev.functions[name]; f != nil && f.combines {
		return func(c *call, list []*Series) ([]*Series, error) {
			inner := &call{ev: ev, fn: f, expr: c.expr, from: c.from, until: c.until, args: make([][]value, len(f.params))}
			inner.args[0] = []value{{list: list}}
			return f.run(inner)
		}
	}
	if aggFuncs[name] == nil {
		return nil
	}
	return func(c *call, list []*Series) ([]*Series, error) { return c.aggregate(list, name, c.ev.xff) }
}
