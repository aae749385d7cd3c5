package functions

import (
	"fmt"
	"strconv"
)

var timeSlice = function{
	name:  "timeSlice",
	group: "Transform",
	doc:   "Keeps the values between two times only.",
	params: []Param{
		list, required("startSliceAt", typeDate), optional("endSliceAt", typeDate).absent("now"),
	},
	run: func(c *call) ([]*Series, error) {
		from, err := c.time(1, "")
		if err != nil {
			return nil, err
		}
		until, err := c.time(2, "now")
		if err != nil {
			return nil, err
		}
		list := c.list(0)
		for _, s := range list {
			s.tag("timeSliceStart", strconv.FormatInt(from, 10))
			s.tag("timeSliceEnd", strconv.FormatInt(until, 10))
			s.Name = fmt.Sprintf("timeSlice(%s, %d, %d)", s.Name, from, until)
			for i := range s.Values {
				if at := s.Start + int64(i)*s.Step; at < from || at > until {
					s.Values[i] = nan
				}
			}
		}
		return list, nil
	},
}

// time returns the i-th parameter, in Unix seconds.
func (c *call) time(i int, absent string) (int64, error) {
	if c.ev.ctx.ParseTime == nil {
		return 0, refuse("%s: times are not supported here", c.fn.name)
	}
	t, err := c.ev.ctx.ParseTime(c.text(i, absent))
	if err != nil {
		return 0, refuse("%s: %s: %s", c.fn.name, c.fn.params[i].Name, err)
	}
	return t, nil
}
