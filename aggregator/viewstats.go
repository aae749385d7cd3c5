package aggregator

// ViewStats are the numbers of the views' rows that are held now.
type ViewStats struct {
	Rows        int // the overflows included
	Overflowing int // views with an overflow
}

// ViewStats returns the numbers of the views' rows.
func (a *Aggregator) ViewStats() (s ViewStats) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, v := range a.views {
		s.Rows += len(v.rows)
		if v.overflow != nil {
			s.Rows++
			s.Overflowing++
		}
	}
	return s
}
