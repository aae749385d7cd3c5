package views

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits on a definition.
const (
	MaxName        = 255  // bytes in the name of a measure, a view or a column
	MaxUnit        = 63   // bytes in a unit
	MaxDescription = 4096 // bytes in a description
	MaxColumns     = 50   // columns of a view
	MaxBounds      = 256  // bounds of a distribution
)

// printable reports whether a text is of ASCII that can be seen, and of blanks.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func checkName(field, name string) *Error {
	if name == "" || len(name) > MaxName || !printable(name) {
		return fault(Invalid, field, "%s: %.300q is no name; accepted: 1 to %d characters of printable ASCII", field, name, MaxName)
	}
	return nil
}

func checkDescription(text string) *Error {
	if len(text) > MaxDescription || !utf8.ValidString(text) {
		return fault(Invalid, "description", "description: %.40q of %d bytes; accepted: UTF-8 of at most %d bytes", text, len(text), MaxDescription)
	}
	return nil
}

// checkMeasure checks a measure by itself.
func checkMeasure(m *Measure) *Error {
	if err := checkName("name", m.Name); err != nil {
		return err
	}
	if err := checkDescription(m.Description); err != nil {
		return err
	}
	if m.Unit == "" || len(m.Unit) > MaxUnit || !printable(m.Unit) || strings.Contains(m.Unit, " ") {
		return fault(Invalid, "unit", "unit: %.100q is no unit; accepted: 1 to %d characters of printable ASCII without blanks, as UCUM has them: ms, By, 1", m.Unit, MaxUnit)
	}
	if m.Type != Int64 && m.Type != Double {
		return fault(Invalid, "type", "type: %.100q is no type of a measure; accepted: %s, %s", m.Type, Int64, Double)
	}
	return nil
}

// checkView checks a view by itself, and puts columns and bounds in order.
func checkView(v *View) *Error {
	for _, x := range []struct{ field, name string }{{"measure", v.Measure}, {"name", v.Name}} {
		if err := checkName(x.field, x.name); err != nil {
			return err
		}
	}
	if strings.Contains(v.Measure, ";") {
		return fault(Invalid, "measure", "measure: %.300q has a ;, where the tags of a series begin; accepted: what is before it", v.Measure)
	}
	if err := checkDescription(v.Description); err != nil {
		return err
	}
	if err := checkColumns(v); err != nil {
		return err
	}
	return checkAggregation(&v.Aggregation)
}

// leTag is the tag that the buckets of a distribution are told apart by.
const leTag = "le"

func checkColumns(v *View) *Error {
	if len(v.Columns) > MaxColumns {
		return fault(Invalid, "columns", "columns: there are %d; accepted: at most %d", len(v.Columns), MaxColumns)
	}
	keys := make(map[string]string, len(v.Columns))
	for _, c := range v.Columns {
		if err := checkName("columns", c); err != nil {
			return err
		}
		key := safeKey(c)
		switch other, taken := keys[key]; {
		case taken && other == c:
			return fault(Invalid, "columns", "columns: %q is there twice; accepted: each tag once", c)
		case taken:
			return fault(Invalid, "columns", "columns: %q and %q are both the tag %s of exported series; accepted: one of them", other, c, key)
		case key == leTag && v.Aggregation.Type == Distribution:
			return fault(Invalid, "columns", "columns: %q is the tag of the buckets of a distribution; accepted: other tags", c)
		}
		keys[key] = c
	}
	v.Columns = append([]string{}, v.Columns...)
	slices.Sort(v.Columns)
	return nil
}

func checkAggregation(a *Aggregation) *Error {
	switch a.Type {
	case Count, Sum, LastValue:
		if len(a.Bounds) > 0 {
			return fault(Invalid, "bounds", "bounds: %s has none; accepted: bounds of a %s", a.Type, Distribution)
		}
		a.Bounds = nil
		return nil
	case Distribution:
		return checkBounds(a)
	case "mean":
		return fault(Invalid, "aggregation", "aggregation: mean is none; accepted: %s without bounds, which has count and mean", Distribution)
	}
	return fault(Invalid, "aggregation", "aggregation: %.100q is none; accepted: %s, %s, %s, %s", a.Type, Count, Sum, LastValue, Distribution)
}

func checkBounds(a *Aggregation) *Error {
	const accepted = "accepted: finite numbers from 0 on, each above the one before"
	if len(a.Bounds) > MaxBounds {
		return fault(Invalid, "bounds", "bounds: there are %d; accepted: at most %d", len(a.Bounds), MaxBounds)
	}
	for i, b := range a.Bounds {
		switch {
		case math.IsNaN(b) || math.IsInf(b, 0):
			return fault(Invalid, "bounds", "bounds: %v is not finite; %s", b, accepted)
		case b < 0:
			return fault(Invalid, "bounds", "bounds: %v is below 0; %s", b, accepted)
		case i > 0 && b == a.Bounds[i-1]:
			return fault(Invalid, "bounds", "bounds: %v is there twice; %s", b, accepted)
		case i > 0 && b < a.Bounds[i-1]:
			return fault(Invalid, "bounds", "bounds: %v comes after %v; %s", b, a.Bounds[i-1], accepted)
		}
	}
	a.Bounds = append([]float64{}, a.Bounds...)
	if len(a.Bounds) > 0 && a.Bounds[0] == 0 {
		a.Bounds = a.Bounds[1:] // bucket 0 goes up to the next one anyway
	}
	return nil
}
