package workload

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

func TestSelect(t *testing.T) {
	tests := map[string]string{
		"W5,W1":                   "[[W1] [W5]]",
		"W1+names":                "[[W1 W1+names]]",
		"W5+spool,W1+pickle,W5":   "[[W1 W1+pickle] [W5 W5+spool]]",
		"W4+names,W3":             "[[W3] [W4 W4+names]]",
		"W5+spool,W5+hash,W5,W5":  "[[W5 W5+hash W5+spool]]",
		Default():                 "[[W1 W1+names W1+pickle W1+store W1+keep W1+api] [W2] [W3] [W4 W4+api] [W5 W5+hash W5+spool] [W6]]",
		"W5+names,W5+pickle":      "[[W5 W5+names W5+pickle]]",
		"W1+keep,W1+store":        "[[W1 W1+store W1+keep]]",
		"W6,W5,W4,W3,W2,W1":       "[[W1] [W2] [W3] [W4] [W5] [W6]]",
		"W6+names,W6+pickle,W2":   "[[W2] [W6 W6+names W6+pickle]]",
		"W2+pickle,W2+names":      "[[W2 W2+names W2+pickle]]",
		"W3+pickle,W1+pickle":     "[[W1 W1+pickle] [W3 W3+pickle]]",
		"W1,W1+names,W5,W5+spool": "[[W1 W1+names] [W5 W5+spool]]",
	}
	for names, want := range tests {
		groups, err := Select(names)
		var got [][]string
		for _, g := range groups {
			got = append(got, nil)
			for _, w := range g {
				got[len(got)-1] = append(got[len(got)-1], w.Name)
				if base := g[0].Name; w.Name != base && w.Base != base || w.Name == base && w.Base != "" {
					t.Errorf("%s is a variant of %q, want of %s", w.Name, w.Base, base)
				}
			}
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("Select(%s) = %v, %v, want %s", names, got, err, want)
		}
	}
	for _, names := range []string{"W1,W9", "W1+nothing", "", "W1+hash", "W1+spool", "names", "W1+names+pickle"} {
		last := names[strings.LastIndexByte(names, ',')+1:]
		if _, err := Select(names); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", last)) {
			t.Errorf("Select(%s): %v", names, err)
		}
	}
}

// A variant must change something, and leave the datapoints and their rules alone.
func TestVariants(t *testing.T) {
	for _, v := range Variants() {
		base := All()[4]
		if !base.Forward {
			t.Fatal("no workload that forwards")
		}
		w := v.of(base)
		if w.Metrics() != base.Metrics() || w.Lines() != base.Lines() || w.Rules != base.Rules || w.Value(7) != base.Value(7) {
			t.Errorf("%s has other datapoints or rules", w.Name)
		}
		if !w.Pickle && w.Sinks() == 1 && !w.Spool && !w.Store && w.APIRules == 0 && len(w.Settings) == 0 {
			t.Errorf("%s changes nothing", w.Name)
		}
		if !v.Forward && w.Forward != base.Forward {
			t.Errorf("%s forwards", w.Name)
		}
	}
}

// Each rule made over HTTP looks like those that match, and matches nothing that is sent.
func TestAPIRulesMatchNothing(t *testing.T) {
	w := All()[0]
	metric := string(w.AppendMetric(nil, w.Metrics()-1))
	var list []*rules.Rule
	for i := range 300 {
		pattern, output := APIRule(i)
		r, err := rules.Compile(rules.Rule{Pattern: pattern, Output: output, Period: 30, Methods: []cell.Method{cell.Avg}}, rules.Options{Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	set := rules.NewSet(list)
	if got := set.Match(new(rules.Matcher), []byte(metric)); len(got) > 0 {
		t.Errorf("%s matches %s", metric, got[0].Rule.Pattern)
	}
	if got := set.Match(new(rules.Matcher), []byte("prod.applications.app001.server001.latency017.count")); len(got) != 1 || string(got[0].Output) != "aggregates.prod.api.app001.all.latency017.count" {
		t.Errorf("matches %v, want one", got)
	}
}

// Of the twenty patterns only one is found in a metric, and no rewrite rule is.
func TestNamesChangeNothing(t *testing.T) {
	groups, err := Select("W1+names")
	if err != nil {
		t.Fatal(err)
	}
	w := groups[0][1]
	names := [][]byte{w.AppendMetric(nil, 0), w.AppendMetric(nil, w.Metrics()-1)}
	for file, want := range map[string]struct{ patterns, found int }{
		"rewrite-rules.conf": {10, 0},
		"allow.conf":         {10, 1},
		"deny.conf":          {10, 0},
	} {
		patterns, found := 0, 0
		for line := range strings.Lines(w.Files[file]) {
			pattern, _, _ := strings.Cut(strings.TrimSpace(line), " = ")
			if pattern == "[pre]" {
				continue
			}
			patterns++
			re := regexp.MustCompile(pattern)
			if re.Match(names[0]) != re.Match(names[1]) {
				t.Errorf("%s: %s is found in one of %q", file, pattern, names)
			}
			if re.Match(names[0]) {
				found++
			}
		}
		if patterns != want.patterns || found != want.found {
			t.Errorf("%s: %d patterns, %d are found; want %+v", file, patterns, found, want)
		}
		used := false
		for _, setting := range w.Settings {
			used = used || setting == fmt.Sprintf("%q", file)
		}
		if !used {
			t.Errorf("%s is in no setting", file)
		}
	}
}
