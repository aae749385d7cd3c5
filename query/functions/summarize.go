package functions

var summarize = function{
	name:  "summarize",
	group: "Transform",
	doc: "Puts the points of each interval together, by their sum or another aggregation function. Intervals begin at " +
		"multiples of themselves, or with the first point.",
	params: []Param{
		list, required("intervalString", typeInterval).suggest("10min", "1h", "1d"),
		optional("func", typeAggFunc).absent("sum"), optional("alignToFrom", typeBoolean).absent(false),
	},
	run: func(c *call) ([]*Series, error) {
		interval, err := c.period(1)
		if err != nil {
			return nil, err
		}
		text, by, end := c.text(1, ""), c.text(2, "sum"), ")"
		if c.flag(3) {
			end = ", true)"
		}
		list := c.list(0)
		for _, s := range list {
			start, until := s.Start, s.End
			if !c.flag(3) {
				start, until = floor(s.Start, interval), floor(s.End, interval)+interval
			}
			values, err := c.buckets(s, start, until, interval, by)
			if err != nil {
				return nil, err
			}
			s.tag("summarize", text)
			s.tag("summarizeFunction", by)
			s.rename("summarize(" + s.Name + `, "` + text + `", "` + by + `"` + end)
			s.place(start, interval, values)
		}
		return list, nil
	},
}

// buckets aggregates the points of s in each interval from start until there is
// none before until.
func (c *call) buckets(s *Series, start, until, interval int64, by string) ([]float64, error) {
	values, err := c.values(int((until - start + interval - 1) / interval))
	if err != nil {
		return nil, err
	}
	aggregate := aggFuncs[by]
	full := float64(interval) / float64(s.Step)
	for i := range values {
		at := start + int64(i)*interval
		part := s.Values[s.index(at):s.index(at+interval)]
		if enough(present(part), full, s.XFilesFactor) {
			values[i] = aggregate(part)
		}
	}
	return values, nil
}
