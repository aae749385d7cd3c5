package rules

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestShippedRules loads the shipped rule file as it is and with every example switched on.
func TestShippedRules(t *testing.T) {
	src, err := os.ReadFile("../aggregation-rules.conf")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Prefix: "aggregates."}
	list, diags := Parse("aggregation-rules.conf", src, o)
	if diags = append(diags, Check(list)...); len(diags) > 0 {
		t.Error(diags)
	}
	var m Matcher
	got := outputs(NewSet(list).Match(&m, []byte("prod.applications.apache.www01.requests")))
	if want := []string{"aggregates.prod.apache.all.requests"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	var on strings.Builder
	for line := range strings.Lines(string(src)) {
		if strings.HasPrefix(line, "#   ") && strings.Contains(line, ") = ") && !strings.Contains(line, "OUTPUT") {
			line = line[1:]
		}
		on.WriteString(line)
	}
	list, diags = Parse("aggregation-rules.conf", []byte(on.String()), o)
	if diags = append(diags, Check(list)...); len(diags) > 0 || len(list) != 6 {
		t.Errorf("%d rules, want 6: %v", len(list), diags)
	}
}
