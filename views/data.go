package views

import (
	"slices"
	"strings"
	"time"

	"github.com/coalesce-metrics/coalesce/aggregator"
	"github.com/coalesce-metrics/coalesce/cell"
)

// Overflow is the value of every column in the row that has what is beyond the
// most rows of its view.
const Overflow = "__overflow__"

// Data is what a view has counted.
type Data struct {
	View       View
	Measure    Measure
	Start, End time.Time
	Rows       []Row // in the order of their tags' values
}

// Row is one combination of the columns' values.
type Row struct {
	Values []string  // of the columns; empty where the series have not got the tag
	Start  time.Time // when the first value came
	Cell   cell.Cell // of at least one value
	// Counts are the values between the bounds of a distribution, one more than
	// there are bounds; nil without bounds. Their sum is the Count of Cell.
	Counts []int64
	// Approximate says that some were counted where the mean of several lies.
	Approximate bool
}

// Data returns what a view has counted by now.
func (r *Registry) Data(name string) (Data, bool) {
	v := r.state.Load().views[name]
	if v == nil {
		return Data{}, false
	}
	rows := r.rows(v)
	return Data{v.View, v.measure, v.began, r.cfg.Now(), rows}, true
}

func (r *Registry) rows(v *view) []Row {
	counted := r.cfg.Rows(v.id)
	rows := make([]Row, 0, len(counted))
	for i := range counted {
		if c := &counted[i]; c.Cell.Count > 0 {
			rows = append(rows, Row{v.values(c), time.UnixMilli(int64(c.Began * 1e3)), c.Cell, c.Counts, c.Approximate})
		}
	}
	slices.SortFunc(rows, func(x, y Row) int { return slices.Compare(x.Values, y.Values) })
	return rows
}

// values returns the values of all columns of a row.
func (v *view) values(c *aggregator.ViewRow) []string {
	all := make([]string, len(v.Columns))
	next := 0
	for i, column := range v.Columns {
		switch {
		case c.Overflow:
			all[i] = Overflow
		case possible(column):
			all[i] = c.Tags[next]
			next++
		}
	}
	return all
}

// possible reports whether a series can have a tag at all.
func possible(column string) bool { return !strings.ContainsAny(column, ";=") }
