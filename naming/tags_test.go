package naming

import (
	"errors"
	"strings"
	"testing"
)

// TestCanonicalDifferences lists what is read otherwise than by carbon.
func TestCanonicalDifferences(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"a brace in a value, at which carbon fails", `a{path="/{id}",b="x"}`, `a;b=x;path=/{id}`},
		{"a ; before the brace, where carbon would leave b between name and tags", `a;b=1{a="x"}`, `a;b=1{a="x"}`},
		{"braces and quotes in carbon's form, which carbon reads as OpenMetrics'", `a;z=1;b={"}`, `a;b={"};z=1`},
	}
	var s Scratch
	for _, c := range cases {
		if out, err := Canonical(nil, []byte(c.in), &s); err != nil || string(out) != c.want {
			t.Errorf("%s: got %q %v, want %q", c.name, out, err, c.want)
		}
	}
}

func TestTagErrors(t *testing.T) {
	cases := []struct{ in, part, want string }{
		{"a;b=c;", "", "key=value"},
		{"a;b", "b", "key=value"},
		{"a;k!=v", "k!=v", "a key without"},
		{"a;k=~v", "k=~v", "a value without ;"},
		{`a{k="v;w"}`, "k=v;w", "a value without ;"},
		{`a{k="v",l=x"}`, `l=x"`, `key="value"`},
		{`a{k="v\n"}`, `k="v\n"`, `key="value"`},
		{"~;a=b", "~;a=b", "a name before the tags"},
	}
	var s Scratch
	for _, c := range cases {
		_, err := Canonical(nil, []byte(c.in), &s)
		e := (*TagError)(nil)
		if !errors.As(err, &e) || e.Part != c.part || !strings.HasPrefix(e.Want, c.want) {
			t.Errorf("%q: got %v, want %q and %q", c.in, err, c.part, c.want)
		}
	}
}

// FuzzCanonical checks that a canonical form stays as it is, or is one that cannot be read again.
func FuzzCanonical(f *testing.F) {
	f.Add(`a{b="x\"y",c="{}"}`)
	f.Add("~a;k=v;j=w;k=x;name=y")
	f.Add(`a{b;z="};c=1`)
	f.Fuzz(func(t *testing.T, name string) {
		var s Scratch
		out, err := Canonical(nil, []byte(name), &s)
		if err != nil {
			return
		}
		again, err := Canonical(nil, out, &s)
		if err == nil && string(again) != string(out) {
			t.Errorf("%q becomes %q, then %q", name, out, again)
		}
		if len(out) > len(name) {
			t.Errorf("%q grows to %q", name, out)
		}
	})
}
