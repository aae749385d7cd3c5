package catalog

import (
	"slices"

	"github.com/coalesce-metrics/coalesce/periods"
)

// news is how a period becomes known.
type news struct {
	kind  newsKind
	start int64           // of the cell that came
	had   periods.History // earlier
}

type newsKind uint8

const (
	announced newsKind = iota
	came
	earlier
)

// change returns the period, and those before, of a name that has a present one when it becomes known with another,
// or with the same.
func (n *news) change(present int64, had periods.History, period int64) (int64, periods.History) {
	switch n.kind {
	case came:
		return had.Meet(present, period, n.start)
	case earlier:
		return present, had.Join(present, n.had, period)
	}
	return period, had.Announce(present, period)
}

// changes tells whether the periods of a row become others by an entry that is the same.
func (c *Catalog) changes(id uint32, e *Entry, n *news) bool {
	if len(c.had) == 0 && n.had == nil {
		return false
	}
	had := c.had[id]
	_, then := n.change(e.Period, had, e.Period)
	return !slices.Equal(had, then)
}

// setPeriods notes the periods of a row.
func (c *Catalog) setPeriods(id uint32, had periods.History) {
	if had != nil {
		c.had[id] = had
	} else if len(c.had) > 0 {
		delete(c.had, id)
	}
}

// Periods returns the periods that the cells of a name have come in with, nil where it was but one.
func (c *Catalog) Periods(name string) periods.History {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(c.had) == 0 {
		return nil
	}
	if id := c.find(name); id != 0 {
		return c.had[id]
	}
	return nil
}
