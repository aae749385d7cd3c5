package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A bucket that nobody holds any more is completed from the archive by what comes
// late, whole with each emission: while its cell is in the journal, from the store,
// after an orderly restart, and after one with the late datapoint on its way.
func TestLateDataThroughTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: write(t, dir, "rules.conf", `
			k.<x> (1) = sum k.<x>.* grace=0s keep=0
			all.<method> (1) = max,count,p50 k.*.* grace=0s keep=0
			slow.<x> (1) = sum k.<x>.* grace=1s keep=0
		`),
		data: filepath.Join(dir, "data"), upstream: out.address, config: quickStore,
	}
	d := start(t, s)
	at := soon()
	want := map[string][]string{
		"k.a": {"42"}, "k.b": {"100"}, "all.max": {"100"}, "all.count": {"3"}, "all.p50": {"40"}, "slow.a": {"42"}, "slow.b": {"100"},
	}
	add := func(values map[string]string) {
		for name, v := range values {
			want[name] = append(want[name], v)
		}
		rowsAre(out, at, want)
	}
	feed(d, out, at, "k.a.x 40", "k.a.y 2", "k.b.x 100")
	add(nil)
	d.forgotten()
	feed(d, out, at, "k.a.x 1")
	add(map[string]string{"k.a": "43", "all.max": "100", "all.count": "4", "all.p50": "21", "slow.a": "43"})
	d.forgotten()
	d.written()
	feed(d, out, at, "k.b.x 0.5")
	add(map[string]string{"k.b": "100.5", "all.max": "100", "all.count": "5", "all.p50": "2", "slow.b": "100.5"})
	d.stop()

	d = start(t, s)
	feed(d, out, at, "k.a.x 1", "k.c.x -3")
	add(map[string]string{"k.a": "44", "k.c": "-3", "all.max": "100", "all.count": "7", "all.p50": "1", "slow.a": "44", "slow.c": "-3"})
	d.forgotten()
	slow := want["slow.a"]
	delete(want, "slow.a") // which waits for its grace meanwhile, if there is time
	feed(d, out, at, "k.a.x 1000")
	add(map[string]string{"k.a": "1044", "all.max": "1000", "all.count": "8", "all.p50": "1.5"})
	d.stop()

	d = start(t, s)
	want["slow.a"] = slow
	add(map[string]string{"slow.a": "1044"})
	d.loaded()
	for target, v := range map[string]float64{
		"aggregates.k.a": 1044, "aggregates.k.a:obvs": 5, "aggregates.k.b:min": 0.5, "aggregates.slow.a": 1044,
		"aggregates.all.max": 1000, "aggregates.all.p50": 1.5, "aggregates.all.count:sum": 1141.5,
	} {
		if got := point(t, d, target, at); got != v {
			t.Errorf("%s is %v, want %v", target, got, v)
		}
	}
	balanced(t, d)
	d.stop()
	rowsAre(out, at, want)
}

// Until what comes late has been put together with what was emitted, queries show
// both, and not what is late as all that there is.
func TestQueriesWhileLateDataWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	d := start(t, settings{
		rules: write(t, dir, "rules.conf", "w.<x> (1) = sum w.<x>.* grace=2s keep=0\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address, config: quickStore,
	})
	at := soon()
	feed(d, out, at, "w.a.x 40", "w.a.y 2")
	rowsAre(out, at, map[string][]string{"w.a": {"42"}})
	d.forgotten()
	feed(d, out, at, "w.a.x 1")
	out.wait("43", func(r *received) bool {
		if v := point(t, d, "aggregates.w.a:sum", at); v != 43 {
			t.Fatalf("the query says %v, want 43", v)
		}
		return r.last(fmt.Sprintf("aggregates.w.a %d", at)) == "43"
	})
	d.stop()
}

