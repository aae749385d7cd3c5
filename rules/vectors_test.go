package rules

import (
	"encoding/json"
	"os"
	"testing"
)

// vector is a line of testdata/rules-match.json or testdata/python.json. Both were recorded by running the AggregationRule
// class of carbon (commit aa7974ee) under CPython 3.11: the first on rules chosen by hand, the second on random ones.
type vector struct {
	RuleLine  string  `json:"rule_line"`
	Metric    *string `json:"metric"`
	Output    *string `json:"output"`
	Raises    string  `json:"raises"`
	Error     bool    `json:"error"`
	Frequency int64   `json:"frequency"`
	Method    string  `json:"method"`
}

func readVectors(t *testing.T, file string) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

// different lists the rule lines of rules-match.json that this package reads otherwise than carbon, with the reason.
var different = map[string]string{
	// What RE2 cannot express.
	`t (10) = sum x.a*+`:                "possessive",
	`t (10) = sum x.a?+`:                "possessive",
	`t (10) = sum foo.(?!all)*.x`:       "lookahead",
	`t.<h> (10) = sum foo.(?!all)<h>.x`: "lookahead",
	`t.<h> (10) = sum foo.<h>(?<!z).x`:  "lookbehind",
	`t.<h> (10) = sum foo.<h>.(?P=h)`:   "back-reference",
	// What carbon loads and then loses datapoints by.
	`t.<zzz> (10) = sum a.<x>`:       "unknown field",
	`t.<a>.<b> (10) = sum x.<a>-<b>`: "unknown field",
	`t.<X> (10) = sum a.<x>`:         "unknown field",
	`t.100% (10) = sum a.<x>`:        "stray %",
	`100% (10) = sum a.b`:            "stray %",
	`t.%x (10) = sum a.b`:            "stray %",
	`<<a>>.<b> (10) = sum <a>.<b>`:   "<<a>> without <<a>> in the pattern",
}

// extended lists the rule lines that carbon refuses or throws on and this package gives a meaning, with what they
// give for the metric of their case (empty: nothing), or "loads" where the case has none.
var extended = map[string]string{
	`t (60) = last a.b`:          "loads",
	`t (60) = median a.b`:        "loads",
	`t (60) = p99.9 a.b`:         "loads",
	`t (60) = range a.b`:         "loads",
	`t;dc=x (60) = sum a.b`:      "loads",
	`t.<<x>> (10) = sum a.<<x>>`: "t.b",
	`agg.<<m>> (10) = sum <<m>>`: "agg.cpu;host=a",
}

// byTag lists cases, metric then rule line, in which carbon reads the tags as text and this package reads tags; the
// value is the output, or "refused" for a condition that is no key=value.
var byTag = map[[2]string]string{
	{`cpu;host=a;dc=b`, `agg.<m> (10) = sum <<m>>;host=*`}:    "agg.cpu",
	{`cpu;dc=b;host=a`, `agg.<m> (10) = sum <<m>>;host=*`}:    "agg.cpu",
	{`cpu;host=a.b`, `agg.<m> (10) = sum <<m>>;host=*`}:       "agg.cpu",
	{`cpu;dc=a`, `agg.<m>.<dc> (10) = sum <<m>>;dc=<dc>`}:     "agg.cpu.a",
	{`x.cpu;dc=a;dc=b`, `agg.<m> (10) = sum <<m>>;dc=*`}:      "agg.x.cpu",
	{`cpu;dc=a`, `agg.<dc> (10) = sum cpu;dc=<dc>;*`}:         "refused",
	{`cpu;dc=a;h=1;z=2`, `agg.<dc> (10) = sum cpu;dc=<dc>;*`}: "refused",
}

// TestVectors runs what carbon did with each rule line and metric.
func TestVectors(t *testing.T) {
	used := 0
	for _, v := range readVectors(t, "rules-match.json") {
		if v.Metric != nil {
			if want, ok := byTag[[2]string{*v.Metric, v.RuleLine}]; ok {
				used++
				if want == "refused" {
					v = vector{RuleLine: v.RuleLine, Error: true}
				} else {
					v.Output = &want
				}
			}
		}
		if _, ok := different[v.RuleLine]; ok {
			used++
			v = vector{RuleLine: v.RuleLine, Error: true}
		}
		if want, ok := extended[v.RuleLine]; ok {
			used++
			v.Error, v.Raises = false, ""
			if want != "loads" {
				v.Output = &want
			}
		}
		checkVector(t, v)
	}
	if used != 31 {
		t.Errorf("the tables of exceptions apply to %d cases, want 31", used)
	}
}

// TestPythonVectors runs expressions that CPython matched.
func TestPythonVectors(t *testing.T) {
	for _, v := range readVectors(t, "python.json") {
		checkVector(t, v)
	}
}

func checkVector(t *testing.T, v vector) {
	t.Helper()
	list, diags := Parse("f", []byte(v.RuleLine), Options{})
	if v.Error {
		if len(list) != 0 {
			t.Errorf("%q: loaded, want it refused", v.RuleLine)
		}
		return
	}
	if len(list) != 1 {
		t.Errorf("%q: refused: %v", v.RuleLine, diags)
		return
	}
	r := list[0]
	if v.Metric == nil {
		if v.Frequency != 0 && (r.Period != v.Frequency || r.Methods[0].String() != v.Method) {
			t.Errorf("%q: period %d method %v, want %d %s", v.RuleLine, r.Period, r.Methods, v.Frequency, v.Method)
		}
		return
	}
	if v.Raises != "" {
		t.Errorf("%q: carbon throws %s on %q; expected the rule to be refused", v.RuleLine, v.Raises, *v.Metric)
		return
	}
	var m Matcher
	matches := NewSet(list).Match(&m, []byte(*v.Metric))
	switch {
	case v.Output == nil && len(matches) > 0:
		t.Errorf("%q on %q: got %q, want no match", v.RuleLine, *v.Metric, matches[0].Output)
	case v.Output != nil && len(matches) == 0:
		t.Errorf("%q on %q: no match, want %q", v.RuleLine, *v.Metric, *v.Output)
	case v.Output != nil && string(matches[0].Output) != *v.Output:
		t.Errorf("%q on %q: got %q, want %q", v.RuleLine, *v.Metric, matches[0].Output, *v.Output)
	}
}
