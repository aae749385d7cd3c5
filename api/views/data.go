package views

import (
	"github.com/coalesce-metrics/coalesce/api"
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

// What the types of aggregations have.
type (
	countData struct {
		Count int64 `json:"count"`
	}
	sumData struct {
		Sum api.Number `json:"sum"`
	}
	lastData struct {
		Last api.Number `json:"last_value"`
	}
	distributionData struct {
		Count      int64      `json:"count"`
		Sum        api.Number `json:"sum"`
		Mean       api.Number `json:"mean"`
		Min        api.Number `json:"min"`
		Max        api.Number `json:"max"`
		Deviations api.Number `json:"sum_of_squared_deviation"`
		Bounds     []float64  `json:"bounds"`
		Counts     []int64    `json:"bucket_counts"`
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
		return sumData{api.Number(r.Cell.Total())}
	case views.LastValue:
		return lastData{api.Number(r.Cell.Last)}
	}
	return distributionData{
		r.Cell.Count, api.Number(r.Cell.Total()), api.Number(r.Cell.Mean()), api.Number(r.Cell.Min), api.Number(r.Cell.Max), api.Number(r.Cell.M2),
		append([]float64{}, a.Bounds...), append([]int64{}, r.Counts...),
	}
}
