package ingest

import (
	"testing"

	"github.com/coalesce-metrics/coalesce/carbonpb"
	"github.com/coalesce-metrics/coalesce/pickle"
	"github.com/coalesce-metrics/coalesce/plaintext"
)

// A reason is called here what its decoder calls it, and plaintext's have the
// same numbers.
func TestReasonsKeepTheirNames(t *testing.T) {
	for r := range plaintext.NumReasons {
		if got := lineReasons[r]; got.String() != r.String() || uint8(got) != uint8(r) {
			t.Errorf("plaintext's %v is %v", r, got)
		}
	}
	for r := range pickle.NumReasons {
		if got := pickleReasons[r]; got.String() != r.String() {
			t.Errorf("pickle's %v is %v", r, got)
		}
	}
	for r := range carbonpb.NumReasons {
		if got := protobufReasons[r]; got.String() != r.String() {
			t.Errorf("protobuf's %v is %v", r, got)
		}
	}
}

// Every reason but Blank is one of some listener's, under a name of its own.
func TestReasons(t *testing.T) {
	seen, names := map[Reason]bool{Blank: true}, map[string]bool{}
	for _, s := range []Stats{{Protocol: Plaintext, Compression: Gzip}, {Protocol: Pickle}, {Protocol: Protobuf, Compression: Uncompressed}} {
		for _, r := range s.Reasons() {
			seen[r] = true
		}
	}
	for r := range NumReasons {
		if !seen[r] || names[r.String()] {
			t.Errorf("%v is no listener's, or there twice", r)
		}
		names[r.String()] = true
	}
	if got := NumReasons.String(); got != "reason(14)" {
		t.Errorf("got %q", got)
	}
}
