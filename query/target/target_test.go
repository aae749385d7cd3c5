package target

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestNumbers(t *testing.T) {
	for text, want := range map[string]struct {
		number  float64
		integer bool
	}{
		"0": {0, true}, "-7": {-7, true}, "007": {7, true}, "1.5": {1.5, false}, ".5": {0.5, false}, "-.5": {-0.5, false}, "5.": {5, false},
		"1e3": {1000, false}, "-2.5E-1": {-0.25, false}, "1e+2": {100, false}, "inf": {math.Inf(1), false}, "Inf": {math.Inf(1), false},
		"1e-400": {0, false}, "9007199254740993": {9007199254740992, true},
	} {
		e, err := Parse("f(" + text + ")")
		if err != nil || e.Args[0].Kind != Number || e.Args[0].Number != want.number || e.Args[0].Integer != want.integer || e.Args[0].Text != text {
			t.Errorf("%s: %+v, %v", text, e.Args, err)
		}
	}
	for _, text := range []string{"1x", "1e", "e1", "-", ".", "-.", "1.2.3", "--1", "0x10", "1_000", "+1", "nan", "-inf", "1e5.5", "infinity", "True.x"} {
		e, err := Parse("f(" + text + ")")
		if err != nil || e.Args[0].Kind != Path {
			t.Errorf("%s: %+v, %v", text, e.Args, err)
		}
	}
}

func TestTextOfParts(t *testing.T) {
	e, err := Parse(` a.* | sumSeries( ) |alias( "x y" , k = seriesByTag( 'p=q' ) ) `)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{e.Text, e.Args[0].Text, e.Args[0].Args[0].Text, e.Args[1].Text, e.Named[0].Expr.Text, e.String()}
	want := []string{
		`a.* | sumSeries( ) |alias( "x y" , k = seriesByTag( 'p=q' ) )`, `a.* | sumSeries( )`, `a.*`, `"x y"`, `seriesByTag( 'p=q' )`,
		`alias(sumSeries(a.*),"x y",k=seriesByTag('p=q'))`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTagExpressions(t *testing.T) {
	for text, want := range map[string][]string{
		`seriesByTag("a=b")`:            {"a=b"},
		`seriesByTag("a=b", 'c!=~d|e')`: {"a=b", "c!=~d|e"},
		`seriesByTag()`:                 nil,
		`seriesByTag(a)`:                nil,
		`seriesByTag("a=b", 1)`:         nil,
		`seriesByTag("a=b", k="c=d")`:   nil,
		`sumSeries(seriesByTag("a=b"))`: nil,
		`seriesByTag`:                   nil,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := e.TagExpressions(); !slices.Equal(got, want) || ok != (want != nil) {
			t.Errorf("%s: %q, %t", text, got, ok)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		text string
		want string
	}{
		{"", "column 1: the target ends where a path or a function was expected"},
		{"f(a", "column 4: the target ends where a comma or a closing parenthesis was expected"},
		{"f(größe b)", "column 9: 'b' stands where a comma or a closing parenthesis was expected"},
		{"f(a))", "column 5: ')' stands where | or the end was expected"},
		{"f(a,)", "column 5: ')' stands where a path or a function was expected"},
		{"f(a, k=1, b)", "column 11: 'b' stands where name=value, as behind an argument with a name, was expected"},
		{"a|b", "column 3: 'b' stands where a function with its parenthesis, such as sumSeries(), was expected"},
		{`f(a,"x)`, `column 5: the string that begins here has no closing "`},
		{"f(a,'x\n')", "column 7: the line ends within the string that begins at column 5"},
		{"a.{b,c", "column 3: the brace that is opened here is not closed within the path"},
		{"f(a.{b(c})", "column 5: the brace that is opened here is not closed within the path"},
		{"a}b", "column 2: a brace is closed that was not opened"},
		{`a\b`, `column 2: a backslash outside quotes may only stand before one of (){},.'"\|=`},
		{`a\`, `column 2: a backslash outside quotes may only stand before one of (){},.'"\|=`},
		{"f(1e999)", "column 3: the number 1e999 is beyond 64 bits of floating point"},
		{"f(template(a.$x, x=1))", "column 3: template() is not supported; write the path without it"},
		{"ö\xff", "column 2: this is not valid UTF-8"},
		{"a\x00", `column 2: '\x00' stands where | or the end was expected`},
		{strings.Repeat("a", MaxLength+1), "column 1: the target has 16385 bytes; at most 16384 are accepted"},
		{strings.Repeat("f(", 33) + "a" + strings.Repeat(")", 33), "column 65: more than 32 calls within each other"},
		{"a" + strings.Repeat("|f()", 33), "column 131: more than 32 calls within each other"},
		{"f(" + strings.Repeat("a,", MaxNodes) + "a)", "column 8193: the target has more than 4096 parts"},
	} {
		_, err := Parse(c.text)
		if err == nil || err.Error() != c.want {
			t.Errorf("%.40q: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestLimitsAreReached(t *testing.T) {
	for name, text := range map[string]string{
		"length": strings.Repeat("a", MaxLength),
		"depth":  strings.Repeat("f(", 32) + "a" + strings.Repeat(")", 32),
		"pipes":  "a" + strings.Repeat("|f()", 32),
		"both":   strings.Repeat("f(", 16) + "a" + strings.Repeat("|f()", 16) + strings.Repeat(")", 16),
		"parts":  "f(" + strings.Repeat("a,", MaxNodes-2) + "a)",
	} {
		if _, err := Parse(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func ExampleExpr_String() {
	e, err := Parse(`servers.*.cpu | sumSeries() | alias("all of them")`)
	fmt.Println(e, err)
	// Output: alias(sumSeries(servers.*.cpu),"all of them") <nil>
}
