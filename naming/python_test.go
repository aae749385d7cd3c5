package naming

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/rules"
)

// The files rewrite.json and tags.json were recorded on cases chosen by hand, those called …-python.json on random ones,
// all by running carbon's code (commit aa7974ee) under CPython 3.11.
func load[T any](t *testing.T, name string) []T {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var out []T
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func errorsIn(diags []rules.Diagnostic) (n int) {
	for _, d := range diags {
		if !d.Warning {
			n++
		}
	}
	return n
}

func file(lines []string) []byte { return []byte(strings.Join(lines, "\n")) }

// refused lists the lines of rewrite.json that carbon uses and this package refuses, with the reason. Lines at which
// carbon throws for every datapoint are refused besides; what carbon logs and skips is an error here too.
var refused = map[string]string{
	`a(?!b) = X`: "RE2 has no lookahead",
	`(.)\1 = D`:  "RE2 has no back-references",
}

func TestRewriteVectors(t *testing.T) {
	type vector struct {
		Lines                   []string
		Metric, Section, Raises string
		Result                  *string
	}
	var s Scratch
	used := 0
	for _, v := range load[vector](t, "rewrite.json") {
		rw, diags := ParseRewrites("f", file(v.Lines))
		if refused[v.Lines[len(v.Lines)-1]] != "" || v.Raises != "" {
			used++
			if errorsIn(diags) == 0 {
				t.Errorf("%q: got %v, want one error", v.Lines, diags)
			}
			continue
		}
		if strings.Contains(v.Metric, "\n") {
			// Such a name is dropped before it is rewritten: no line could carry it.
			used++
			if d := (&Policy{Rewrites: rw}).Decide([]byte(v.Metric), &s); d.Dropped != BadName {
				t.Errorf("%q: got %v", v.Metric, d)
			}
			continue
		}
		use := rw.Pre
		if v.Section == "post" {
			use = rw.Post
		}
		if got, ok := use([]byte(v.Metric), &s); !ok || string(got) != *v.Result {
			t.Errorf("%q, %s of %q: got %q, want %q", v.Lines, v.Section, v.Metric, got, *v.Result)
		}
	}
	if used != 8 {
		t.Errorf("the exceptions apply to %d cases, want 8", used)
	}
}

func TestRewriteFiles(t *testing.T) {
	type vector struct {
		Lines           []string
		Name, Pre, Post string
		Raises          bool
	}
	var s Scratch
	for _, v := range load[vector](t, "rewrite-python.json") {
		rw, diags := ParseRewrites("f", file(v.Lines))
		if v.Raises {
			if errorsIn(diags) == 0 {
				t.Errorf("%q: carbon throws at every datapoint; got %v, want an error", v.Lines, diags)
			}
			continue
		}
		pre, _ := rw.Pre([]byte(v.Name), &s)
		post, _ := rw.Post([]byte(v.Name), &s)
		if string(pre) != v.Pre || string(post) != v.Post {
			t.Errorf("%q of %q: got %q and %q, want %q and %q", v.Lines, v.Name, pre, post, v.Pre, v.Post)
		}
	}
}

func TestListFiles(t *testing.T) {
	type vector struct {
		Lines    []string
		Name     string
		Match    bool
		Patterns int
	}
	var s Scratch
	for _, v := range load[vector](t, "list-python.json") {
		l, _ := ParseList("f", file(v.Lines), Regexps)
		if got := l.Match([]byte(v.Name), &s); got != v.Match || l.Len() != v.Patterns {
			t.Errorf("%q of %q: got %v by %d patterns, want %v by %d", v.Lines, v.Name, got, l.Len(), v.Match, v.Patterns)
		}
	}
}

func TestTagVectors(t *testing.T) {
	type vector struct {
		Input      string
		Normalised *string
	}
	var s Scratch
	for _, v := range append(load[vector](t, "tags.json"), load[vector](t, "tags-python.json")...) {
		out, err := Canonical([]byte("> "), []byte(v.Input), &s)
		switch {
		case (err != nil) != (v.Normalised == nil):
			t.Errorf("%q: got %q %v, want an error: %v", v.Input, out, err, v.Normalised == nil)
		case err != nil:
			if string(out) != "> " {
				t.Errorf("%q: dst is %q after an error", v.Input, out)
			}
		case string(out) != "> "+*v.Normalised:
			t.Errorf("%q: got %q, want %q", v.Input, out, *v.Normalised)
		default:
			again, err := Canonical(nil, out[2:], &s)
			if err != nil || !bytes.Equal(again, out[2:]) {
				t.Errorf("%q: canonical form %q becomes %q %v", v.Input, out, again, err)
			}
		}
	}
}
