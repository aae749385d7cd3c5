package functions

import (
	"slices"
	"strings"
)

var weightedAverage = function{
	name:  "weightedAverage",
	group: "Combine",
	doc:   "Averages series by the weights that a second list gives to the series with the same nodes.",
	params: []Param{
		required("seriesListAvg", typeSeriesList), required("seriesListWeight", typeSeriesList),
		optional("nodes", typeNodeOrTag).many(),
	},
	run: func(c *call) ([]*Series, error) {
		values, weights, err := c.pairs()
		if err != nil {
			return nil, err
		}
		nodes := c.nodes(2)
		byKey := make(map[string]*Series, len(weights))
		for _, s := range weights {
			byKey[s.key(nodes)] = s
		}
		// Of several with the same key the last counts.
		of := map[*Series]*Series{}
		var keys []string
		last := map[string]*Series{}
		for _, s := range values {
			k := s.key(nodes)
			if last[k] == nil {
				keys = append(keys, k)
			}
			last[k] = s
		}
		var list []*Series
		for _, k := range keys {
			if w := byKey[k]; w != nil {
				of[last[k]] = w
				list = append(list, last[k])
			}
		}
		if len(list) == 0 {
			return nil, nil
		}
		return c.weigh(list, of, values, weights)
	},
}

// weigh divides the sum of the products of a list with their weights by the sum
// of all weights.
func (c *call) weigh(list []*Series, of map[*Series]*Series, values, weights []*Series) ([]*Series, error) {
	all := make([]*Series, 0, 2*len(list)+len(weights))
	all = append(all, list...)
	for _, s := range list {
		all = append(all, of[s])
	}
	all = append(all, weights...)
	n := len(list)
	product := make([]float64, n)
	g, averages, err := c.combine(all, func(row []float64, _ int) float64 {
		for i := range n {
			product[i] = row[i] * row[n+i]
		}
		return divide(sum(product), sum(row[2*n:]))
	})
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(c.args[2]))
	for i, v := range c.args[2] {
		texts[i] = v.text
	}
	name := "weightedAverage(" + inOrder(values) + ", " + inOrder(weights) + ", " + strings.Join(texts, ",") + ")"
	s, err := c.series(clip(name), g.start, g.step, averages)
	return []*Series{s}, err
}

// inOrder is paths, sorted.
func inOrder(list []*Series) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.Path
	}
	slices.Sort(names)
	return clip(strings.Join(slices.Compact(names), ","))
}
