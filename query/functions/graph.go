package functions

// The functions of this file tell a client that draws how to. Nothing here does,
// so that only what they do to names is left.

var alpha = styleBy("alpha", "Says how opaque lines are.", required("alpha", typeFloat))

var color = styleBy("color", "Says which colour lines have.", required("theColor", typeString))

var lineWidth = styleBy("lineWidth", "Says how wide lines are.", required("width", typeFloat))

func styleBy(name, doc string, p Param) function {
	return function{
		name:   name,
		group:  "Graph",
		doc:    doc,
		params: []Param{list, p},
		run:    func(c *call) ([]*Series, error) { return c.list(0), nil },
	}
}

var drawAsInfinite = drawnBy("drawAsInfinite", "Has values above 0 drawn as vertical lines.")

var secondYAxis = drawnBy("secondYAxis", "Has series drawn with an axis of their own.")

func drawnBy(name, doc string) function {
	return function{
		name:   name,
		group:  "Graph",
		doc:    doc,
		params: []Param{list},
		run: func(c *call) ([]*Series, error) {
			list := c.list(0)
			for _, s := range list {
				s.tag(name, "1")
				s.Name = name + "(" + s.Name + ")"
			}
			return list, nil
		},
	}
}

var dashed = function{
	name:   "dashed",
	group:  "Graph",
	doc:    "Has lines drawn in dashes.",
	params: []Param{list, optional("dashLength", typeInteger).absent(5)},
	run: func(c *call) ([]*Series, error) {
		list := c.list(0)
		for _, s := range list {
			s.tag("dashed", whole(c.number(1, 5)))
			s.Name = "dashed(" + s.Name + ", " + short(c.number(1, 5)) + ")"
		}
		return list, nil
	},
}
