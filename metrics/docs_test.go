package metrics

import (
	"os"
	"strings"
	"testing"
)

// The manual names every metric.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for i := range families {
		if name := "`coalesce_" + families[i].name + "`"; !strings.Contains(string(doc), name) {
			t.Errorf("docs/metrics.md lacks %s", name)
		}
	}
}
