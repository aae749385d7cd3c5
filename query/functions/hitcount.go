package functions

var hitcount = function{
	name:  "hitcount",
	group: "Transform",
	doc:   "Counts hits in each interval, where values are hits per second. Intervals end with the range.",
	params: []Param{
		list, required("intervalString", typeInterval).suggest("10min", "1h", "1d"),
		optional("alignToInterval", typeBoolean).absent(false),
	},
	run: func(c *call) ([]*Series, error) {
		interval, err := c.period(1)
		if err != nil {
			return nil, err
		}
		list, end := c.list(0), ")"
		if c.flag(2) {
			end = ", true)"
			unit := "seconds"
			switch {
			case interval >= 86400:
				unit = "days"
			case interval >= 3600:
				unit = "hours"
			case interval >= 60:
				unit = "minutes"
			}
			if list, err = c.again(c.beginning(unit), c.until); err != nil {
				return nil, err
			}
		}
		for _, s := range list {
			until := s.End
			if c.flag(2) {
				until = s.Start + (s.End-s.Start)/interval*interval + interval
			}
			values, err := c.values(int((until - s.Start + interval - 1) / interval))
			if err != nil {
				return nil, err
			}
			start := until - int64(len(values))*interval
			s.hits(values, start, interval)
			s.tag("hitcount", c.text(1, ""))
			s.rename("hitcount(" + s.Name + `, "` + c.text(1, "") + `"` + end)
			s.place(start, interval, values)
		}
		return list, nil
	},
}

// hits shares out the values of s, which are per second, among intervals.
func (s *Series) hits(into []float64, start, interval int64) {
	end := start + int64(len(into))*interval
	for i, v := range s.Values {
		if missing(v) {
			continue
		}
		from := s.Start + int64(i)*s.Step
		to := min(from+s.Step, end)
		for at := max(from, start); at < to; {
			bucket := (at - start) / interval
			next := min(start+(bucket+1)*interval, to)
			if missing(into[bucket]) {
				into[bucket] = 0
			}
			into[bucket] += v * float64(next-at)
			at = next
		}
	}
}
