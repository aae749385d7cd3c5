package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// restartRules close a bucket long enough after its first datapoint for a test
// to restart the daemon in between, unless it is held up.
var restartRules = ruleFileOf(
	modelRule{text: "sums.<h> (2) = sum r.<h>.* grace=5s keep=1000"},
	modelRule{text: "all.<method> (60) = max,count,p50 r.*.* grace=5s"},
)

// restartGrace is what the rules have.
const restartGrace = 5 * time.Second

// history returns a time so long ago, and on a minute's boundary, that its
// bucket is over; one that was never emitted is welcome nevertheless.
func history() int64 { return time.Now().Unix()/60*60 - 600 }

// feed sends datapoints of a time and waits until they are in, which their raw
// lines at the sink prove.
func feed(d *process, out *sink, at int64, datapoints ...string) {
	d.t.Helper()
	var text strings.Builder
	before := out.got()
	want := make(map[string]int)
	for _, p := range datapoints {
		line := fmt.Sprintf("%s %d", p, at)
		want[line]++
		text.WriteString(line + "\n")
	}
	for line := range want {
		want[line] += before.count[line]
	}
	d.send(text.String())
	out.wait("what was sent", func(r *received) bool { return contains(r.count, want) })
}

// rowsAre waits until rows have these values in the end, and fails when they
// ever had others.
func rowsAre(out *sink, at int64, want map[string][]string) {
	out.t.Helper()
	rowsEnd(out, at, want)
	got := out.got()
	for name, values := range want {
		key := fmt.Sprintf("aggregates.%s %d", name, at)
		if v := got.values[key]; !slices.Equal(v, values) {
			out.t.Errorf("%s: %q came, want %q", key, v, values)
		}
	}
}

// rowsEnd waits until rows have the last of these values, whatever came before. It is
// for buckets that may have closed in the midst of the test.
func rowsEnd(out *sink, at int64, want map[string][]string) {
	out.t.Helper()
	out.wait(fmt.Sprint(want), func(r *received) bool {
		for name, values := range want {
			if r.last(fmt.Sprintf("aggregates.%s %d", name, at)) != values[len(values)-1] {
				return false
			}
		}
		return true
	})
}

// rowsSince returns rowsAre if all was done within a grace, and else rowsEnd.
func rowsSince(begun time.Time, grace time.Duration) func(*sink, int64, map[string][]string) {
	if time.Since(begun) < grace {
		return rowsAre
	}
	return rowsEnd
}

// An orderly stop in the middle of a bucket changes no value, nor does one while
// a bucket that was emitted can still be amended.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	s := settings{rules: write(t, dir, "rules.conf", restartRules), data: data}
	out := newSink(t)
	s.upstream = out.address
	at := history()

	d := start(t, s)
	begun := time.Now()
	feed(d, out, at, "r.a.x 1", "r.a.y 2", "r.b.x 10")
	d.stop()
	if _, err := os.Stat(filepath.Join(data, "checkpoint")); err != nil {
		t.Fatal(err)
	}

	d = start(t, s)
	if l := d.waitLog("going on from the checkpoint"); l.attrs["buckets"] != 3.0 {
		t.Errorf("%s, want 3 buckets", l.text)
	}
	if _, err := os.Stat(filepath.Join(data, "checkpoint")); !os.IsNotExist(err) {
		t.Errorf("the checkpoint is still there (%v): a crash would bring its buckets back", err)
	}
	feed(d, out, at, "r.a.x 4", "r.c.x 100")
	rows := rowsSince(begun, restartGrace)
	rows(out, at, map[string][]string{
		"sums.a": {"7"}, "sums.b": {"10"}, "sums.c": {"100"}, "all.max": {"100"}, "all.count": {"5"}, "all.p50": {"4"},
	})
	d.stop()

	d = start(t, s)
	feed(d, out, at, "r.b.x 0.5")
	rows(out, at, map[string][]string{
		"sums.a": {"7"}, "sums.b": {"10", "10.5"}, "all.max": {"100", "100"}, "all.count": {"5", "6"}, "all.p50": {"4", "3"},
	})
	d.stop()
}

// Without a data directory a stop emits the open buckets.
func TestStopWithoutData(t *testing.T) {
	t.Parallel()
	out := newSink(t)
	d := start(t, settings{rules: write(t, t.TempDir(), "rules.conf", "h.<x> (3600) = sum h.<x>.*\n"), upstream: out.address, bare: true})
	at := time.Now().Unix() / 3600 * 3600
	feed(d, out, at, "h.a.x 1", "h.a.y 2")
	d.stop()
	rowsAre(out, at, map[string][]string{"h.a": {"3"}})
}

