package functions

var seriesByTag = function{
	name:   "seriesByTag",
	group:  "Special",
	doc:    "Finds series by tags: tag=value, tag!=value, tag=~regex, tag!=~regex, with regular expressions anchored at the start.",
	params: []Param{required("tagExpressions", typeString).many()},
	run: func(c *call) ([]*Series, error) {
		if _, ok := c.expr.TagExpressions(); !ok {
			return nil, refuse("seriesByTag: its arguments must be texts in quotes such as \"dc=x\", got %s", shorten(c.expr.Text))
		}
		return c.ev.fetch(c.expr.Text, c.from, c.until)
	},
}
