package functions

var integralByInterval = function{
	name:   "integralByInterval",
	group:  "Transform",
	doc:    "Adds up the values from the first point on, and from 0 again whenever a time has passed.",
	params: []Param{list, required("intervalUnit", typeString)},
	run: func(c *call) ([]*Series, error) {
		text := c.text(1, "")
		interval, err := parseInterval(text)
		if interval = max(interval, -interval); err != nil || interval == 0 {
			return nil, refuse("integralByInterval: intervalUnit must be a time above 0 in quotes (%s), got %q", acceptedIntervals, shorten(text))
		}
		list := c.list(0)
		for _, s := range list {
			s.tag("integralByInterval", text)
			s.rename("integralByInterval(" + s.Name + ",'" + text + "')")
			total := 0.0
			for i, v := range s.Values {
				at := s.Start + int64(i)*s.Step - c.from
				if floor(at, interval) != floor(at-s.Step, interval) {
					total = 0
				}
				if !missing(v) {
					total += v
				}
				s.Values[i] = total
			}
		}
		return list, nil
	},
}
