package functions

var logit = function{
	name:   "logit",
	group:  "Transform",
	doc:    "Undoes sigmoid: takes the logarithm of each value divided by what it lacks to 1.",
	params: []Param{list},
	run: mapValues(func(c *call, s *Series) {
		s.tag("logit", "logit")
		s.rename("logit(" + s.Name + ")")
	}, func(c *call, s *Series) func(v float64) float64 {
		return func(v float64) float64 { return logarithm(divide(v, 1-v)) }
	}),
}
