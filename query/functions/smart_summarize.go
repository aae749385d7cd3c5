package functions

import "time"

var smartSummarize = function{
	name:  "smartSummarize",
	group: "Transform",
	doc: "Puts the points of each interval together, by their sum or another aggregation function. Intervals begin " +
		"with the first point, which is that of a whole year, month, week, day, hour or minute where alignTo says so.",
	params: []Param{
		list, required("intervalString", typeInterval).suggest("10min", "1h", "1d"),
		optional("func", typeAggFunc).absent("sum"),
		optional("alignTo", typeString).oneOf("years", "months", "weeks", "days", "hours", "minutes", "seconds", "true", "false"),
	},
	run: func(c *call) ([]*Series, error) {
		interval, err := c.period(1)
		if err != nil {
			return nil, err
		}
		text, by := c.text(1, ""), c.text(2, "sum")
		list := c.list(0)
		if unit := c.text(3, ""); unit != "" && unit != "true" && unit != "false" {
			if list, err = c.again(c.beginning(unit), c.until); err != nil {
				return nil, err
			}
		}
		for _, s := range list {
			values, err := c.buckets(s, s.Start, s.End, interval, by)
			if err != nil {
				return nil, err
			}
			s.tag("smartSummarize", text)
			s.tag("smartSummarizeFunction", by)
			s.rename("smartSummarize(" + s.Name + `, "` + text + `", "` + by + `")`)
			s.place(s.Start, interval, values)
		}
		return list, nil
	},
}

// beginning returns when the unit of time began that from is in.
func (c *call) beginning(unit string) int64 {
	location := c.ev.ctx.Location
	if location == nil {
		location = time.UTC
	}
	t := time.Unix(c.from, 0).In(location)
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	switch unit {
	case "years":
		month, day, hour, minute, second = 1, 1, 0, 0, 0
	case "months":
		day, hour, minute, second = 1, 0, 0, 0
	case "weeks":
		day, hour, minute, second = day-int(t.Weekday()+6)%7, 0, 0, 0
	case "days":
		hour, minute, second = 0, 0, 0
	case "hours":
		minute, second = 0, 0
	case "minutes":
		second = 0
	}
	return time.Date(year, month, day, hour, minute, second, 0, location).Unix()
}
