package target

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

// tree is an expression as testdata/record.py has recorded it.
type tree struct {
	Kind  string
	Value any
	Args  []tree
	Named [][2]json.RawMessage
}

type vector struct {
	Target string
	Tree   *tree
	Error  string
}

func readVectors(tb testing.TB) []vector {
	tb.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	var v []vector
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatal(err)
	}
	return v
}

// lenient has what graphite-web refuses, or reads a part of, and we accept.
var lenient = map[string]string{
	"f(a,1.)": "f(a,1.)", "f(a,.5)": "f(a,.5)",
	"f(k=1)": "f(k=1)", "f(k=1,l=2)": "f(k=1,l=2)",
	"{}": "{}", "a.{b,}": "a.{b,}", "a.{b.c,d}": "a.{b.c,d}", "a.{b{c,d},e}": "a.{b{c,d},e}",
	"a..b": "a..b", ".a": ".a", "a.": "a.", "f(a,.)": "f(a,.)",
}

// numbers has what graphite-web takes for paths.
var numbers = map[string]float64{"f(a,1e+9)": 1e9, "f(a,-.5)": -0.5}

func TestLikeGraphite(t *testing.T) {
	for _, c := range readVectors(t) {
		t.Run(c.Target, func(t *testing.T) {
			e, err := Parse(c.Target)
			if want, ok := lenient[c.Target]; ok {
				if err != nil || e.String() != want || c.Error == "" {
					t.Errorf("%v, %v; want %s where graphite-web has error %q", e, err, want, c.Error)
				}
				return
			}
			if want, ok := numbers[c.Target]; ok {
				if err != nil || e.Args[1].Kind != Number || e.Args[1].Number != want {
					t.Errorf("%+v, %v; want %g", e.Args, err, want)
				}
				return
			}
			if (err != nil) != (c.Error != "") {
				t.Fatalf("%v, error %v; graphite-web: %v, %s", e, err, c.Tree, c.Error)
			}
			if err == nil {
				if diff := e.differs(c.Tree); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func (e Expr) differs(want *tree) string {
	var kind string
	var value any
	switch e.Kind {
	case Path:
		kind, value = "path", e.Value
	case Call:
		kind, value = "call", e.Value
	case String:
		kind, value = "string", e.Value
	case Number:
		kind, value = "number", e.Number
		if math.IsInf(e.Number, 1) {
			kind, value = "infinity", nil
		}
	case Bool:
		kind, value = "boolean", e.Bool
	case None:
		kind = "none"
	}
	if kind != want.Kind || value != want.Value || len(e.Args) != len(want.Args) || len(e.Named) != len(want.Named) {
		return fmt.Sprintf("got %+v, want %+v", e, want)
	}
	for i := range e.Args {
		if diff := e.Args[i].differs(&want.Args[i]); diff != "" {
			return diff
		}
	}
	for i, named := range e.Named {
		var name string
		var arg tree
		if json.Unmarshal(want.Named[i][0], &name) != nil || json.Unmarshal(want.Named[i][1], &arg) != nil {
			return "cannot read the vector"
		}
		if named.Name != name {
			return fmt.Sprintf("argument %s, want %s", named.Name, name)
		}
		if diff := named.Expr.differs(&arg); diff != "" {
			return diff
		}
	}
	return ""
}

func FuzzParse(f *testing.F) {
	for _, c := range readVectors(f) {
		f.Add(c.Target)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			wrong, ok := err.(*Error)
			if !ok || wrong.Col < 1 || wrong.Col > len(text)+1 || wrong.Msg == "" {
				t.Fatalf("%#v", err)
			}
			return
		}
		canonical := e.String()
		again, err := Parse(canonical)
		if len(canonical) <= MaxLength && (err != nil || again.String() != canonical) {
			t.Fatalf("%q is written as %q, which is read as %q, %v", text, canonical, again, err)
		}
		within(t, text, e, MaxDepth)
	})
}

// within looks for texts of parts that are no part of the text.
func within(t *testing.T, text string, e Expr, depth int) {
	if depth < 0 || !strings.Contains(text, e.Text) || e.Text == "" {
		t.Fatalf("%q at depth %d in %q", e.Text, depth, text)
	}
	for _, arg := range e.Args {
		within(t, e.Text, arg, depth-1)
	}
	for _, arg := range e.Named {
		within(t, e.Text, arg.Expr, depth-1)
	}
}
