package metricstest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const scrape = `# HELP coalesce_received_items_total Items.
go_goroutines 7
coalesce_received_items_total{listener="tcp",protocol="plaintext"} 5
coalesce_accepted_items_total{listener="tcp",protocol="plaintext"} 4
coalesce_refused_items_total{listener="tcp",protocol="plaintext",reason="bad \"fields\""} 1
coalesce_refused_items_total{listener="udp",protocol="plaintext",reason="bad_value"} 1e+06
coalesce_datapoints_accepted_total 4
coalesce_datapoints_matched_total 4
`

func TestParse(t *testing.T) {
	s, err := Parse(scrape)
	if err != nil || len(s) != 6 {
		t.Fatalf("%d samples, %v", len(s), err)
	}
	if got := s.Sum("refused_items_total"); got != 1_000_001 {
		t.Errorf("the sum is %v", got)
	}
	if got := s.Sum("refused_items_total", "listener", "tcp", "protocol", "plaintext"); got != 1 {
		t.Errorf("the sum of one listener is %v", got)
	}
	if diff := cmp.Diff([]string{"tcp", "udp"}, s.Values("refused_items_total", "listener")); diff != "" {
		t.Error(diff)
	}
	if wrong := s.Unbalanced(); wrong != nil {
		t.Errorf("unbalanced: %q", wrong)
	}
	if _, err := Parse("coalesce_a 1\ncoalesce_b x\n"); err == nil {
		t.Error("what is no number is taken")
	}
}

func TestUnbalanced(t *testing.T) {
	s, err := Parse(strings.Replace(scrape, "matched_total 4", "matched_total 3", 1))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"datapoints: 4 is not the sum of [3 0 0]"}, s.Unbalanced()); diff != "" {
		t.Error(diff)
	}
}
