package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coalesce-metrics/coalesce/cell"
)

func TestParse(t *testing.T) {
	src := "\ufeff# comment\r\n\n\t t (60)=sum,p99.9 a.<x> grace=90s keep=0 forward=off \rt.<method> ((+1_0) = max,min b percentiles=on\n" +
		"  # t (1) = sum x\n" +
		"t;dc=<x>;m==\u00a0(\u0661\u0662) = median a.<x>"
	list, diags := Parse("f.conf", []byte(strings.Replace(src, " t (60)", " t.<method> (60)", 1)), Options{Prefix: "p"})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	want := []string{
		"p.t.<method> (60) = sum,p99.9 a.<x> grace=1m30s keep=0 forward=off percentiles=on",
		"p.t.<method> (10) = max,min b percentiles=on",
		"p.t;dc=<x>;m== (12) = median a.<x> percentiles=on",
	}
	var got []string
	for _, r := range list {
		got = append(got, r.ID)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	r := list[0]
	if r.File != "f.conf" || r.Line != 3 || r.Text != "t.<method> (60)=sum,p99.9 a.<x> grace=90s keep=0 forward=off" {
		t.Errorf("source: %q %d %q", r.File, r.Line, r.Text)
	}
	if r.Grace != 90*time.Second || !r.HasGrace || r.Keep != 0 || !r.HasKeep || r.Forward || !slices.Equal(r.Fields, []string{"x"}) {
		t.Errorf("options: %+v", r)
	}
	r = list[1]
	if r.HasGrace || r.HasKeep || !r.Forward || !r.Percentiles || r.Line != 4 {
		t.Errorf("defaults: %+v", r)
	}
}

// TestParseErrors gives each line the diagnostics it must have, as "column: part of the message".
func TestParseErrors(t *testing.T) {
	line := func(pattern string) string { return "t (10) = sum " + pattern }
	cases := []struct {
		name, line string
		want       []string
	}{
		{"no equals sign", "t (60)", []string{"7: no = in the line: expected OUTPUT"}},
		{"nothing before it", "= sum a", []string{"1: nothing before the ="}},
		{"only an equals sign", "  =", []string{"1: nothing before the ="}},
		{"no period", "t = sum a", []string{"1: output or period missing"}},
		{"blanks in the period", "t ( 60 ) = sum a", []string{`5: "60" is one word too many`}},
		{"nothing after it", "t (60) =", []string{"7: method and pattern missing"}},
		{"no pattern", "t (60) = sum", []string{"10: method or pattern missing"}},
		{"period with unit", "t (60s) = sum a", []string{`3: period "(60s)": expected whole seconds`}},
		{"period zero", "t 0 = sum a", []string{`3: period "0": expected 1 to 31622400`}},
		{"period negative", "t (-5) = sum a", []string{`3: period "(-5)": expected 1 to`}},
		{"period too long", "t (99999999999999999999) = sum a", []string{"3: period"}},
		{"period with two underscores", "t 1__0 = sum a", []string{`3: period "1__0"`}},
		{"unknown method", "t (60) = SUM a", []string{`10: unknown method "SUM"; accepted are sum, avg`}},
		{"second method unknown", "t.<method> (60) = sum,foo,max a", []string{`23: unknown method "foo"`}},
		{"empty method", "t (60) = sum, a", []string{"14: empty method"}},
		{"method twice", "t.<method> (60) = p99.9,p999 a", []string{"19: method p99.9 is named twice"}},
		{"several methods, one name", "t (60) = sum,max a", []string{"1: several methods need <method>"}},
		{"several methods, captured method", "t.<method> (60) = sum,max <method>", []string{"1: several methods need <method> for the method's name, but"}},
		{"trailing comment", "t (60) = sum a.b # all", []string{"18: a comment must stand on a line of its own"}},
		{"no option", "t (60) = sum a b", []string{`16: "b" is no option; accepted are grace=`}},
		{"unknown option", "t (60) = sum a gracee=1s", []string{`16: unknown option "gracee"; accepted are grace=`}},
		{"option twice", "t (60) = sum a keep=1 keep=2", []string{"23: option keep is given twice"}},
		{"bad grace", "t (60) = sum a grace=30", []string{"16: grace=30: expected a duration"}},
		{"grace too long", "t (60) = sum a grace=999h", []string{"16: grace=999h"}},
		{"bad keep", "t (60) = sum a keep=-1", []string{"16: keep=-1: expected a number"}},
		{"bad forward", "t (60) = sum a forward=no", []string{"16: forward=no: expected on or off"}},
		{"percentiles off but needed", "t (60) = p50 a keep=1 percentiles=off", []string{"23: percentiles=off: method p50"}},
		{"several errors", "<z> (x) = foo a.(", []string{"5: period", "11: unknown method", "17: group ( is never closed"}},
		{"NUL", "t (60) = sum a\x00", []string{"15: NUL"}},
		{"no UTF-8", "é (60) = sum a\xff", []string{"15: NUL or a byte that is not UTF-8"}},
		{"line too long", "# " + strings.Repeat("x", MaxLine), []string{"0: the line has 4098 bytes, more than the 4096"}},
		{"unknown field", "t.<y> (10) = sum a.<x>", []string{`3: unknown field "y": known are <x> and <method>`}},
		{"unknown field, none known", "t.<y> (10) = sum a", []string{`3: unknown field "y": the pattern captures none`}},
		{"double brackets in the output", "t.<<x>> (10) = sum a.<x>", []string{"3: <<x>> in the output needs <<x>>"}},
		{"bracket never closed", "t.<x (10) = sum a.<x>", []string{"3: < is never closed"}},
		{"double bracket never closed", "t.<<x> (10) = sum a.<<x>>", []string{"3: << is never closed"}},
		{"stray percent sign", "t.5% (10) = sum a", []string{"4: stray %"}},
		{"other format", "t.%(x)d (10) = sum <x>", []string{"3: stray %"}},
		{"closing bracket alone", "t.x> (10) = sum a", []string{"4: warning: > without <"}},
		{"tag without value in the output", "t;all (10) = sum a", []string{`2: warning: ";all" is no tag`}},
		{"output too long", strings.Repeat("x", MaxOutput+1) + " (1) = sum a", []string{"1: the output has 513 bytes"}},
		{"pattern too long", line(strings.Repeat("x", MaxPattern+1)), []string{"14: the pattern has 1025 bytes"}},
		{"too many nodes", line(strings.Repeat("x.", MaxNodes)), []string{"14: the pattern has 65 nodes"}},
		{"lookahead", line("a.(?!b)*"), []string{"16: lookahead (?! does not exist in RE2"}},
		{"lookbehind", line("a.<x>(?<!b)"), []string{"19: lookbehind (?<! does not exist"}},
		{"back-reference", line(`a.(b)\1`), []string{`19: back-reference \1 does not exist`}},
		{"named back-reference", line("<x>.(?P=x)"), []string{"18: back-reference (?P= does not exist"}},
		{"possessive", line("a?+"), []string{"16: possessive repetition ?+ does not exist"}},
		{"atomic", line("(?>a)"), []string{"14: atomic group (?> does not exist"}},
		{"conditional", line("(?(1)a)"), []string{"14: conditional group (?( does not exist"}},
		{"unknown group", line("(?Ra)"), []string{"14: unknown group (?R"}},
		{"group open at the end", line("a.(?"), []string{"16: group (? is never closed"}},
		{"comment never closed", line("(?#a"), []string{"14: comment (?# is never closed"}},
		{"group closed twice", line("a)"), []string{"15: this ) closes no group"}},
		{"flags in the middle", line("a(?i)"), []string{"15: flags for the whole expression must stand at its start"}},
		{"flag not accepted", line("(?x)a"), []string{"14: flag x is not accepted; accepted are i"}},
		{"malformed flags", line("(?i-)a"), []string{"14: malformed flags"}},
		{"set never closed", line("a.[b"), []string{"16: set [ is never closed"}},
		{"range reversed", line("[b-a]"), []string{"15: bad range b-a"}},
		{"range from a class", line(`[\d-a]`), []string{`15: bad range \d-a`}},
		{"nothing to repeat", line("+a"), []string{"14: + has nothing to repeat"}},
		{"position repeated", line("^+a"), []string{"15: + has nothing to repeat"}},
		{"repetition repeated", line("a{2}?.b+?{3}"), []string{"23: {3,3} follows another repetition"}},
		{"counts reversed", line("a{2,1}"), []string{"15: repetition {2,1}"}},
		{"count too large", line("a{1001}"), []string{"15: repetition count 1001 is above 1000"}},
		{"count far too large", line("a{1,99999999999999999999}"), []string{"15: repetition count 99999999999999999999"}},
		{"unknown escape", line(`a.\q`), []string{`16: unknown escape \q`}},
		{"unknown digit escape in a set", line(`[\8]`), []string{`15: unknown escape \8`}},
		{"octal too large", line(`\777`), []string{`14: octal escape \777`}},
		{"hexadecimal too short", line(`\x4`), []string{`14: escape \x: expected 2`}},
		{"surrogate", line(`\ud800`), []string{`14: escape \ud800 is no character`}},
		{"named character", line(`\N{DOT}`), []string{`14: \N{...} is not accepted`}},
		{"backslash at the end", line(`a;b=c\`), []string{"19: backslash at the end"}},
		{"field name with a dash", line("a.<b-c>"), []string{`17: field name "b-c": expected letters`}},
		{"field without a name", line("a.<>"), []string{`16: field name ""`}},
		{"field twice", line("<a>.b.<<a>>"), []string{"22: field <a> is captured twice"}},
		{"field twice, in a tag", line("<a>;h=<a>"), []string{"21: field <a> is captured twice"}},
		{"expensive: nested repetition", line("(a{100}){100}"), []string{"14: too expensive: "}},
		{"expensive: size", line("(ab|cd){900}"), []string{"14: too expensive: "}},
		{"expensive: many Unicode sets", line(strings.Repeat(`[\w-]`, 60)), []string{"14: too expensive: "}},
		{"expensive: case of many characters", line("(?i)" + strings.Repeat(`\W`, 16)), []string{"14: too expensive: flag i"}},
		{"no name before the tags", line(";h=a"), []string{"14: no name before the first ;"}},
		{"condition without =", line("a;*"), []string{"16: expected ;key=value, found ;* (other tags are ignored anyway)"}},
		{"condition without a value", line("a;b=1;h="), []string{"20: expected ;key=value, found ;h="}},
		{"wildcard in a key", line("a;h*=1"), []string{"16: tag key h* must be plain text"}},
		{"tag twice", line("a;h=1;h=2"), []string{"20: tag h is named twice"}},
		{"tag name", line("a;name=b"), []string{"16: tag name is reserved"}},
		{"star beside a field", line("a.web*<h>"), []string{"19: warning: * beside a field"}},
		{"two fields in a node", line("a.<x>-<y>"), []string{"20: warning: only the first field"}},
		{"question mark as a node", line("a.?"), []string{"16: warning: ? repeats the dot"}},
		{"escaped dot", line(`a\.b`), []string{`15: warning: \. is a backslash`}},
		{"brace list", line("a.{b,c}"), []string{"16: warning: {a,b} is plain text"}},
		{"alternatives outside a group", line("a|b.c"), []string{"15: warning: | outside a group"}},
	}
	for _, c := range cases {
		list, diags := Parse("f", []byte("\n"+c.line), Options{})
		failed := false
		for i, d := range diags {
			text := fmt.Sprintf("%d: %s", d.Col, d.Msg)
			if d.Warning {
				text = fmt.Sprintf("%d: warning: %s", d.Col, d.Msg)
			}
			failed = failed || !d.Warning
			if d.File != "f" || d.Line != 2 || i >= len(c.want) || !strings.HasPrefix(text, c.want[i]) {
				t.Errorf("%s: %q: got %v %q, want %q", c.name, c.line, d, text, c.want)
			}
		}
		if len(diags) < len(c.want) {
			t.Errorf("%s: got %d diagnostics, want %q", c.name, len(diags), c.want)
		}
		if failed == (len(list) == 1) {
			t.Errorf("%s: %d rules, errors: %v", c.name, len(list), failed)
		}
	}
}

func TestParseGoesOn(t *testing.T) {
	list, diags := Parse("f", []byte("bad\nt (1) = sum a\nbad\nt (1) = sum b"), Options{})
	if len(list) != 2 || len(diags) != 2 || diags[1].Line != 3 {
		t.Errorf("%d rules, %v", len(list), diags)
	}
}

func TestParseLimits(t *testing.T) {
	_, diags := Parse("f", []byte(strings.Repeat("bad\n", MaxDiagnostics+5)), Options{})
	if len(diags) != MaxDiagnostics || !strings.Contains(diags[MaxDiagnostics-1].Msg, "too many") {
		t.Errorf("%d diagnostics", len(diags))
	}
	list, diags := Parse("f", []byte(strings.Repeat("t (1) = sum a\n", MaxRules+5)), Options{})
	if len(list) != MaxRules || len(diags) != 1 || diags[0].Line != MaxRules+1 {
		t.Errorf("%d rules, %v", len(list), diags)
	}
}

func TestDiagnosticString(t *testing.T) {
	for want, d := range map[string]Diagnostic{
		"f:1:2: error: m":   {"f", 1, 2, false, "m"},
		"f:1:2: warning: m": {"f", 1, 2, true, "m"},
		"f:1: error: m":     {"f", 1, 0, false, "m"},
		"f: error: m":       {"f", 0, 0, false, "m"},
	} {
		if d.String() != want {
			t.Errorf("got %q, want %q", d, want)
		}
	}
}

func TestBadPrefix(t *testing.T) {
	for _, p := range []string{"a b", "a<", "a%", "a;", "a="} {
		list, diags := Parse("f", []byte("t (1) = sum a"), Options{Prefix: p})
		if len(list) != 0 || len(diags) != 1 || diags[0].Warning {
			t.Errorf("prefix %q: %v", p, diags)
		}
	}
}

func TestCompile(t *testing.T) {
	good := Rule{Output: "all.<x>", Pattern: "a.<x>", Period: 30, Methods: []cell.Method{cell.Avg}, Forward: true, Percentiles: true}
	r, err := Compile(good, Options{Prefix: "aggregates"})
	if err != nil || r.ID != "aggregates.all.<x> (30) = avg a.<x> percentiles=on" || r.Text != r.ID {
		t.Fatalf("%v %v", r, err)
	}
	var m Matcher
	if got := outputs(NewSet([]*Rule{r}).Match(&m, []byte("a.b"))); !slices.Equal(got, []string{"aggregates.all.b"}) {
		t.Errorf("got %q", got)
	}
	for part, change := range map[string]func(*Rule){
		PartOutput:  func(r *Rule) { r.Output = "a b" },
		PartPattern: func(r *Rule) { r.Pattern = "" },
		PartPeriod:  func(r *Rule) { r.Period = 0 },
		PartMethods: func(r *Rule) { r.Methods = nil },
		PartOptions: func(r *Rule) { r.HasGrace, r.Grace = true, -1 },
	} {
		bad := good
		change(&bad)
		_, err := Compile(bad, Options{})
		if e := (*Error)(nil); !errors.As(err, &e) || e.Part != part {
			t.Errorf("%s: got %v", part, err)
		}
	}
}

// FuzzParse feeds arbitrary files. The ID of every rule must parse to a rule with that ID.
func FuzzParse(f *testing.F) {
	f.Add("t.<x> (10) = sum,p99 a.<<x>>;h=<y> grace=1s", "a.b;h=c")
	f.Add("a (1) = sum (?i)[^a-c]|\\d{1,2}?.<_>*", "b")
	f.Fuzz(func(t *testing.T, src, name string) {
		list, _ := Parse("f", []byte(src), Options{})
		var m Matcher
		NewSet(list).Match(&m, []byte(name))
		for _, r := range list {
			again, diags := Parse("f", []byte(r.ID), Options{})
			if len(again) != 1 || again[0].ID != r.ID {
				t.Errorf("%q: ID %q parses to %v", r.Text, r.ID, diags)
			}
		}
	})
}
