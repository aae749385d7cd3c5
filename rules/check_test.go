package rules

import (
	"slices"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	cases := []struct {
		name, rules string
		want        []string // line: start of the message
	}{
		{"nothing", "a.<x> (10) = sum b.<x>\na.<x> (10) = sum c.<x>", nil},
		{"duplicate", "a (10) = sum b\n\na 10=sum b", []string{"f:3: warning: the same rule as in line 1"}},
		{"other period", "a (10) = sum b\na (20) = sum c", []string{"f:2: warning: output a has period 10 and method sum by line 1"}},
		{"other method", "a.<x> (10) = sum b.<x>\na.<x> (10) = max c.<x>", []string{"f:2: warning: output a.<x> has period 10 and method sum by line 1"}},
		{"method in the name", "a.<method> (10) = sum b\na.<method> (10) = max b", nil},
		{"one row of several", "a.max (10) = sum b\na.<method> (10) = sum,max b", []string{"f:2: warning: output a.max has period 10 and method sum"}},
		{"other list", "a.<method> (10) = sum,max b\na.<method> (10) = sum,min b", []string{"f:2: warning: output a.<method> has other methods by line 1"}},
		{"own output", "a.all (10) = sum a.*", []string{"f:1: warning: its output matches its own pattern (a.all does)"}},
		{"own output of digits only", `a.<x> (10) = sum a.<x>\d?`, []string{"f:1: warning: its output matches its own pattern"}},
	}
	for _, c := range cases {
		var got []string
		for _, d := range Check(mustParse(t, c.rules, Options{})) {
			got = append(got, d.String())
		}
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDiff(t *testing.T) {
	rule := map[string]string{"a": "a (1) = sum a", "b": "b (1) = sum b", "c": "c (1) = sum c"}
	parse := func(names string) []*Rule {
		var lines []string
		for _, n := range strings.Fields(names) {
			lines = append(lines, rule[n])
		}
		return mustParse(t, strings.Join(lines, "\n"), Options{})
	}
	names := func(list []*Rule) string {
		var out []string
		for _, r := range list {
			out = append(out, r.Output)
		}
		return strings.Join(out, " ")
	}
	cases := []struct {
		name, old, new, added, removed, unchanged string
		reordered                                 bool
	}{
		{"same", "a b", "a b", "", "", "a b", false},
		{"one added in front", "a b", "c a b", "c", "", "a b", false},
		{"one removed", "a b c", "a c", "", "b", "a c", false},
		{"replaced", "a", "b", "b", "a", "", false},
		{"reordered", "a b c", "c a b", "", "", "c a b", true},
		{"one of two removed", "a b a", "a b", "", "a", "a b", false},
		{"one of one doubled", "a", "a a", "a", "", "a", false},
		{"all removed", "a b", "", "", "a b", "", false},
	}
	for _, c := range cases {
		old, now := parse(c.old), parse(c.new)
		d := Diff(old, now)
		got := []string{names(d.Merged), names(d.Added), names(d.Removed), names(d.Unchanged)}
		if want := []string{c.new, c.added, c.removed, c.unchanged}; !slices.Equal(got, want) || d.Reordered != c.reordered {
			t.Errorf("%s: got %q %v, want %q %v", c.name, got, d.Reordered, want, c.reordered)
		}
		for _, r := range d.Unchanged {
			if !slices.Contains(old, r) || !slices.Contains(d.Merged, r) {
				t.Errorf("%s: %s is not the old rule", c.name, r.Output)
			}
		}
	}
}
