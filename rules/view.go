package rules

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/coalesce-metrics/coalesce/cell"
)

// View is what the outputs of a rule made by NewView are: rows that count for as
// long as the rule is there, one for each combination of some tags.
type View struct {
	// ID tells one registration from another: a view made anew begins anew.
	ID      string
	Name    string   // what it is called; empty is the ID
	Measure string   // the series' name before its tags
	Columns []string // tags, sorted; those that a series has not got are empty
	// Distribution has the values counted between Bounds, which ascend and are
	// finite: below the first, from each to below the next, from the last on.
	Distribution bool
	Bounds       []float64
	Integral     bool // other values than integers are dropped
	MaxRows      int  // beyond it all goes to one row of overflow
}

// viewByte begins the output of a view's rule. No name that matches contains it, nor does any output of another rule.
const viewByte = '\n'

// NewView makes a rule that counts the series of one name, whatever their tags, in the rows of a view. v is copied.
func NewView(v View) (*Rule, error) {
	v.Columns, v.Bounds = slices.Clone(v.Columns), slices.Clone(v.Bounds)
	if err := v.check(); err != nil {
		return nil, fmt.Errorf("view %q: %w", v.ID, err)
	}
	r := &Rule{
		File: "view", Output: cmp.Or(v.Name, v.ID), Pattern: v.Measure, Period: MaxPeriod, Methods: []cell.Method{cell.Sum}, Forward: true, View: &v,
	}
	for _, c := range v.Columns {
		r.columns = append(r.columns, ";"+c+"=")
	}
	r.row = appendLength([]byte{viewByte}, len(v.ID))
	r.row = append(r.row, v.ID...)
	r.ID = v.canonical()
	r.Text = r.ID
	return r, nil
}

func (v *View) check() error {
	for what, text := range map[string]string{"ID": v.ID, "measure": v.Measure} {
		if text == "" || len(text) > MaxOutput || strings.ContainsAny(text, "\n\x00") {
			return fmt.Errorf("%s %q: expected 1 to %d bytes without line feed or NUL", what, text, MaxOutput)
		}
	}
	switch {
	case strings.Contains(v.Measure, ";"):
		return fmt.Errorf("measure %q: expected a name without tags", v.Measure)
	case len(v.Columns) > MaxColumns:
		return fmt.Errorf("%d columns, more than the %d accepted", len(v.Columns), MaxColumns)
	case !slices.IsSorted(v.Columns) || len(slices.Compact(slices.Clone(v.Columns))) < len(v.Columns):
		return fmt.Errorf("columns %q: expected each once, sorted", v.Columns)
	case !v.Distribution && len(v.Bounds) > 0:
		return fmt.Errorf("bounds %v without a distribution", v.Bounds)
	case v.MaxRows < 1 || v.MaxRows > MaxRows:
		return fmt.Errorf("at most %d rows: expected 1 to %d", v.MaxRows, MaxRows)
	}
	for _, c := range v.Columns {
		if c == "" || len(c) > MaxOutput || strings.ContainsAny(c, ";=\n\x00") {
			return fmt.Errorf("column %q: expected the name of a tag, 1 to %d bytes without ; and =", c, MaxOutput)
		}
	}
	return cell.CheckBounds(v.Bounds)
}

// canonical writes v so that equal views of one registration have equal text.
func (v *View) canonical() string {
	b := fmt.Appendf(nil, "view %q = %q by %q", v.ID, v.Measure, v.Columns)
	if v.Distribution {
		b = append(b, " between"...)
		for _, x := range v.Bounds {
			b = strconv.AppendFloat(append(b, ' '), x, 'g', -1, 64)
		}
	}
	if v.Integral {
		b = append(b, " integral"...)
	}
	return string(fmt.Appendf(b, " rows %d", v.MaxRows))
}

// matchViews takes the views of m's name as matched. The tags are split.
func (m *Matcher) matchViews(s *Set) {
	for _, e := range s.views[string(m.text)] {
		if m.hit(e) {
			return
		}
	}
}

// appendViewRow appends the output of a view's rule: the ID and the values of the columns, each behind its length, so
// that none runs into the next. A series without the tag has an empty one.
func (m *Matcher) appendViewRow(dst []byte, r *Rule) []byte {
	dst = append(dst, r.row...)
	for _, key := range r.columns {
		var value []byte
		if i := m.tag(key); i >= 0 {
			value = m.name[m.tags[i].value:m.tags[i].end]
		}
		dst = appendLength(dst, len(value))
		dst = append(dst, value...)
	}
	return dst
}

func appendLength(dst []byte, n int) []byte { return append(strconv.AppendInt(dst, int64(n), 10), ':') }

// ViewTags returns the values of the view's columns from Match.Output of r, a rule of NewView.
func ViewTags(r *Rule, output []byte) []string {
	tags := make([]string, 0, len(r.columns))
	for rest := output[len(r.row):]; len(rest) > 0; {
		i := bytes.IndexByte(rest, ':')
		n, _ := strconv.Atoi(string(rest[:i]))
		rest = rest[i+1:]
		tags = append(tags, string(rest[:n]))
		rest = rest[n:]
	}
	return tags
}
