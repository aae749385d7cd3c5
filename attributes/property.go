package attributes

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// properties says how each property is set; v is not nil. An error says what v is
// and what is accepted.
var properties = map[string]func(m *Metric, v Value) error{
	"display_name": func(m *Metric, v Value) error { return setOptional(&m.DisplayName, v, MaxName) },
	"description":  func(m *Metric, v Value) error { return setOptional(&m.Description, v, MaxText) },
	"period":       func(m *Metric, v Value) error { return setPeriod(&m.Period, v) },
	"type":         setType,
	"attributes":   noObject, // those in an object come under their own names

	"attributes.aggregate":           func(m *Metric, v Value) error { return setBool(&m.Attributes.Aggregate, v) },
	"attributes.summarize_function":  setSummary,
	"attributes.gap_detection":       func(m *Metric, v Value) error { return setBool(&m.Attributes.GapDetection, v) },
	"attributes.color":               setColor,
	"attributes.display_min":         func(m *Metric, v Value) error { return setNumber(&m.Attributes.DisplayMin, v) },
	"attributes.display_max":         func(m *Metric, v Value) error { return setNumber(&m.Attributes.DisplayMax, v) },
	"attributes.display_units_short": func(m *Metric, v Value) error { return setText(&m.Attributes.UnitsShort, v, MaxName) },
	"attributes.display_units_long":  func(m *Metric, v Value) error { return setText(&m.Attributes.UnitsLong, v, MaxName) },
	"attributes.display_stacked":     func(m *Metric, v Value) error { return setBool(&m.Attributes.Stacked, v) },
	"attributes.created_by_ua":       func(m *Metric, v Value) error { return setText(&m.Attributes.CreatedByUA, v, MaxName) },
}

// defaults are what a property has that nobody has given.
var defaults = map[string]Value{
	"type":                          Gauge.String(),
	"attributes.aggregate":          false,
	"attributes.summarize_function": Average.String(),
	"attributes.gap_detection":      false,
	"attributes.display_stacked":    false,
}

// New returns a metric with a name and properties, or Problems. It is not in the
// book yet: see Create.
func (b *Book) New(name string, c Change) (*Metric, error) {
	if !ValidName(name) {
		return nil, Problems{{"name", fmt.Sprintf("%.300q; accepted: 1 to %d of A-Z a-z 0-9 . : - _", name, MaxName)}}
	}
	m := &Metric{Name: name, Period: b.cfg.Period}
	if problems := m.apply(c, b.cfg.Period); problems != nil {
		return nil, problems
	}
	return m, nil
}

// apply makes the properties of m be those of c, as far as c has them; unknown ones
// are ignored. The period is that of a metric that is given none.
func (m *Metric) apply(c Change, period int64) Problems {
	var problems Problems
	for _, name := range slices.Sorted(maps.Keys(c)) {
		set := properties[name]
		if set == nil {
			continue
		}
		v := c[name]
		if v == nil {
			v = defaults[name]
		}
		switch {
		case v == nil && name == "period":
			v = period
		case v == nil:
			v = "" // a text without a default, or a number that is not needed
		}
		if err := set(m, v); err != nil {
			problems = append(problems, Problem{name, err.Error()})
		}
	}
	if problems != nil {
		return problems
	}
	return m.check()
}

// check says what does not fit together.
func (m *Metric) check() Problems {
	if m.Aggregated() && (m.Period < MinAggregated || m.Period > MaxAggregated) {
		return Problems{{"period", fmt.Sprintf("%d; accepted where attributes.aggregate is true: %d to %d seconds", m.Period, MinAggregated, MaxAggregated)}}
	}
	return nil
}

// Aggregated reports whether the values of a period are added up. Those of
// counters never are.
func (m *Metric) Aggregated() bool { return m.Attributes.Aggregate && m.Type == Gauge }

// ValidName reports whether a metric may have a name.
func ValidName[T string | []byte](name T) bool {
	if len(name) == 0 || len(name) > MaxName {
		return false
	}
	for i := range len(name) {
		if !inName[name[i]] {
			return false
		}
	}
	return true
}

var inName = func() (set [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:-_" {
		set[c] = true
	}
	return set
}()

// shown returns what was given as it was written.
func shown(v Value) string {
	if raw, ok := v.(json.RawMessage); ok {
		return string(raw)
	}
	return fmt.Sprint(v)
}

func setOptional(p **string, v Value, limit int) error {
	var text string
	if err := setText(&text, v, limit); err != nil {
		return err
	}
	if *p = nil; text != "" {
		*p = &text
	}
	return nil
}

func setText(p *string, v Value, limit int) error {
	text, ok := v.(string)
	if !ok || len(text) > limit || !utf8.ValidString(text) {
		return fmt.Errorf("%.100q; accepted: a text of at most %d bytes", shown(v), limit)
	}
	*p = text
	return nil
}

// setBool also takes what forms can say.
func setBool(p *bool, v Value) error {
	switch v {
	case true, "true", "1":
		*p = true
	case false, "false", "0":
		*p = false
	default:
		return fmt.Errorf("%.100q; accepted: true or false", shown(v))
	}
	return nil
}

func setPeriod(p *int64, v Value) error {
	n, err := strconv.ParseInt(shown(v), 10, 64)
	if err != nil || n < 1 || n > MaxPeriod {
		return fmt.Errorf("%.100q; accepted: whole seconds from 1 to %d", shown(v), MaxPeriod)
	}
	*p = n
	return nil
}

func setNumber(p **float64, v Value) error {
	if *p = nil; v == "" {
		return nil
	}
	text := shown(v)
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) || strings.ContainsAny(text, "_xXpP") {
		return fmt.Errorf("%.100q; accepted: a number, or null for none", text)
	}
	*p = &x
	return nil
}

func noObject(_ *Metric, v Value) error {
	if v == "" {
		return nil
	}
	return fmt.Errorf("%.100q; accepted: an object", shown(v))
}

func setType(m *Metric, v Value) error {
	switch v {
	case "composite":
		return fmt.Errorf("composite is not supported; accepted: gauge or counter")
	case "": // as clients write that do not mean to change it
		return nil
	}
	return m.Type.UnmarshalText([]byte(shown(v)))
}

func setSummary(m *Metric, v Value) error {
	return m.Attributes.Summary.UnmarshalText([]byte(shown(v)))
}

func setColor(m *Metric, v Value) error {
	text, _ := v.(string)
	if _, err := strconv.ParseUint(strings.TrimPrefix(text, "#"), 16, 32); v != "" && (len(text) != 7 || text[0] != '#' || err != nil) {
		return fmt.Errorf("%.100q; accepted: #RRGGBB", shown(v))
	}
	m.Attributes.Color = text
	return nil
}