// After a crash, what comes late for a bucket that was emitted is added to it, and
// a bucket that never was is made of what comes. An orderly restart in between
// changes nothing.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: write(t, dir, "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s keep=0\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address,
		config: "[aggregation]\nkeep = 600\n", // of periods that are sent again
	}
	d := start(t, s)
	begun := soon() // behind the start, from when on buckets are known
	feed(d, out, begun, "k.a.x 40", "k.a.y 2")
	rowsAre(out, begun, map[string][]string{"k.a": {"42"}})
	d.kill()

	d = start(t, s)
	if l := d.waitLog("the last run did not stop in order: its open buckets are lost, and of buckets that began before its end only those are taken in that the store has, or never got"); l.attrs["level"] != "WARN" {
		t.Errorf("logged as %s", l.text)
	}
	out.wait("42 again", func(r *received) bool { return len(r.values[fmt.Sprintf("aggregates.k.a %d", begun)]) == 2 })
	feed(d, out, begun, "k.a.x 1", "k.b.x 1")
	rowsAre(out, begun, map[string][]string{"k.a": {"42", "42", "43"}, "k.b": {"1"}})
	d.stop()
	d = start(t, s)
	feed(d, out, begun, "k.a.x 1", "k.b.x 1")
	rowsAre(out, begun, map[string][]string{"k.a": {"42", "42", "43", "44"}, "k.b": {"1", "2"}})
	d.stop()
}

// Without a store, buckets that may have been emitted before a crash are refused.
func TestKillWithoutStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{
		rules: write(t, dir, "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address, config: "store = \"off\"\n",
	}
	d := start(t, s)
	begun := time.Now().Unix()
	feed(d, out, begun, "k.a.x 40", "k.a.y 2")
	rowsAre(out, begun, map[string][]string{"k.a": {"42"}})
	d.kill()
	d = start(t, s)
	d.waitLog("the last run did not stop in order: its open buckets are lost, and buckets that began before its end are refused as too_old")
	late := func() { // with a proof that it would have been emitted by now
		feed(d, out, begun, "k.a.x 1", "k.b.x 1")
		now := time.Now().Unix() + 2 // later than a second after the crash
		feed(d, out, now, "k.a.x 5")
		rowsAre(out, now, map[string][]string{"k.a": {"5"}})
		got := out.got()
		for _, name := range []string{"a", "b"} {
			if v := got.values[fmt.Sprintf("aggregates.k.%s %d", name, begun)]; name == "a" && !slices.Equal(v, []string{"42"}) || name == "b" && v != nil {
				t.Errorf("k.%s of a bucket from before the crash: %q came", name, v)
			}
		}
	}
	late()
	d.stop()
	d = start(t, s)
	late()
	d.stop()
}

// The last sign of life is up to a second older than the crash: a bucket that began
// in that second has lost datapoints, and may have been emitted early.
func TestKillAfterSignOfLife(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	at := history()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "data"), "alive", fmt.Sprintf("%017.3f\n", float64(at)+0.25))
	d := start(t, settings{
		rules: write(t, dir, "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address,
	})
	for second := range int64(3) {
		feed(d, out, at+second, "k.a.x 1")
	}
	rowsAre(out, at+2, map[string][]string{"k.a": {"1"}})
	d.stop()
	got := out.got()
	for second := range int64(2) {
		if v := got.values[fmt.Sprintf("aggregates.k.a %d", at+second)]; v != nil {
			t.Errorf("the bucket that began %v s after the last sign of life: %q came", float64(second)-0.25, v)
		}
	}
}

// A sign of life by a clock that was ahead is said to be one, and is forgotten with the
// next orderly stop.
func TestKillByAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "data"), "alive", fmt.Sprintf("%017.3f\n", float64(time.Now().Unix())+1e7))
	s := settings{
		rules: write(t, dir, "rules.conf", "k.<x> (1) = sum k.<x>.* grace=0s\n"),
		data:  filepath.Join(dir, "data"), upstream: out.address, config: "[store]\nat = \"off\"\n",
	}
	d := start(t, s)
	d.waitLog("the last run's clock was ahead, or this one's is behind: buckets that begin before its last sign of life count as its own; once the clock is right, restart in order")
	feed(d, out, soon(), "k.a.x 1")
	await(t, "the datapoint to be refused", nil, func() bool {
		return scrape(t, d).sum("contributions_dropped_total", "reason", "too_old") == 1
	})
	d.stop()
	d = start(t, s)
	at := soon()
	feed(d, out, at, "k.a.x 2")
	rowsAre(out, at, map[string][]string{"k.a": {"2"}})
	d.stop()
}

