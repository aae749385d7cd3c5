package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coalesce-metrics/coalesce/cell"
)

// Check returns warnings about how the rules of one or more files act together: duplicates, outputs to which two rules
// give different periods or methods, and outputs that would match their own pattern. Warnings about one rule alone
// come from Parse.
func Check(rules []*Rule) []Diagnostic {
	c := checker{ids: map[string]*Rule{}, rows: map[string]rowOwner{}, lists: map[string]*Rule{}}
	for _, r := range rules {
		if r.View != nil {
			continue // its rows have names of their own
		}
		first := c.ids[r.ID]
		if first != nil {
			c.warn(r, "the same rule as in %s; it changes nothing", where(first, r))
			continue
		}
		c.ids[r.ID] = r
		c.conflicts(r)
		c.loop(r)
	}
	return c.out
}

// rowOwner is the rule that decides about a row of output.
type rowOwner struct {
	rule   *Rule
	method cell.Method
}

type checker struct {
	ids  map[string]*Rule
	rows map[string]rowOwner // by template with the method written out
	// lists has the first rule with several methods for each output.
	lists map[string]*Rule
	out   []Diagnostic
}

func (c *checker) warn(r *Rule, format string, args ...any) {
	c.out = append(c.out, Diagnostic{r.File, r.Line, 0, true, fmt.Sprintf(format, args...)})
}

// where names the place of other as seen from r.
func where(other, r *Rule) string {
	if other.File == r.File {
		return fmt.Sprintf("line %d", other.Line)
	}
	return fmt.Sprintf("%s:%d", other.File, other.Line)
}

func (c *checker) conflicts(r *Rule) {
	if first := c.lists[r.Output]; len(r.Methods) > 1 && first == nil {
		c.lists[r.Output] = r
	} else if len(r.Methods) > 1 && !slices.Equal(first.Methods, r.Methods) {
		c.warn(r, "output %s has other methods by %s, which comes first and wins: give both rules the same list", r.Output, where(first, r))
		return
	}
	for _, m := range r.Methods {
		name := r.sample(m, func(field string) string { return "<" + field + ">" })
		first, ok := c.rows[name]
		switch {
		case !ok:
			c.rows[name] = rowOwner{r, m}
		case first.rule.Period != r.Period || first.method != m:
			c.warn(r, "output %s has period %d and method %v by %s, which comes first and wins over period %d and method %v here",
				name, first.rule.Period, first.method, where(first.rule, r), r.Period, m)
		}
	}
}

// sample returns the output of r with made-up values for its fields.
func (r *Rule) sample(m cell.Method, value func(field string) string) string {
	var b strings.Builder
	for _, p := range r.template {
		if p.field >= 0 {
			b.WriteString(value(r.Fields[p.field]))
		} else {
			b.WriteString(p.text)
		}
	}
	return string(AppendRow(nil, []byte(b.String()), m))
}

func (c *checker) loop(r *Rule) {
	set := NewSet([]*Rule{r})
	var m Matcher
	for _, value := range []string{"x", "0"} {
		name := r.sample(r.Methods[0], func(string) string { return value })
		if set.Any(&m, []byte(name)) {
			c.warn(r, "its output matches its own pattern (%s does): an output sent back to this daemon is aggregated again", name)
			return
		}
	}
}
