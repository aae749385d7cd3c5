package rules

import (
	"strings"
	"testing"
)

// TestPlan shows which part of a pattern is compared node by node and which is left to an expression.
func TestPlan(t *testing.T) {
	cases := []struct {
		pattern    string
		head, tail string // one letter a node: l literal, a any, g glob, p program
		gap        string // plain, program, open or empty
	}{
		{"a.*.<x>.b*", "laag", "", ""},
		{"<env>.app.<app>.*.requests", "alaal", "", ""},
		{"a.pre<x>post", "lg", "", ""},
		{"a.<<x>>.b.c", "l", "ll", "plain"},
		{"<<x>>", "", "", "plain"},
		{`a.<x>\d{2}.b`, "lpl", "", ""},
		{`a.(b|c).d`, "lpl", "", ""},
		{`a.\S+.<y>.d`, "l", "la", "program"},
		{"<<x>>.mid.<<y>>", "", "", "program"},
		{"a.b?c.?d.e", "l", "l", "program"},
		{"foo|bar.baz", "", "", "open"},
		{"a.[b.c]", "l", "", "program"},
		{"a.[^.]+", "la", "", ""},
		{"(?i)a.b", "pp", "", ""},
	}
	for _, c := range cases {
		r := mustParse(t, "o (1) = sum "+c.pattern, Options{})[0]
		letters := func(segs []segment) string {
			var b strings.Builder
			for _, s := range segs {
				b.WriteByte("lagp"[s.kind])
			}
			return b.String()
		}
		gap := ""
		switch g := r.plan.gap; {
		case g == nil:
		case g.open:
			gap = "open"
		case g.prog != nil:
			gap = "program"
		default:
			gap = "plain"
		}
		if h, ta := letters(r.plan.head), letters(r.plan.tail); h != c.head || ta != c.tail || gap != c.gap {
			t.Errorf("%s: got %q %q %q, want %q %q %q", c.pattern, h, ta, gap, c.head, c.tail, c.gap)
		}
	}
}
