package pyre

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

// pythonCase is a line of testdata/python.json, recorded by testdata/record.py under CPython 3.11.
type pythonCase struct {
	Pattern, Replacement, Text string
	Error                      bool
	Result                     string
	Spans                      [][2]int
}

func pythonCases(t testing.TB) []pythonCase {
	t.Helper()
	data, err := os.ReadFile("testdata/python.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []pythonCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// compile returns the pattern and the replacement of c, or what is wrong with one of them.
func compile(pattern, replacement string) (*Pattern, *Replacement, *Error) {
	p, err := Compile(NewSource(pattern, 1), Options{Verbose: true})
	if err != nil {
		return nil, nil, err
	}
	r, err := p.Replacement(NewSource(replacement, 1))
	return p, r, err
}

func TestPython(t *testing.T) {
	var m Machine
	for _, c := range pythonCases(t) {
		p, r, err := compile(c.Pattern, c.Replacement)
		if (err != nil) != c.Error {
			t.Errorf("%q to %q: got %v, in Python error is %v", c.Pattern, c.Replacement, err, c.Error)
			continue
		}
		if c.Error {
			continue
		}
		var spans [][2]int
		if p.Search(&m, []byte(c.Text), 0) {
			for g := range p.groups + 1 {
				lo, hi := m.Group(g)
				spans = append(spans, [2]int{lo, hi})
			}
		}
		if fmt.Sprint(spans) != fmt.Sprint(c.Spans) {
			t.Errorf("%q in %q: got %v, want %v", c.Pattern, c.Text, spans, c.Spans)
		}
		if got := substitute(t, r, c.Text); got != c.Result {
			t.Errorf("%q to %q in %q: got %q, want %q", c.Pattern, c.Replacement, c.Text, got, c.Result)
		}
	}
}

func substitute(t *testing.T, r *Replacement, text string) string {
	t.Helper()
	var m Machine
	out, found, err := r.Append([]byte("> "), &m, []byte(text), 1000)
	if err != nil || string(out[:2]) != "> " {
		t.Fatalf("%q: %v", out, err)
	}
	if !found {
		return text
	}
	return string(out[2:])
}
