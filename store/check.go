package store

import (
	"fmt"
	"slices"

	"github.com/coalesce-metrics/coalesce/cell"
)

// Check returns an error that wraps ErrInvalid when w breaks a rule of Write:
// names and data are there and within MaxName and MaxData, methods are methods,
// steps from 1 to MaxStep, starts multiples of their steps within MaxTime, as is
// Seen, no series twice, no cell of a series twice. Keys and values of Meta are
// within MaxKey and MaxData. Stores call it first, so that all refuse the same.
func Check(w *Write) error {
	seen := make(map[string]struct{}, len(w.Series))
	for i := range w.Series {
		s := &w.Series[i]
		name := s.Series.Name
		if n := len(name); n == 0 || n > MaxName {
			return fmt.Errorf("%w: name of %d bytes (%.40q…), expected 1 to %d", ErrInvalid, n, name, MaxName)
		}
		if _, twice := seen[name]; twice {
			return fmt.Errorf("%w: series %.200q is in it twice", ErrInvalid, name)
		}
		seen[name] = struct{}{}
		if t := s.Series.Seen; t < -MaxTime || t > MaxTime {
			return fmt.Errorf("%w: series %.200q: seen %d, expected -%d to %d", ErrInvalid, name, t, MaxTime, MaxTime)
		}
		if slices.Contains(s.Series.Methods, 0) {
			return fmt.Errorf("%w: series %.200q: method 0, expected %s", ErrInvalid, name, cell.Methods())
		}
		if err := checkCells(s.Cells); err != nil {
			return fmt.Errorf("%w: series %.200q: %w", ErrInvalid, name, err)
		}
	}
	for key, value := range w.Meta {
		if len(key) > MaxKey || len(value) > MaxData {
			return fmt.Errorf("%w: meta %.40q of %d and %d bytes, expected up to %d and %d",
				ErrInvalid, key, len(key), len(value), MaxKey, MaxData)
		}
	}
	return nil
}

func checkCells(cells []Cell) error {
	ascending := true
	for i := range cells {
		c := &cells[i]
		switch {
		case c.Step < 1 || c.Step > MaxStep:
			return fmt.Errorf("step %d, expected 1 to %d", c.Step, MaxStep)
		case c.Start < -MaxTime || c.Start > MaxTime:
			return fmt.Errorf("start %d, expected -%d to %d", c.Start, MaxTime, MaxTime)
		case c.Start%c.Step != 0:
			return fmt.Errorf("start %d, expected a multiple of the step %d", c.Start, c.Step)
		case len(c.Data) == 0 || len(c.Data) > MaxData:
			return fmt.Errorf("cell %d of step %d has %d bytes, expected 1 to %d", c.Start, c.Step, len(c.Data), MaxData)
		}
		if i > 0 && !before(&cells[i-1], c) {
			ascending = false
		}
	}
	if ascending {
		return nil
	}
	type key struct{ step, start int64 }
	seen := make(map[key]struct{}, len(cells))
	for i := range cells {
		k := key{cells[i].Step, cells[i].Start}
		if _, twice := seen[k]; twice {
			return fmt.Errorf("cell %d of step %d is in it twice", k.start, k.step)
		}
		seen[k] = struct{}{}
	}
	return nil
}

func before(a, b *Cell) bool {
	return a.Step < b.Step || a.Step == b.Step && a.Start < b.Start
}
