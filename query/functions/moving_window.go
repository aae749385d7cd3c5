package functions

import "strings"

var movingWindow = function{
	name:  "movingWindow",
	group: "Calculate",
	doc: "Aggregates, for each point, the last so many points, or those of the last time, up to and with this one. " +
		"Points before the range are used.",
	params: []Param{
		list, windowParam, optional("func", typeAggFunc).absent("average"), optional("xFilesFactor", typeFloat),
	},
	lazy: true,
	run: func(c *call) ([]*Series, error) {
		return c.moving(c.text(2, "average"), 3)
	},
}

var windowParam = required("windowSize", typeIntOrInterval).suggest(5, 7, 10, "1min", "5min", "10min", "30min", "1hour")

var movingAverage = movingBy("movingAverage", "average",
	"Averages, for each point, the last so many points, or those of the last time.")

var movingSum = movingBy("movingSum", "sum",
	"Adds up, for each point, the last so many points, or those of the last time.")

var movingMin = movingBy("movingMin", "min",
	"Takes, for each point, the least of the last so many points, or of those of the last time.")

var movingMax = movingBy("movingMax", "max",
	"Takes, for each point, the greatest of the last so many points, or of those of the last time.")

var movingMedian = movingBy("movingMedian", "median",
	"Takes, for each point, the median of the last so many points, or of those of the last time.")

func movingBy(name, by, doc string) function {
	return function{
		name:   name,
		group:  "Calculate",
		doc:    doc,
		params: []Param{list, windowParam, optional("xFilesFactor", typeFloat)},
		lazy:   true,
		run:    func(c *call) ([]*Series, error) { return c.moving(by, 2) },
	}
}

// moving aggregates over a window by an aggregation function. xff is the
// parameter of the factor.
func (c *call) moving(by string, xff int) ([]*Series, error) {
	size, points := c.args[1][0], 0
	before := int64(0) // seconds, that the window reaches back
	if size.kind == isNumber {
		points = int(size.number)
		if points < 1 || points > maxWindow {
			return nil, refuse("%s: windowSize must be from 1 to %d points, got %s", c.fn.name, maxWindow, size.text)
		}
		list, err := c.again(c.from, c.until)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			before = max(before, s.Step*int64(points))
		}
	} else {
		before = c.seconds(1, "")
		before = max(before, -before)
		size.text = `"` + size.text + `"`
	}
	list, err := c.again(c.from-before, c.until)
	if err != nil {
		return nil, err
	}
	name := "moving" + strings.ToUpper(by[:1]) + strings.ToLower(by[1:])
	for _, s := range list {
		width := points
		if size.kind != isNumber {
			width = int(before / s.Step)
		}
		skip := min(int(before/s.Step), len(s.Values))
		values, err := c.values(len(s.Values) - skip)
		if err != nil {
			return nil, err
		}
		if err := c.slide(values, s.Values, width, by, c.number(xff, s.XFilesFactor)); err != nil {
			return nil, err
		}
		s.tag(name, strings.Trim(size.text, `"`))
		s.rename(name + "(" + s.Name + "," + size.text + ")")
		s.place(s.Start+int64(skip)*s.Step, s.Step, values)
	}
	return list, nil
}

// maxWindow bounds the points of a window.
const maxWindow = 1 << 20

// slide aggregates the windows that end with the last values, one for each of
// into.
func (c *call) slide(into, values []float64, width int, by string, xff float64) error {
	w := newWindow(by)
	skip := len(values) - len(into)
	for i, v := range values {
		if i >= width && width > 0 {
			w.remove(values[i-width])
		}
		if width > 0 {
			w.add(v)
		}
		if i < skip {
			continue
		}
		if enough(w.present(), float64(width), xff) {
			into[i-skip] = w.value()
		}
		if i&0xfff == 0 {
			if err := c.ev.done(); err != nil {
				return err
			}
		}
	}
	return nil
}
