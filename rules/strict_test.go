package rules

import (
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
)

func TestStrict(t *testing.T) {
	for name, c := range map[string]struct {
		pattern, output string
		want            string // of the error; "" for none
	}{
		"plain":               {"a.<x>.<<y>>", "b.<y>.<<y>>.%(x)s", ""},
		"choice in a group":   {"a.(b|c).[|]", "b", ""},
		"choice":              {"a.b|c", "b", "pattern, column 4: | outside a group"},
		"field named method":  {"a.<method>", "b.<method>", ""},
		"method":              {"a.<x>", "b.<method>", `output, column 3: unknown field "method": known are <x>`},
		"method, Python's":    {"a.b", "b.%(method)s", `output, column 3: unknown field "method": the pattern captures none`},
		"percent":             {"a.b", "b.%%(method)s", ""},
		"first node is empty": {".a", "b", "pattern, column 1: a node without text"},
		"node is empty":       {"ä..b", "b", "pattern, column 3: a node without text"},
		"last node is empty":  {"a.", "b", "pattern, column 3: a node without text"},
		"dots in a tag":       {"a;k=x..y", "b", ""},
		"output, empty node":  {"a", "ä..b", "output, column 3: a node without text"},
		"output, last node":   {"a", "b.", "output, column 3: a node without text"},
		"output, only dots":   {"a", "..", "output, column 1: a node without text"},
		"output, dots in tag": {"a", "b;k=x..y", ""},
		"open field":          {"ä.*.<b", "b", "pattern, column 5: < is never closed"},
		"open, then a field":  {"a.<b.<c>", "b", "pattern, column 3: < is never closed"},
		"no field in a set":   {"a.[<x].\\<b", "b", ""},
		"letters":             {"ö.<é>", "b", "pattern, column 4: field é"},
		"underscore":          {"a.<_x1>", "b.<_x1>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := Rule{Pattern: c.pattern, Output: c.output, Period: 30, Methods: []cell.Method{cell.Avg}}
			_, err := Compile(r, Options{Strict: true, Prefix: "aggregates."})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if _, err := Compile(r, Options{}); err != nil && !strings.Contains(name, "letters") {
				t.Errorf("a rule file could not say it either: %v", err)
			}
		})
	}
}

func TestProgram(t *testing.T) {
	small, err := Compile(Rule{Pattern: "a.b", Output: "c", Period: 1, Methods: []cell.Method{cell.Sum}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	large, err := Compile(Rule{Pattern: "a.(b|cd){1,20}", Output: "c", Period: 1, Methods: []cell.Method{cell.Sum}}, Options{})
	if err != nil || small.Program < 1 || large.Program < 2*small.Program || large.Program > MaxProgram {
		t.Errorf("%d and %d instructions, %v", small.Program, large.Program, err)
	}
	_, err = Compile(Rule{Pattern: "a.((b{1,50}){1,50}){1,50}", Output: "c", Period: 1, Methods: []cell.Method{cell.Sum}}, Options{})
	if e, ok := err.(*Error); !ok || !e.TooExpensive() {
		t.Error(err)
	}
}
