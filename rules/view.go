package rules

// View is what the outputs of a rule made by NewView are: rows that count for as
// long as the rule is there, one for each combination of some tags.
type View struct {
	// ID tells one registration from another: a view made anew begins anew.
	ID      string
	Measure string   // the series' name before its tags
	Columns []string // tags, sorted; those that a series has not got are empty
	// Distribution has the values counted between Bounds, which ascend and are
	// finite: below the first, from each to below the next, from the last on.
	Distribution bool
	Bounds       []float64
	Integral     bool // other values than integers are dropped
	MaxRows      int  // beyond it all goes to one row of overflow
}
