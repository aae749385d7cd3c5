package views

import (
	"encoding/json"
	"math"

	"github.com/coalesce-metrics/coalesce/views"
)

// viewData is what a view has counted, as clients see it.
type viewData struct {
	View  views.View `json:"view"`
	Start int64      `json:"start_time"` // Unix seconds
	End   int64      `json:"end_time"`
	Rows  []row      `json:"rows"`
}

type row struct {
	Tags        map[string]string `json:"tags"`
	Start       int64             `json:"start_time"`
	Data        any               `json:"data"`
	Approximate bool              `json:"approximate,omitempty"`
}

// number is a number, or null where it is not one.
type number float64

// MarshalJSON writes what JSON cannot say as null.
func (x number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(x))
}

// What the types of aggregations have.
type (
	countData struct {
		Count int64 `json:"count"`
	}
	sumData struct {
		Sum number `json:"sum"`
	}
	lastData struct {
		Last number `json:"last_value"`
	}
	distributionData struct {
		Count      int64     `json:"count"`
		Sum        number    `json:"sum"`
		Mean       number    `json:"mean"`
		Min        number    `json:"min"`
		Max        number    `json:"max"`
		Deviations number    `json:"sum_of_squared_deviation"`
		Bounds     []float64 `json:"bounds"`
		Counts     []int64   `json:"bucket_counts"`
	}
)

func newData(d *views.Data) viewData {
	out := viewData{d.View, d.Start.Unix(), d.End.Unix(), make([]row, 0, len(d.Rows))}
	for i := range d.Rows {
		r := &d.Rows[i]
		tags := make(map[string]string, len(r.Values))
		for k, value := range r.Values {
			if value != "" {
				tags[d.View.Columns[k]] = value
			}
		}
		out.Rows = append(out.Rows, row{tags, r.Start.Unix(), rowData(d.View.Aggregation, r), r.Approximate})
	}
	return out
}

func rowData(a views.Aggregation, r *views.Row) any {
	switch a.Type {
	case views.Count:
		return countData{r.Cell.Count}
	case views.Sum:
		return sumData{number(r.Cell.Total())}
	case views.LastValue:
		return lastData{number(r.Cell.Last)}
	}
	return distributionData{
		r.Cell.Count, number(r.Cell.Total()), number(r.Cell.Mean()), number(r.Cell.Min), number(r.Cell.Max), number(r.Cell.M2),
		append([]float64{}, a.Bounds...), append([]int64{}, r.Counts...),
	}
}
