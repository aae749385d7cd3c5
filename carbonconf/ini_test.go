package carbonconf

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The vectors were made by Python 3.11's configparser: the items of
// [aggregator] and over them those of [aggregator:b], or null where it raises.
func TestConfigParserVectors(t *testing.T) {
	var vectors []struct {
		Text     string
		Settings map[string]string
	}
	read(t, "configparser.json", &vectors)
	if len(vectors) < 200 {
		t.Fatalf("only %d vectors", len(vectors))
	}
	for _, v := range vectors {
		f := parse("carbon.conf", []byte(v.Text))
		settings := f.settings("aggregator", "b")
		if err := f.problems.Err(); err != nil || v.Settings == nil {
			if (err != nil) != (v.Settings == nil) {
				t.Errorf("%q: %v, want settings %v", v.Text, err, v.Settings)
			}
			continue
		}
		got := map[string]string{}
		for key, s := range settings {
			got[key] = s.value
			if line := strings.Count(v.Text, "\n") + strings.Count(v.Text, "\r"); s.key != key || s.line < 1 || s.line > line+1 {
				t.Errorf("%q: setting %+v under %s", v.Text, s, key)
			}
		}
		if diff := cmp.Diff(v.Settings, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", v.Text, diff)
		}
	}
}

// The vectors were made by Python 3.11's int and float; NaN, which no setting
// takes, was left out.
func TestNumberVectors(t *testing.T) {
	var vectors [][2]any
	read(t, "numbers.json", &vectors)
	for _, v := range vectors {
		want, is := v[1].(float64)
		if text, inf := v[1].(string); inf {
			want, is = math.Inf(1), true
			if text == "-inf" {
				want = math.Inf(-1)
			}
		}
		if got, ok := parseNumber(v[0].(string)); ok != is || got != want {
			t.Errorf("%q = %v, %v; want %v, %v", v[0], got, ok, want, is)
		}
	}
}

func read(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(into); err != nil {
		t.Fatal(err)
	}
}

func TestProblemsOfText(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, test := range []struct {
		name, text string
		want       []string // without the leading "carbon.conf"
	}{
		{"no section", "A = 1\nB = 2\n[aggregator]\n", []string{
			`:1:1: error: "A = 1" before the first section; accepted: a heading such as [aggregator]`}},
		{"no setting", "[cache]\nnonsense\n= 5\n", []string{
			`:2:1: error: "nonsense" is neither a section nor KEY = VALUE, and carbon does not start with it`,
			`:3:1: error: "= 5" is neither a section nor KEY = VALUE, and carbon does not start with it`}},
		{"key twice", "[aggregator]\nFOO = 1\n\nfoo = 2\n", []string{
			`:4:1: error: FOO is given a second time in [aggregator], after line 2, for which carbon does not start; accepted: each key once`}},
		{"section twice", "[aggregator]\nFOO = 1\n[aggregator]\nFOO = 1\n", []string{
			`:3:1: error: a second section [aggregator], for which carbon does not start; accepted: each section once`}},
		{"no such reference", "[aggregator]\nA = %(ROOT)s/x\n", []string{
			`:2:1: error: A = "%(ROOT)s/x": refers to ROOT, which is neither in [aggregator] nor in [DEFAULT]`}},
		{"lone percent", "[aggregator]\nA = 5%\n", []string{
			`:2:1: error: A = "5%": has a % that begins no reference; accepted: %(KEY)s for another value, %% for a %`}},
		{"reference to itself", "[aggregator]\nA = %(A)s\n", []string{
			`:2:1: error: A = "%(A)s": refers to values that refer to others more than 10 deep`}},
		{"no truth", "[aggregator]\nFORWARD_ALL = True # always\n", []string{
			`:2:1: error: FORWARD_ALL = "True # always": not a truth value; accepted: True, yes, on, 1, False, no, off or 0`}},
		{"long and strange", "[aggregator]\n\x01" + long + "\n", []string{
			`:2:1: error: "?` + long[:99] + `…" is neither a section nor KEY = VALUE, and carbon does not start with it`}},
		{"not UTF-8", "[aggregator]\nA = \xff\n", []string{`:2:1: error: not UTF-8, so that carbon cannot read it either`}},
		{"too long", strings.Repeat("#", FileMax+1), []string{`: error: the file has 1048577 bytes; accepted: at most 1048576`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			toml, problems := Convert("carbon.conf", []byte(test.text), Options{Dir: "/etc/carbon"})
			var got []string
			for _, p := range problems {
				got = append(got, strings.TrimPrefix(p.String(), "carbon.conf"))
			}
			if diff := cmp.Diff(test.want, got); diff != "" || toml != nil {
				t.Errorf("settings %q (-want +got):\n%s", toml, diff)
			}
		})
	}
}

// References that multiply cost no more than their bounds.
func TestReferencesAreBounded(t *testing.T) {
	for name, leaf := range map[string]string{"size": strings.Repeat("x", 1000), "count": ""} {
		text := "[aggregator]\nA0 = " + leaf + "\n"
		for i := 1; i < 9; i++ {
			ref := "%(A" + string(rune('0'+i-1)) + ")s"
			text += "A" + string(rune('0'+i)) + " = " + strings.Repeat(ref, 20) + "\n"
		}
		f := parse("carbon.conf", []byte(text))
		f.settings("aggregator", "a")
		if f.problems.Err() == nil {
			t.Errorf("%s: no error", name)
		}
		for _, p := range f.problems {
			if !strings.Contains(p.Message, "grows beyond 65536 bytes") && !strings.Contains(p.Message, "more than 1000 references") {
				t.Errorf("%s: %s", name, p)
			}
		}
	}
}
