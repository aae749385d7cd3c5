package aggregator

import "github.com/coalesce-metrics/coalesce/cell"

// Stream says how the series that measurements are made of are themselves kept.
type Stream struct {
	Period int64 // of a bucket, seconds
	// Method reads the series' cells, and makes the rows if they are emitted.
	Method cell.Method
	// Replace has the last measurement of a bucket stand for all before it,
	// instead of adding them up.
	Replace bool
	// Emit sends a row for each closed bucket, under the series' own name. Without
	// it measurements are passed on one by one where Config.ForwardAll is set.
	Emit bool
	// Grace is how long after its end a bucket closes, in seconds; at most half the
	// period is used. Below 0 it is that of the Config.
	Grace float64
}

// StreamID stands for a Stream in one Aggregator.
type StreamID uint16

// Measurement is one or several values of a series, which the caller has added up.
type Measurement struct {
	Name   []byte  // canonical: name;k1=v1;k2=v2, tags sorted by key
	Time   float64 // Unix seconds
	Cell   cell.Cell
	Stream StreamID
}

// ViewRow is a row of a view as it is now.
type ViewRow struct {
	// Tags has the values of the view's columns in their order; where a series has
	// not got the tag, the value is empty.
	Tags []string
	// Overflow marks the one row that has what is beyond the most rows of its view.
	Overflow bool
	Began    float64 // when the first datapoint came, Unix seconds
	Cell     cell.Cell
	// Counts are the datapoints between the bounds, one more than there are bounds;
	// nil without bounds. Their sum is the Count of Cell.
	Counts []int64
	// Approximate says that some were counted where the mean of several lies.
	Approximate bool
}
