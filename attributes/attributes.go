// Package attributes keeps what is known of each metric that measurements are sent for.
package attributes

import (
	"fmt"

	"github.com/coalesce-metrics/coalesce/cell"
)

// Bounds of a metric.
const (
	// MaxName is the most bytes in a name, MaxText in any other text.
	MaxName, MaxText = 255, 1024
	// MinAggregated and MaxAggregated bound the period of a metric that is
	// aggregated, MaxPeriod that of any other, in seconds.
	MinAggregated, MaxAggregated, MaxPeriod = 10, 600, 366 * 24 * 60 * 60
)

// Type says what a metric's values are.
type Type uint8

const (
	// Gauge is a metric each of whose values stands for itself.
	Gauge Type = iota
	// Counter is a metric whose values only grow.
	Counter
)

var types = [...]string{"gauge", "counter"}

// String returns the type as it is written.
func (t Type) String() string { return types[t] }

// MarshalText implements encoding.TextMarshaler.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Type) UnmarshalText(text []byte) error {
	for i, name := range types {
		if string(text) == name {
			*t = Type(i)
			return nil
		}
	}
	return fmt.Errorf("%.40q; accepted: gauge or counter", text)
}

// Summary is the function that stands for a metric's values where one value is
// shown for several.
type Summary uint8

// The functions that there are.
const (
	Average Summary = iota
	Sum
	Count
	Min
	Max
	// NumSummaries is how many there are.
	NumSummaries
)

var summaries = [NumSummaries]struct {
	name   string
	method cell.Method
}{{"average", cell.Avg}, {"sum", cell.Sum}, {"count", cell.Count}, {"min", cell.Min}, {"max", cell.Max}}

// String returns the function as it is written.
func (s Summary) String() string { return summaries[s].name }

// Method returns what reads the function's value from a cell.
func (s Summary) Method() cell.Method { return summaries[s].method }

// MarshalText implements encoding.TextMarshaler.
func (s Summary) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Summary) UnmarshalText(text []byte) error {
	for i := range summaries {
		if string(text) == summaries[i].name {
			*s = Summary(i)
			return nil
		}
	}
	return fmt.Errorf("%.40q; accepted: average, sum, count, min or max", text)
}

// Metric is what is known of a metric. One that a [Book] has returned is shared
// and must not be changed.
type Metric struct {
	// Name is as it was first written; names that differ in case alone are one.
	Name string `json:"name"`
	// DisplayName and Description are nil where nobody has given them.
	DisplayName *string `json:"display_name"`
	Description *string `json:"description"`
	// Period is how far apart values are, in seconds, and the length of a bucket
	// where they are aggregated.
	Period     int64      `json:"period"`
	Type       Type       `json:"type"`
	Attributes Attributes `json:"attributes"`
}

// Attributes are the properties of a metric beyond those that identify it.
type Attributes struct {
	// Aggregate has the values of a period added up.
	Aggregate bool    `json:"aggregate"`
	Summary   Summary `json:"summarize_function"`

	// The others are only kept.
	GapDetection bool     `json:"gap_detection"`
	Color        string   `json:"color,omitempty"` // #RRGGBB
	DisplayMin   *float64 `json:"display_min,omitempty"`
	DisplayMax   *float64 `json:"display_max,omitempty"`
	UnitsShort   string   `json:"display_units_short,omitempty"`
	UnitsLong    string   `json:"display_units_long,omitempty"`
	Stacked      bool     `json:"display_stacked,omitempty"`
	CreatedByUA  string   `json:"created_by_ua,omitempty"` // what made it, as it called itself
}

// Problem is what is wrong with one property.
type Problem struct {
	Property string // such as "period" or "attributes.aggregate"
	Text     string // what was given, what is accepted
}

// Problems are what is wrong with what was asked for. There is at least one.
type Problems []Problem

// Error returns the first.
func (p Problems) Error() string { return p[0].Property + " " + p[0].Text }

// Value is what a property is to be: nil for its default, a bool, a string, a
// json.Number, or a json.RawMessage, which no property accepts.
type Value any

// Change is the properties that are to be, by their names. Those of attributes
// are named "attributes.aggregate" and so on.
type Change map[string]Value
