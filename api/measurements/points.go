package measurements

import (
	"math"
	"strconv"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/query/measured"
)

// shown returns the points of a series as they are answered.
func shown(s *measured.Series) []any {
	all := make([]any, len(s.Points))
	for i, p := range s.Points {
		if s.Cells == nil {
			all[i] = valuePoint{p.Time, number(p.Value)}
		} else {
			all[i] = newCellPoint(p.Time, &s.Cells[i])
		}
	}
	return all
}

type valuePoint struct {
	Time  int64  `json:"time"`
	Value number `json:"value"`
}

type cellPoint struct {
	Time   int64  `json:"time"`
	Count  int64  `json:"count"`
	Sum    number `json:"sum"`
	Min    number `json:"min"`
	Max    number `json:"max"`
	Mean   number `json:"mean"`
	Last   number `json:"last"`
	Stddev number `json:"stddev"`
}

func newCellPoint(time int64, c *cell.Cell) cellPoint {
	return cellPoint{
		Time: time, Count: c.Count, Sum: number(c.Total()), Min: number(c.Min), Max: number(c.Max),
		Mean: number(c.Mean()), Last: number(c.Last), Stddev: number(c.Stddev()),
	}
}

// number is written as the shortest decimal, and as null where JSON has no number
// for it.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	if f-f != 0 {
		return []byte("null"), nil
	}
	format := byte('f')
	if x := math.Abs(f); x >= 1e21 || x > 0 && x < 1e-6 {
		format = 'e'
	}
	return strconv.AppendFloat(nil, f, format, -1, 64), nil
}
