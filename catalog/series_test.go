package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestFindSeries has the cases of graphite-web's tests (test_tags.py), and some of names without tags.
func TestFindSeries(t *testing.T) {
	tiger, lion := "test.a;blah=blah;hello=tiger", "test.a;blah=blah;hello=lion"
	c := hold(t, tiger, lion, "test.b;blah=blah", "test.a", "test.c", "odd;x;dc=;k=1;k=2")
	cases := []struct {
		name  string
		exprs []string
		want  []string
	}{
		{"value", []string{"hello=tiger"}, []string{tiger}},
		{"regular expressions", []string{"blah=~b.*", "hello=~^tiger", "test=~.*"}, []string{tiger}},
		{"not a regular expression", []string{"blah!=~$", "hello=~tiger", "test!=~.+"}, []string{tiger}},
		{"not the empty value", []string{"hello=~lion", "blah!=~$"}, []string{lion}},
		{"not the value", []string{"hello=tiger", "blah!=blah"}, nil},
		{"another value", []string{"hello=tiger", "blah!=foo"}, []string{tiger}},
		{"any value", []string{"hello=tiger", "blah!="}, []string{tiger}},
		{"any value of any", []string{"blah!=", "hello!="}, []string{lion, tiger}},
		{"choice", []string{"hello=~lion|tiger", "blah!=foo"}, []string{lion, tiger}},
		{"without a tag", []string{"name=test.b", "hello="}, []string{"test.b;blah=blah"}},
		{"no value matches", []string{"blah=~foo"}, nil},
		{"anchored at the start", []string{"hello=~iger"}, nil},
		{"not anchored at the end", []string{"hello=~tig"}, []string{tiger}},
		{"anchored at both ends", []string{"hello=~tig$"}, nil},
		{"choice is anchored as a whole", []string{"hello=~^x|iger"}, nil},
		{"name", []string{"name=test.a"}, []string{"test.a", lion, tiger}},
		{"name and no tag", []string{"name=test.a", "hello="}, []string{"test.a"}},
		{"names", []string{`name=~test\.[ac]`, "hello!=lion"}, []string{"test.a", tiger, "test.c"}},
		{"name of nothing", []string{"name=nope"}, nil},
		{"unknown tag", []string{"nope=~.+"}, nil},
		{"last of repeated keys", []string{"k=2"}, []string{"odd;x;dc=;k=1;k=2"}},
		{"first of repeated keys", []string{"k=1"}, nil},
		{"empty value is none", []string{"name=odd", "dc="}, []string{"odd;x;dc=;k=1;k=2"}},
		{"tilde in a value", []string{"hello=tiger", "blah!=~~"}, []string{tiger}},
		{"equals sign in a value", []string{"hello!=a=b", "blah=blah", "hello=~t"}, []string{tiger}},
	}
	for _, tc := range cases {
		got, err := c.FindSeries(t.Context(), tc.exprs, 0)
		slices.Sort(tc.want)
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestExprErrors(t *testing.T) {
	c := hold(t, "a;b=c")
	many := make([]string, MaxExprs+1)
	for i := range many {
		many[i] = "b=c"
	}
	cases := []struct {
		name  string
		exprs []string
		want  string
	}{
		{"none", nil, "at least one must need a tag"},
		{"no operator", []string{"test"}, `"test": expected a tag, one of = != =~ !=~`},
		{"no tag", []string{"=x"}, "expected a tag"},
		{"semicolon in the tag", []string{"a;b=x"}, "expected a tag"},
		{"semicolon in the value", []string{"a=x;b"}, "a value without ;"},
		{"exclamation mark alone", []string{"a!x"}, "expected a tag"},
		{"not UTF-8", []string{"a=\xff"}, "expected a tag"},
		{"only empty values", []string{"test="}, "at least one must need a tag that is not empty"},
		{"all may be empty", []string{"a!=x", "b=~.*", "c!=~x", "d=~"}, "at least one"},
		{"bad regular expression", []string{"a=~("}, `bad regular expression "("`},
		{"unbalanced", []string{"a=~x)|(y"}, "bad regular expression"},
		{"not in RE2", []string{"a=~(?=x)"}, "syntax is that of RE2"},
		{"large", []string{"a=~(x{100}){10}(abcdefghijklmnopqrst){1000}"}, "instructions, at most 20000"},
		{"too long", []string{"a=" + strings.Repeat("x", MaxExpr)}, "bytes, at most 16384"},
		{"too many", many, "101 expressions, at most 100"},
	}
	for _, tc := range cases {
		var bad *Error
		for what, err := range map[string]error{
			"FindSeries":     second(c.FindSeries(t.Context(), tc.exprs, 0)),
			"CompleteTags":   second(c.CompleteTags(t.Context(), tc.exprs, "", 0)),
			"CompleteValues": second(c.CompleteValues(t.Context(), tc.exprs, "b", "", 0)),
		} {
			if tc.exprs == nil && what != "FindSeries" {
				continue // asks for all
			}
			if !errors.As(err, &bad) || !strings.Contains(bad.Msg, tc.want) {
				t.Errorf("%s, %s: got %v, want an error with %q", tc.name, what, err, tc.want)
			}
		}
	}
	for what, err := range map[string]error{"Tags": second(c.Tags(t.Context(), "(", 0)), "TagValues": second(c.TagValues(t.Context(), "b", "(", 0))} {
		if bad := (*Error)(nil); !errors.As(err, &bad) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A search ends with who asked for it, also one in which everything matches.
func TestSearchEnds(t *testing.T) {
	c := hold(t, "m;dc=abc", "m;dc=abd", "m")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range map[string]error{
		"Tags":                   second(c.Tags(ctx, "d", 0)),
		"TagValues":              second(c.TagValues(ctx, "dc", "ab.", 0)),
		"TagValues of names":     second(c.TagValues(ctx, "name", "m", 0)),
		"FindSeries":             second(c.FindSeries(ctx, []string{"dc=~ab.$"}, 0)),
		"FindSeries of a value":  second(c.FindSeries(ctx, []string{"dc=abc", "name=~m"}, 0)),
		"FindSeries of names":    second(c.FindSeries(ctx, []string{"name=~m"}, 0)),
		"CompleteTags":           second(c.CompleteTags(ctx, []string{"dc=~ab"}, "", 0)),
		"CompleteValues":         second(c.CompleteValues(ctx, []string{"dc=~ab"}, "dc", "", 0)),
		"CompleteValues of all":  second(c.CompleteValues(ctx, nil, "dc", "", 0)),
		"CompleteValues of name": second(c.CompleteValues(ctx, []string{"name=~m"}, "name", "", 0)),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	e, err := parseExpr("name=~m")
	if err != nil {
		t.Fatal(err)
	}
	s := search{c: c, ctx: ctx, exprs: []*expr{e}}
	if err := s.untagged(func(string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("names without tags: got %v", err)
	}
}

// What a search remembers is bounded, and what it forgets is asked again.
func TestSearchForgets(t *testing.T) {
	c := New(5 * batchSize)
	for i := range 5 * batchSize {
		c.Add(fmt.Sprintf("m;n=%d", i), Entry{}, 0)
	}
	e, err := parseExpr("n=~.*[05]$")
	if err != nil {
		t.Fatal(err)
	}
	s := search{c: c, ctx: t.Context(), exprs: []*expr{e}, room: batchSize}
	found, most := 0, 0
	err = s.tagged(func(uint32) error {
		found++
		most = max(most, len(e.re.seen))
		return nil
	})
	if err != nil || found != batchSize || most > 2*batchSize {
		t.Errorf("%d found, %d remembered, %v", found, most, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestTagLists(t *testing.T) {
	c := hold(t, "cpu;dc=x;host=y", "cpu;dc=x;host=z", "mem;dc=w", "cpu", "plain")
	strs := func(list []string, err error) string { return strings.Join(list, " ") + text(err) }
	values := func(list []Value, err error) string {
		s := ""
		for _, v := range list {
			s += v.Value + strings.Repeat("+", v.Count) + " "
		}
		return s + text(err)
	}
	cases := []struct{ name, got, want string }{
		{"tags", strs(c.Tags(t.Context(), "", 100)), "dc host name"},
		{"tags by filter", strs(c.Tags(t.Context(), "h|n", 100)), "host name"},
		{"tags up to a limit", strs(c.Tags(t.Context(), "", 2)), "dc host"},
		{"values", values(c.TagValues(t.Context(), "dc", "", 100)), "w+ x++ "},
		{"values by filter", values(c.TagValues(t.Context(), "dc", "x$", 100)), "x++ "},
		{"values up to a limit", values(c.TagValues(t.Context(), "dc", "", 1)), "w+ "},
		{"values of an unknown tag", values(c.TagValues(t.Context(), "nope", "", 100)), ""},
		{"names", values(c.TagValues(t.Context(), "name", "", 100)), "cpu+++ mem+ plain+ "},
		{"names up to a limit", values(c.TagValues(t.Context(), "name", "", 1)), "cpu+++ "},
		{"names by filter", values(c.TagValues(t.Context(), "name", "p", 100)), "plain+ "},
		{"complete a tag", strs(c.CompleteTags(t.Context(), []string{"dc=x"}, "", 100)), "host name"},
		{"complete a tag with a prefix", strs(c.CompleteTags(t.Context(), []string{"dc=x"}, "h", 100)), "host"},
		{"complete a tag without expressions", strs(c.CompleteTags(t.Context(), nil, "h", 100)), "host"},
		{"complete a tag of nothing", strs(c.CompleteTags(t.Context(), []string{"dc=nope"}, "", 100)), ""},
		{"complete a value", strs(c.CompleteValues(t.Context(), []string{"dc=x"}, "host", "", 100)), "y z"},
		{"complete a value with a prefix", strs(c.CompleteValues(t.Context(), []string{"dc=x"}, "host", "z", 100)), "z"},
		{"complete a value up to a limit", strs(c.CompleteValues(t.Context(), []string{"dc=x"}, "host", "", 1)), "y"},
		{"complete a value without expressions", strs(c.CompleteValues(t.Context(), nil, "dc", "", 100)), "w x"},
		{"complete a value that is asked for", strs(c.CompleteValues(t.Context(), []string{"dc=~w"}, "dc", "", 100)), "w"},
		{"complete a name", strs(c.CompleteValues(t.Context(), []string{"name=~.+"}, "name", "", 100)), "cpu mem plain"},
		{"complete a name without expressions", strs(c.CompleteValues(t.Context(), nil, "name", "p", 100)), "plain"},
		{"by name", strs(c.ByName("cpu"), nil), "cpu cpu;dc=x;host=y cpu;dc=x;host=z"},
		{"by name with tags", strs(c.ByName("cpu;dc=x;host=y"), nil), ""},
	}
	for _, tc := range cases {
		if tc.got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, tc.got, tc.want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzExpr reads expressions as graphite-web does, and finds what each value of a tag says it must.
func FuzzExpr(f *testing.F) {
	for _, s := range [][2]string{
		{"dc=x", "x"}, {"dc!=x", "y"}, {"dc=~x|y", "y"}, {"dc!=~x$", "xy"}, {"dc=", "x"}, {"dc=~(?i)ab+c*", "ABBX"}, {"dc=~(?m)^x", "x"},
		{"name=m", "x"}, {"dc=~^(a|ab)(c|bcd)", "abcd"}, {"dc=~\\Qa.b\\E", "a.b"}, {"dc=~(ab){2,3}", "abab"}, {"dc=~[[:alpha:]]\\b", "a"}, {"dc=~é|è", "è"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		c := New(1)
		name := "m;dc=" + value
		if value == "" || strings.IndexByte(value, ';') >= 0 || !c.Add(name, Entry{}, 0) {
			return
		}
		e, err := parseExpr(text)
		if (err == nil) && !exprRE.MatchString(text) {
			t.Fatalf("%q is read", text)
		}
		names, err := c.FindSeries(t.Context(), []string{text, "dc=~.*"}, 0)
		if err != nil {
			return
		}
		if e.empty {
			t.Fatalf("%q may be empty, but is taken alone", text)
		}
		if want := meetsNaive(tagsOf(name), text); want != (len(names) == 1) {
			t.Errorf("%q finds %q: %v, want %v", text, name, !want, want)
		}
	})
}
