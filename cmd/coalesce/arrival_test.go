package main

import (
	"regexp"
	"slices"
	"testing"
)

// Of a datapoint without a time the whole second of its arrival is sent, as some who
// read the line take no fraction; a fraction that a client sends is kept.
func TestTimeOfArrival(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	d := start(t, settings{rules: noRules(t), upstream: out.address})
	d.send("arrived 1 -1\nsent 1 1500000000.25\n")
	out.waitLine("sent 1 1500000000.25")
	whole := regexp.MustCompile(`^arrived 1 \d{10}$`)
	if got := out.got().lines; !slices.ContainsFunc(got, whole.MatchString) {
		t.Errorf("%q, want one like %s", got, whole)
	}
	d.stop()
}
