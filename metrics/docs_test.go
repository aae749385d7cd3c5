package metrics

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The manual has every metric, as it is and as its help says, and no other.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	type entry struct{ kind, series, help string }
	found := make(map[string]entry)
	row := regexp.MustCompile("(?m)^\\| `coalesce_([a-z_]+)` \\| (\\w+) \\| (.*?) \\| (.*) \\|$")
	for _, m := range row.FindAllStringSubmatch(string(doc), -1) {
		if _, twice := found[m[1]]; twice {
			t.Errorf("%s is there twice", m[1])
		}
		found[m[1]] = entry{m[2], strings.TrimSpace(m[3]), strings.ReplaceAll(m[4], "`", "")}
	}
	for i := range families {
		f := &families[i]
		is, ok := found[f.name]
		delete(found, f.name)
		kind := map[bool]string{true: "counter", false: "gauge"}[f.kind == counter]
		switch {
		case !ok:
			t.Errorf("docs/metrics.md lacks coalesce_%s", f.name)
		case is.kind != kind || is.help != f.help || (is.series != "") != (f.series != nil):
			t.Errorf("docs/metrics.md has coalesce_%s as %+v; it is a %s, has series: %v, and is:\n%s", f.name, is, kind, f.series != nil, f.help)
		}
		if f.series != nil && len(f.labels) == 0 && is.series != "`"+f.series(nil)+"`" {
			t.Errorf("docs/metrics.md has the series of coalesce_%s as %s; it is %s", f.name, is.series, f.series(nil))
		}
	}
	for name := range found {
		t.Errorf("docs/metrics.md has coalesce_%s, which there is not", name)
	}
}
