package store

import "github.com/coalesce-metrics/coalesce/periods"

// Renewed returns the period of a series, and those that it has had, when cells are
// written to it: a batch of earlier cells, which come late, does not set the period back.
func Renewed(period int64, had periods.History, w *SeriesCells) (int64, periods.History) {
	s := &w.Series
	if s.Periods != nil {
		return had.Follow(period, s.Periods)
	}
	if had == nil && s.Period == period {
		return period, nil
	}
	start, own := s.Seen, false
	for i := range w.Cells {
		if c := &w.Cells[i]; c.Step == s.Period && (!own || c.Start < start) {
			start, own = c.Start, true
		}
	}
	return had.Meet(period, s.Period, start)
}
