// Package functions evaluates Graphite's functions over series.
package functions

// Series is one name with a value for each step. The caller owns it.
type Series struct {
	Name string
	// Path is the text of the target, or of the part of it that the series was
	// read for.
	Path string
	// Tags are those of the name, and "name" with what stands before them.
	Tags map[string]string
	// Start is the time of the first value, End that of the last plus Step, in
	// Unix seconds; Step is in seconds.
	Start, End, Step int64
	Values           []float64 // NaN is missing
	// Consolidate is how points are to be merged into longer ones: average, sum,
	// min, max, last, first, count. Empty is average.
	Consolidate string
	// XFilesFactor is the part of the points, 0 to 1, that must be there to merge them.
	XFilesFactor float64
}
