package main

import (
	"fmt"
	"path/filepath"
	"testing"
)

// Until what comes late has been put together with what was emitted, queries do not
// show it as all that there is.
func TestQueriesWhileLateDataWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	d := start(t, settings{
		rules: write(t, dir, "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=0\nw.<x> (1) = sum w.<x>.* grace=4s keep=0\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address, config: quickStore,
	})
	at := soon()
	feed(d, out, at, "k.a.x 40", "k.a.y 2", "w.a.x 40", "w.a.y 2")
	rowsAre(out, at, map[string][]string{"k.a": {"42"}, "w.a": {"42"}})
	d.forgotten()
	d.written()
	feed(d, out, at, "w.a.x 1")
	for n := 0; ; n++ {
		if v := point(t, d, "aggregates.w.a:sum", at); v != 42 && v != 43 {
			t.Fatalf("the query says %v, want 42, or 43", v)
		}
		if got := out.got(); got.last(fmt.Sprintf("aggregates.w.a %d", at)) == "43" {
			t.Log(n)
			break
		}
	}
	d.stop()
}
