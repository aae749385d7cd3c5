package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Of a datapoint without a time the whole second of its arrival is sent, as some who
// read the line take no fraction; a fraction that a client sends is kept.
func TestTimeOfArrival(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	d := start(t, settings{rules: noRules(t), upstream: out.address})
	collect(t, d, []string{`{"metric":"collected","value":1,"timestamp":-1}`, `{"metric":"collected","value":1}`})
	if status, body := post(t, d, "/v1/query", `{"type":"record_metric","msg_id":1,"metric":"recorded","value":1}`); status != 200 || !strings.Contains(body, "record_ok") {
		t.Fatalf("record_metric: %d %s", status, body)
	}
	d.send("arrived 1 -1\nsent 1 1500000000.25\n")
	out.waitLine("sent 1 1500000000.25")
	out.wait("all", func(r *received) bool { return len(r.lines) >= 5 })
	got := out.got().lines
	for name, n := range map[string]int{"arrived": 1, "collected": 2, "recorded": 1} {
		whole := regexp.MustCompile("^" + name + ` 1 \d{10}$`)
		if found := slices.DeleteFunc(slices.Clone(got), func(line string) bool { return !whole.MatchString(line) }); len(found) != n {
			t.Errorf("%q, want %d like %s", got, n, whole)
		}
	}
	d.stop()
}