// A data directory has one daemon; the second neither starts nor does harm.
func TestSecondDaemon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := settings{rules: write(t, dir, "rules.conf", restartRules), data: filepath.Join(dir, "data")}
	first := start(t, s)
	got := fails(t, s)
	want := fmt.Sprintf("data directory %s is in use by another coalesce (pid %d): stop it, or give this one a directory of its own", s.data, first.cmd.Process.Pid)
	if !strings.Contains(got, want) {
		t.Errorf("the second says\n%swant %s", got, want)
	}
	first.stop()
	start(t, s).stop()
}

// A daemon that cannot have its addresses says which, and leaves the last run's
// buckets to the next attempt.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{rules: write(t, dir, "rules.conf", restartRules), data: filepath.Join(dir, "data"), upstream: out.address}
	at := history()
	d := start(t, s)
	begun := time.Now()
	feed(d, out, at, "r.a.x 1")
	d.stop()
	checkpoint := filepath.Join(s.data, "checkpoint")
	before, err := os.ReadFile(checkpoint)
	if err != nil {
		t.Fatal(err)
	}

	taken := out.address
	for name, s := range map[string]settings{
		"plaintext": {rules: s.rules, data: s.data, listen: taken},
		"HTTP":      {rules: s.rules, data: s.data, http: taken},
	} {
		got := fails(t, s)
		if !strings.Contains(got, taken) || !strings.Contains(got, "address already in use") {
			t.Errorf("%s on a port in use: %s", name, got)
		}
		if after, err := os.ReadFile(checkpoint); err != nil || !slices.Equal(after, before) {
			t.Errorf("%s on a port in use: the checkpoint has changed (%v)", name, err)
		}
	}

	d = start(t, s)
	feed(d, out, at, "r.a.y 2")
	rowsSince(begun, restartGrace)(out, at, map[string][]string{"sums.a": {"3"}})
	d.stop()
}

// A checkpoint that cannot be read is kept for a look, and costs no more than a crash.
func TestDamagedCheckpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := newSink(t)
	s := settings{rules: write(t, dir, "rules.conf", restartRules), data: filepath.Join(dir, "data"), upstream: out.address}
	at := history()
	d := start(t, s)
	feed(d, out, at, "r.a.x 1")
	d.stop()
	path := filepath.Join(s.data, "checkpoint")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	write(t, s.data, "checkpoint", string(text))

	d = start(t, s)
	l := d.waitLog("the checkpoint cannot be used: its open buckets are lost, and buckets that began before the last run's end are refused as too_old")
	kept, err := os.ReadFile(path + ".damaged")
	if err != nil || !slices.Equal(kept, text) || l.attrs["level"] != "ERROR" || l.attrs["kept_as"] != path+".damaged" {
		t.Errorf("kept %d bytes (%v), logged %s", len(kept), err, l.text)
	}
	d.stop()
}

// After a crash together with a change of a rule's period, what is late does not take
// the place of what was emitted under the period before.
func TestPeriodChangedBeforeACrash(t *testing.T) {
	t.Parallel()
	for name, periods := range map[string][2]int{"longer": {1, 2}, "shorter": {2, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			out := newSink(t)
			rule := func(n int) string { return fmt.Sprintf("k.<x> (%d) = sum k.<x>.* grace=0s keep=0\n", periods[n]) }
			s := settings{
				rules: write(t, dir, "rules.conf", rule(0)), data: filepath.Join(dir, "data"), upstream: out.address, config: quickStore,
			}
			d := start(t, s)
			at := (soon() + 1) / 2 * 2
			feed(d, out, at, "k.a.x 40", "k.a.x 2")
			rowsAre(out, at, map[string][]string{"k.a": {"42"}})
			d.forgotten()
			d.kill()
			replace(t, s.rules, rule(1))
			d = start(t, s)
			feed(d, out, at, "k.a.x 1", "k.b.x 1")
			rowsAre(out, at, map[string][]string{"k.b": {"1"}})
			await(t, "the datapoint to be refused", nil, func() bool {
				return scrape(t, d).sum("contributions_dropped_total", "reason", "too_old") == 1
			})
			for _, v := range out.got().values[fmt.Sprintf("aggregates.k.a %d", at)] {
				if v != "42" {
					t.Errorf("%s came, part of what had been there", v)
				}
			}
			balanced(t, d)
			d.stop()
		})
	}
}