// A bucket that is held counts in a window, also in one that has been made of others
// already.
func TestHeldBucketsInWindows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	d := start(t, settings{
		rules: write(t, dir, "rules.conf", "w.<x> (1) = sum w.<x>.* grace=2s keep=0\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address, config: quickStore,
	})
	at := time.Now().Unix()/60*60 - 600
	feed(d, out, at, "w.a.x 40")
	out.waitLine(fmt.Sprintf("aggregates.w.a 40 %d", at))
	d.forgotten()
	d.written()
	feed(d, out, at+10, "w.a.x 2")
	out.wait("the second bucket", func(r *received) bool {
		if rows := window(t, d, "1h", "aggregates.w.a", at, at+60); len(rows) != 1 || rows[0].Sum != 42 {
			t.Fatalf("window 1h: %+v, want a row with the sum 42", rows)
		}
		return r.last(fmt.Sprintf("aggregates.w.a %d", at+10)) == "2"
	})
	d.stop()
}

// In a new data directory what came before the start is completed as well. What is
// too old for everything that is kept is emitted once and never again, and counted.
func TestTooLate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: write(t, dir, "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=0\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address, config: quickStore,
	}
	d := start(t, s)
	old := history()
	feed(d, out, old, "k.a.x 1")
	rowsAre(out, old, map[string][]string{"k.a": {"1"}})
	d.forgotten()
	feed(d, out, old, "k.a.x 1", "k.b.x 5")
	rowsAre(out, old, map[string][]string{"k.a": {"1", "2"}, "k.b": {"5"}})
	ancient := old - 365*86400
	feed(d, out, ancient, "k.a.x 7")
	rowsAre(out, ancient, map[string][]string{"k.a": {"7"}})
	d.forgotten()
	feed(d, out, ancient, "k.a.x 1", "k.c.x 1")
	rowsAre(out, ancient, map[string][]string{"k.c": {"1"}})
	feed(d, out, time.Now().Unix()+3600, "k.a.x 1")
	d.written()
	b := balanced(t, d)
	for _, reason := range []string{"too_old", "too_new"} {
		if got := b.sum("contributions_dropped_total", "reason", reason); got != 1 {
			t.Errorf("%v contributions are %s, want 1", got, reason)
		}
	}
	if got := b.sum("cells_dropped_total", "reason", "too_old"); got != 2 || b.sum("cells_dropped_total") != 2 {
		t.Errorf("%v cells are too old, want 2", got)
	}
	rowsAre(out, ancient, map[string][]string{"k.a": {"7"}})
	d.stop()
}

// What was emitted while there was no store, or one without a memory, is not completed
// by one that comes later, or comes again.
func TestStoreComesAndGoes(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"off", "memory"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			out := newSink(t)
			without := settings{
				rules: write(t, dir, "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=0\n"),
				data:  filepath.Join(dir, "data"), upstream: out.address, config: fmt.Sprintf("store = %q\n", at),
			}
			with := without
			with.config = quickStore
			for name, end := range map[string]func(*process){"a": (*process).stop, "b": (*process).kill} {
				d := start(t, without)
				early := soon()
				feed(d, out, early, "k."+name+".x 1")
				rowsAre(out, early, map[string][]string{"k." + name: {"1"}})
				end(d)
				d = start(t, with)
				feed(d, out, early, "k."+name+".x 1")
				await(t, "the late datapoint to be refused", nil, func() bool {
					return scrape(t, d).sum("contributions_dropped_total", "reason", "too_old") == 1
				})
				later := soon()
				feed(d, out, later, "k."+name+".x 1")
				rowsAre(out, later, map[string][]string{"k." + name: {"1"}})
				d.forgotten()
				feed(d, out, later, "k."+name+".x 1")
				rowsAre(out, later, map[string][]string{"k." + name: {"1", "2"}})
				rowsAre(out, early, map[string][]string{"k." + name: {"1"}})
				d.stop()
			}
		})
	}
}

