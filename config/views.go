package config

// Views says how the views are kept and sent.
type Views struct {
	// Prefix begins the names of the series that their rows are sent as, before a
	// dot. Default "aggregates.views"; empty is none.
	Prefix string `toml:"prefix"`
	// ReportPeriod is the time between two reports, whole seconds. Default 10 s.
	// Zero is an error.
	ReportPeriod Duration `toml:"report_period" accept:"1s..1d"`
	// Mode is "cumulative", what has been counted since the start, or "delta", what
	// has come since the last report. Default "cumulative".
	Mode string `toml:"mode" accept:"cumulative|delta"`
	// Tags has the values of the columns as tags of the series. Default true; false
	// has them as nodes at the end of the names.
	Tags bool `toml:"tags"`
	// Rows is how many rows a view may have; beyond it all goes to one more.
	// Default 10000. Zero is an error.
	Rows int `toml:"rows" accept:"1..1000000"`
	// Max is how many views there may be, those made over HTTP included, and how
	// many measures. Default 1000. Zero is an error.
	Max int `toml:"max" accept:"1..100000"`
}

// Measure is what views are of: the name that series have before their tags,
// written [[measure]]. Whoever uses it checks what the texts may be.
type Measure struct {
	// Name is what series are called. Empty is an error.
	Name string `toml:"name"`
	// Description is for people. Default empty.
	Description string `toml:"description"`
	// Unit is in UCUM's notation. Default "1".
	Unit string `toml:"unit"`
	// Type is "double" or "int64". Default "double".
	Type string `toml:"type"`
}

func newMeasure() Measure { return Measure{Unit: "1", Type: "double"} }

// View is what is counted of a measure by tags, written [[view]]. Whoever uses it
// checks what the texts may be.
type View struct {
	// Name identifies it. Default empty: that of the measure.
	Name string `toml:"name"`
	// Description is for people. Default empty: that of the measure.
	Description string `toml:"description"`
	// Measure is the name of the measure. Empty is an error.
	Measure string `toml:"measure"`
	// Columns are the tags whose values tell rows apart. Default none: one row.
	Columns []string `toml:"columns"`
	// Aggregation is "count", "sum", "last_value" or "distribution". Empty is an
	// error.
	Aggregation string `toml:"aggregation"`
	// Bounds divide the values of a distribution. Default none.
	Bounds []float64 `toml:"bounds"`
}

// checkViews checks what does not need the definitions to be understood.
func (k *checker) checkViews(c *Config) {
	v := c.Views
	k.checkWholeSeconds([]string{"views.report_period"}, v.ReportPeriod, `"10s"`)
	const partMax = 255
	if v.Prefix != "" && (len(v.Prefix) > partMax || !validNodes(v.Prefix)) {
		k.errorf("views.prefix", v.Prefix, "cannot begin a metric name; accepted: nodes joined by dots, none of them empty, "+
			"at most %d bytes without blanks, control characters and ;, or \"\" for none", partMax)
	}
}
