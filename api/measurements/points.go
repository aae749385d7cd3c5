package measurements

import (
	"github.com/coalesce-metrics/coalesce/api"
	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/query/measured"
)

// shown returns the points of a series as they are answered.
func shown(s *measured.Series) []any {
	all := make([]any, len(s.Points))
	for i, p := range s.Points {
		if s.Cells == nil {
			all[i] = valuePoint{p.Time, api.Number(p.Value)}
		} else {
			all[i] = newCellPoint(p.Time, &s.Cells[i])
		}
	}
	return all
}

type valuePoint struct {
	Time  int64      `json:"time"`
	Value api.Number `json:"value"`
}

type cellPoint struct {
	Time   int64      `json:"time"`
	Count  int64      `json:"count"`
	Sum    api.Number `json:"sum"`
	Min    api.Number `json:"min"`
	Max    api.Number `json:"max"`
	Mean   api.Number `json:"mean"`
	Last   api.Number `json:"last"`
	Stddev api.Number `json:"stddev"`
}

func newCellPoint(time int64, c *cell.Cell) cellPoint {
	return cellPoint{
		Time: time, Count: c.Count, Sum: api.Number(c.Total()), Min: api.Number(c.Min), Max: api.Number(c.Max),
		Mean: api.Number(c.Mean()), Last: api.Number(c.Last), Stddev: api.Number(c.Stddev()),
	}
}