// A late datapoint changes the windows that have been made already, also those of
// which the finer cells are there no more.
func TestLateDataInWindows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	d := start(t, settings{
		rules: write(t, dir, "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=0\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address,
		config: "[store]\ncycle = \"100ms\"\nretention = \"1h\"\n",
	})
	// Nothing of the bucket is emitted after the first time, as its cell is not kept.
	old := time.Now().Unix()/900*900 - 2*3600
	for i := range int64(3) {
		feed(d, out, old+i*20, "k.a.x 10")
		rowsAre(out, old+i*20, map[string][]string{"k.a": {"10"}})
	}
	want := func(sums ...float64) {
		t.Helper()
		for n, name := range []string{"1h", "24h"} {
			var rows []windowRow
			await(t, fmt.Sprintf("window %s to have the sum %v", name, sums[n]), nil, func() bool {
				rows = window(t, d, name, "aggregates.k.a", old, old+900)
				return len(rows) == 1 && rows[0].Sum == sums[n]
			})
		}
	}
	want(30, 30)
	feed(d, out, old+5, "k.a.x 4")
	rowsAre(out, old+5, map[string][]string{"k.a": {"4"}})
	want(34, 34)
	d.written()
	want(34, 34)
	if rows := window(t, d, "5m", "aggregates.k.a", old, old+900); len(rows) != 0 {
		t.Errorf("the finest window has %v of a time that it does not reach back to", rows)
	}
	balanced(t, d)
	d.stop()
}

// What comes in beside rules: series that are kept as received, and those that are
// collected. Both are read as averages, are sent upstream once, as they came, and
// feed rules.
func TestKeptSeries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: write(t, dir, "rules.conf", "sums.<x> (1) = sum app.<x>.* grace=0s\nof.collected (1) = sum size;host=* grace=0s\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address,
		config: windowSettings + `
			[[keep]]
			pattern = "app.*.requests"
			period = "1s"
			percentiles = true
			[[keep]]
			pattern = "app.a.*"
			period = "1s"
			[[window]]
			name = "5m"
			span = "5m"
			step = "2s"
			retention = "1h"
		`,
	}
	d := start(t, s)
	at := (soon() + 1) / 2 * 2
	feed(d, out, at, "app.a.requests 10", "app.a.requests 30", "app.b.requests 5", "app.a.errors 2", "app.b.errors 1", "other.requests 1")
	collect(t, d, []string{
		fmt.Sprintf(`{"metric":"size","value":1.5,"tags":{"host":"h 1;2","dc":"x"},"timestamp":%d}`, at),
		fmt.Sprintf(`{"metric":"size","value":4,"tags":{"dc":"x","host":"h 1;2"},"timestamp":%d.25}`, at),
		fmt.Sprintf(`{"metric":"app.c.requests","value":7,"timestamp":%q}`, time.Unix(at, 0).Format(time.RFC3339)),
	})
	rowsAre(out, at, map[string][]string{"sums.a": {"42"}, "sums.b": {"6"}, "sums.c": {"7"}, "of.collected": {"5.5"}})
	check := func() {
		t.Helper()
		for target, want := range map[string]float64{
			"app.a.requests": 20, "app.a.requests:sum": 40, "app.a.requests:obvs": 2, "app.a.requests:max": 30, "app.a.requests:last": 30,
			"app.a.requests:50pct": 20, "app.a.requests:sumrate": 40, "app.a.requests:sum60": 2400, "app.a.requests:stddev": 10,
			"app.b.requests": 5, "app.a.errors": 2, "app.c.requests": 7, "aggregates.sums.a:avg": 14, "aggregates.sums.a": 42,
			"size;dc=x;host=h_1_2": 2.75, "size;dc=x;host=h_1_2:max": 4, "size;dc=x;host=h_1_2:50pct": 2.75,
		} {
			if got := point(t, d, target, at); got != want {
				t.Errorf("%s is %v, want %v", target, got, want)
			}
		}
		names := found(t, d, "*.*.*")
		for _, name := range []string{"app.a.requests", "app.b.requests", "app.a.errors", "app.c.requests", "aggregates.sums.a"} {
			if !names[name] {
				t.Errorf("%s is not found", name)
			}
		}
		if names["app.b.errors"] || found(t, d, "*.requests")["other.requests"] {
			t.Errorf("names that are not kept are found")
		}
	}
	check()
	d.forgotten()
	d.written()
	check()
	d.stop()
	d = start(t, s)
	d.loaded()
	check()
	balance := balanced(t, d)
	if n := balance.sum("outputs"); n > 10 {
		t.Errorf("%v outputs", n)
	}
	d.stop()

	got := out.got()
	forwarded := map[string]int{
		"app.a.requests 10": 1, "app.a.requests 30": 1, "app.b.requests 5": 1, "app.a.errors 2": 1, "app.b.errors 1": 1, "other.requests 1": 1,
		"size;dc=x;host=h_1_2 1.5": 1, "size;dc=x;host=h_1_2 4": 1, "app.c.requests 7": 1,
	}
	came := make(map[string]int)
	for line, n := range got.count {
		name, _, _ := strings.Cut(line, ".")
		if name != "aggregates" {
			came[line[:strings.LastIndexByte(line, ' ')]] += n
		} else if !strings.HasPrefix(line, "aggregates.sums.") && !strings.HasPrefix(line, "aggregates.of.collected ") {
			t.Errorf("%q came: a series that is kept is no aggregate", line)
		}
	}
	if !maps.Equal(came, forwarded) {
		t.Errorf("forwarded: %v, want %v", came, forwarded)
	}
}

