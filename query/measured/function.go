package measured

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/coalesce-metrics/coalesce/cell"
)

// Function is what is read from a cell.
type Function uint8

// The functions.
const (
	Sum Function = 1 + iota
	Min
	Max
	Count
	Mean
	// Derivative is the difference of the last value to that of the point before.
	// The first point has none.
	Derivative
	// Stddev is the standard deviation of the population.
	Stddev
	// All is the whole cell.
	All
	// Increase is Derivative without what is negative, which a counter that begins
	// anew has. Requests have no name for it.
	Increase
)

var functions = []string{
	Sum: "sum", Min: "min", Max: "max", Count: "count", Mean: "mean", Derivative: "derivative", Stddev: "stddev", All: "all",
}

// ParseFunction reads the name of a function.
func ParseFunction(text string) (Function, error) {
	if i := slices.Index(functions, text); i > 0 {
		return Function(i), nil
	}
	return 0, fmt.Errorf("%.100q is no function; accepted: %s", text, strings.Join(functions[Sum:], ", "))
}

// Differs tells whether a point needs the one before.
func (f Function) Differs() bool { return f == Derivative || f == Increase }

// read returns what a function that needs one point only reads from its cell.
func (f Function) read(c *cell.Cell) float64 { return methods[f].Value(c, nil) }

var methods = [...]cell.Method{
	Sum: cell.Sum, Min: cell.Min, Max: cell.Max, Count: cell.Count, Mean: cell.Avg, Stddev: cell.Stddev,
}

// Grouping says how streams are combined.
type Grouping struct {
	// By are the tags of which each combination of values makes a series. Streams
	// that lack one of them are dropped. Without any, one series is made of all.
	By []string
	// Function is one of Sum, Min, Max and Mean.
	Function Function
}

// maxGroups is how many tags may be grouped by.
const maxGroups = 50

// ParseGrouping reads the names of tags with commas between them, or *, and a
// function.
func ParseGrouping(by string) (*Grouping, error) {
	g := &Grouping{}
	if by == "*" {
		return g, nil
	}
	for name := range strings.SplitSeq(by, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if !validTag(name) {
			return nil, fmt.Errorf("%.100q is no name of a tag; accepted: %s, several with commas between them, or *", name, tagNames)
		}
		if !slices.Contains(g.By, name) {
			g.By = append(g.By, name)
		}
		if len(g.By) > maxGroups {
			return nil, fmt.Errorf("more than %d tags; accepted: at most that", maxGroups)
		}
	}
	return g, nil
}

// ParseGroupFunction reads the name of a function that streams can be combined by.
func ParseGroupFunction(text string) (Function, error) {
	f, err := ParseFunction(text)
	if err != nil || !slices.Contains([]Function{Sum, Min, Max, Mean}, f) {
		return 0, fmt.Errorf("%.100q does not combine streams; accepted: sum, min, max, mean", text)
	}
	return f, nil
}

// Group returns the tags of the series that a stream with some tags is part of, nil
// where it is dropped, and what tells it from others.
func (g *Grouping) Group(tags map[string]string) (shown map[string]string, key string) {
	shown = make(map[string]string, len(g.By))
	var b []byte
	for _, name := range g.By {
		value, ok := tags[name]
		if !ok {
			return nil, ""
		}
		shown[name] = value
		b = binary.AppendUvarint(b, uint64(len(value)))
		b = append(b, value...)
	}
	return shown, string(b)
}
