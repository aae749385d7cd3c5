package functions

import "strconv"

var timeStack = function{
	name:  "timeStack",
	group: "Transform",
	doc:   "Shows what was a time ago, twice the time ago, and so on, each as if it were now.",
	params: []Param{
		list, optional("timeShiftUnit", typeInterval).absent("1d").suggest("1h", "6h", "12h", "1d", "2d", "7d", "14d", "30d"),
		optional("timeShiftStart", typeInteger).absent(0), optional("timeShiftEnd", typeInteger).absent(7),
	},
	run: func(c *call) ([]*Series, error) {
		text, delta := c.shift(1, "1d")
		first, end := c.int(2, 0), c.int(3, 7)
		if max(first, -first, end, -end) > maxStack {
			return nil, refuse("timeStack: timeShiftStart and timeShiftEnd must be within -%d and %d, got %d and %d", maxStack, maxStack, first, end)
		}
		var all []*Series
		for times := first; times < end; times++ {
			list, err := c.shifted(delta*int64(times), true)
			if err != nil {
				return nil, err
			}
			for _, s := range list {
				s.tag("timeShiftUnit", text)
				s.tag("timeShift", strconv.Itoa(times))
				s.rename("timeShift(" + s.Name + ", " + text + ", " + strconv.Itoa(times) + ")")
			}
			all = append(all, list...)
		}
		return all, nil
	},
}

// maxStack bounds the ranges that are laid over each other.
const maxStack = 1000