// A name is found as soon as its first datapoint is in, and as long as something is
// kept of it; the rows of an output with several methods each by its own name.
func TestNamesAndRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: write(t, dir, "rules.conf", "by.<x>.<method> (1) = sum,max,p99.9 r.<x>.* grace=0s keep=0\ntotal;dc=<dc> (1) = sum tagged;dc=<dc> grace=0s keep=0\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address, config: quickStore,
	}
	d := start(t, s)
	check := func(x string, at int64) {
		t.Helper()
		want := map[string]bool{}
		for _, m := range []string{"sum", "max", "p999"} {
			want["aggregates.by."+x+"."+m] = true
		}
		if got := found(t, d, "aggregates.by."+x+".*"); !maps.Equal(got, want) {
			t.Errorf("found %v, want %v", got, want)
		}
		got := render(t, d, at, at+1, "aggregates.by."+x+".{sum,max,p999}", "aggregates.by."+x+".max:sum", "aggregates.by."+x+".max:nonsense")
		p99 := modelValue("p99.9", []float64{1, 2, 4})
		for name, v := range map[string]float64{"sum": 7, "max": 4, "p999": p99, "max:sum": 7} {
			if points := got["aggregates.by."+x+"."+name]; len(points) != 1 || points[at] != v {
				t.Errorf("%s of %s: %v, want %v", name, x, points, v)
			}
		}
		if len(got) != 4 {
			t.Errorf("%v: an unknown view matches nothing", got)
		}
		if got := answer[[]string](t, d, "/tags/findSeries?expr=name=aggregates.total"); len(got) != 1 || got[0] != "aggregates.total;dc="+x {
			t.Errorf("found by tags: %q", got)
		}
	}
	at := soon()
	feed(d, out, at, "r.a.x 1", "r.a.y 2", "r.a.z 4", "tagged;dc=a 1")
	check("a", at)
	rowsAre(out, at, map[string][]string{"by.a.sum": {"7"}, "by.a.max": {"4"}, "total;dc=a": {"1"}})
	d.forgotten()
	d.written()
	check("a", at)
	d.stop()
	d = start(t, s)
	d.loaded()
	check("a", at)
	feed(d, out, at, "r.a.x 8")
	rowsAre(out, at, map[string][]string{"by.a.sum": {"7", "15"}, "by.a.max": {"4", "8"}})
	d.kill()
	d = start(t, s)
	d.loaded()
	if v := point(t, d, "aggregates.by.a.max:obvs", at); v != 4 {
		t.Errorf("%v datapoints after a crash, want 4", v)
	}
	d.stop()
}
