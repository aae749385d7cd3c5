package metrics

// Views are the numbers of the views.
type Views struct {
	Views, Measures int
	Rows            int    // held, the overflows included
	Overflowing     int    // views with an overflow
	Exported        uint64 // rows sent
}

func ofViews(value func(v *Views) float64) func(*snapshot, sample) {
	return func(s *snapshot, emit sample) {
		if s.Views != nil {
			emit(value(&s.views))
		}
	}
}

var viewFamilies = []family{{
	name: "views", kind: gauge, series: as("views"),
	help: "Views registered.",
	read: ofViews(func(v *Views) float64 { return float64(v.Views) }),
}, {
	name: "measures", kind: gauge,
	help: "Measures of views, those included that are there because views name them.",
	read: ofViews(func(v *Views) float64 { return float64(v.Measures) }),
}, {
	name: "view_rows", kind: gauge, series: as("viewRows"),
	help: "Rows of views held, those of overflow included; outputs counts them, too.",
	read: ofViews(func(v *Views) float64 { return float64(v.Rows) }),
}, {
	name: "views_overflowing", kind: gauge, series: as("viewsOverflowing"),
	help: "Views with more combinations of tags than views.rows, which go to their rows of overflow.",
	read: ofViews(func(v *Views) float64 { return float64(v.Overflowing) }),
}, {
	name: "view_rows_exported_total", kind: counter, series: as("viewRowsExported"),
	help: "Rows made of views, each sent to every destination.",
	read: ofViews(func(v *Views) float64 { return float64(v.Exported) }),
}}
