package functions

var asPercent = function{
	name:  "asPercent",
	alias: "pct",
	group: "Combine",
	doc: "Turns series into percent of a total: of their sum, of a number, of one series, of the series of another " +
		"list one by one, or, with nodes, of what shares these nodes in the same list or in another.",
	params: []Param{
		list, optional("total", typeAny), optional("nodes", typeNodeOrTag).many(),
	},
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		switch {
		case len(list) == 0:
			return nil, nil
		case c.has(2):
			return c.percentByNodes(list)
		case !c.has(1):
			return c.percentOfSum(list)
		case c.args[1][0].kind == isNumber:
			total := c.args[1][0]
			for _, s := range list {
				s.become("asPercent("+s.Name+","+total.text+")", c.ev.xff)
				for i, v := range s.Values {
					s.Values[i] = divide(v, total.number) * 100
				}
			}
			return list, nil
		}
		return c.percentOfList(list, c.list(1))
	},
}

// become makes s a new series with the values of the old.
func (s *Series) become(name string, xff float64) {
	s.rename(clip(name))
	s.Tags, s.Consolidate, s.XFilesFactor = tagsOf(s.Name), "average", xff
}

// percentOfSum takes all series on the same points, unlike percentOfList.
func (c *call) percentOfSum(list []*Series) ([]*Series, error) {
	g, totals, err := c.combine(list, func(row []float64, _ int) float64 { return sum(row) })
	if err != nil {
		return nil, err
	}
	text := "sumSeries(" + paths(list) + ")"
	results := make([]*Series, len(list))
	for i, s := range list {
		values, err := c.values(g.n)
		if err != nil {
			return nil, err
		}
		for j, total := range totals {
			values[j] = divide(g.rows[i][j], total) * 100
		}
		if results[i], err = c.series(clip("asPercent("+s.Name+","+text+")"), g.start, g.step, values); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// percentOfList has one total for all series, or one for each by the order of
// their names.
func (c *call) percentOfList(list, totals []*Series) ([]*Series, error) {
	switch len(totals) {
	case 0:
		return c.percentOfNothing(list)
	case len(list):
		list, totals = sorted(list), sorted(totals)
	case 1:
	default:
		return nil, refuse("asPercent: total must be a number, one series, or as many as seriesList has; got %d for %d", len(totals), len(list))
	}
	results := make([]*Series, len(list))
	for i, s := range list {
		var err error
		if results[i], err = c.quotient("asPercent", s, totals[i%len(totals)], 100); err != nil {
			return nil, err
		}
	}
	return results, nil
}

func (c *call) percentOfNothing(list []*Series) ([]*Series, error) {
	for _, s := range list {
		s.become("asPercent("+s.Name+",MISSING)", c.ev.xff)
		for i := range s.Values {
			s.Values[i] = nan
		}
	}
	return list, nil
}

// percentByNodes has a total for each key, and keys without series or without a
// total as missing.
func (c *call) percentByNodes(list []*Series) ([]*Series, error) {
	nodes := c.nodes(2)
	key := func(s *Series) string { return s.key(nodes) }
	groups := groupBy(list, key)
	totals := groups
	if c.has(1) {
		if c.args[1][0].kind == isNumber {
			return nil, refuse("asPercent: with nodes, total must be None or series, got %s", c.args[1][0].text)
		}
		totals = groupBy(c.list(1), key)
	}
	sums := make(map[string]*Series, len(totals))
	for _, t := range totals {
		s, err := c.total(t.list)
		if err != nil {
			return nil, err
		}
		sums[t.key] = s
	}
	var results []*Series
	known := make(map[string]bool, len(groups))
	for _, g := range groups {
		known[g.key] = true
		found, err := c.percentOfGroup(g.list, sums[g.key])
		if err != nil {
			return nil, err
		}
		results = append(results, found...)
	}
	for _, t := range totals {
		if known[t.key] {
			continue
		}
		s := sums[t.key]
		values, err := c.values(len(s.Values))
		if err != nil {
			return nil, err
		}
		if s, err = c.series(clip("asPercent(MISSING,"+s.Name+")"), s.Start, s.Step, values); err != nil {
			return nil, err
		}
		results = append(results, s)
	}
	return results, nil
}

func (c *call) percentOfGroup(list []*Series, total *Series) ([]*Series, error) {
	if total == nil {
		return c.percentOfNothing(list)
	}
	results := make([]*Series, len(list))
	for i, s := range list {
		var err error
		if results[i], err = c.quotient("asPercent", s, total, 100); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// total returns the only series of a list, or the sum of all.
func (c *call) total(list []*Series) (*Series, error) {
	if len(list) == 1 {
		return list[0], nil
	}
	g, values, err := c.combine(list, func(row []float64, _ int) float64 { return sum(row) })
	if err != nil {
		return nil, err
	}
	return c.series("sumSeries("+paths(list)+")", g.start, g.step, values)
}
