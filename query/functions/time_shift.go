package functions

import "time"

var timeShift = function{
	name:  "timeShift",
	group: "Transform",
	doc: "Shows what was a time ago, or, with a plus, what is a time ahead, as if it were now. With resetEnd it ends " +
		"where the range does.",
	params: []Param{
		list, required("timeShift", typeInterval).suggest("1h", "6h", "12h", "1d", "2d", "7d", "14d", "30d"),
		optional("resetEnd", typeBoolean).absent(true), optional("alignDst", typeBoolean).absent(false),
	},
	run: func(c *call) ([]*Series, error) {
		text, delta := c.shift(1, "")
		if c.flag(3) {
			delta += c.summerTime(delta)
		}
		shifted, err := c.shifted(delta, !c.has(2) || c.flag(2))
		if err != nil {
			return nil, err
		}
		for _, s := range shifted {
			s.tag("timeShift", text)
			s.Name = "timeShift(" + s.Name + `, "` + text + `")`
		}
		return shifted, nil
	},
}

// shift returns the i-th parameter, an interval that without a sign is back in
// time.
func (c *call) shift(i int, absent string) (string, int64) {
	text := c.text(i, absent)
	seconds := c.seconds(i, absent)
	if text[0] != '-' && text[0] != '+' {
		text, seconds = "-"+text, -seconds
	}
	return text, seconds
}

// shifted evaluates the first argument elsewhere and puts the results where the
// same is now.
func (c *call) shifted(delta int64, reset bool) ([]*Series, error) {
	here := c.list(0)
	if len(here) == 0 {
		return nil, nil
	}
	list, err := c.again(c.from+delta, c.until+delta)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		to := like(here, s)
		if to == nil {
			s.place(s.Start-delta, s.Step, s.Values)
			continue
		}
		values := s.Values
		if n := len(to.Values); reset && n != len(values) {
			// A shift that is no multiple of the step can have one point more
			// or less in the range.
			if values, err = c.values(n); err != nil {
				return nil, err
			}
			copy(values, s.Values)
		}
		s.place(to.Start, s.Step, values)
	}
	return list, nil
}

// like returns a series with the step of s, or nil.
func like(list []*Series, s *Series) *Series {
	for _, other := range list {
		if other.Step == s.Step {
			return other
		}
	}
	return nil
}

// summerTime returns what to add to a shift so that days begin together though
// one of the ranges has summer time and the other has not.
func (c *call) summerTime(delta int64) int64 {
	location := c.ev.ctx.Location
	if location == nil {
		return 0
	}
	summer := func(at int64) bool { return time.Unix(at, 0).In(location).IsDST() }
	from, until := summer(c.from), summer(c.until)
	there, thereUntil := summer(c.from+delta), summer(c.until+delta)
	switch {
	case from && until && !there && !thereUntil:
		return 3600
	case !from && !until && there && thereUntil:
		return -3600
	}
	return 0
}
